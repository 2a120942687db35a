//! The input language of every back end: a policy, absolute and complete, for one run.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;

use crate::files::{Exclusion, Pattern};
use crate::{Bytes, Limits, Network};

/// What one server may see, do and reach in one run. Nothing in it is relative or left to a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name of the profile, or the path of its file; `default` without one.
    pub profile: String,
    pub command: Command,
    /// Every path of the host that the box shows, ordered so that an outer target comes before an inner one.
    pub mounts: Vec<Mount>,
    /// What mounts show but the server does not get, by whatever name it is shown.
    pub exclusions: Vec<Exclusion>,
    /// What the server may read but not change in any writable mount.
    pub protected: Vec<Pattern>,
    /// Symbolic links at the top of the box, such as `/bin` to `usr/bin`.
    pub links: Vec<Link>,
    pub home: Home,
    /// Size of the private `/tmp`.
    pub tmp: Bytes,
    pub process: Process,
    pub network: Network,
    pub limits: Limits,
    /// Everything that the server uses is told of, which changes nothing about what it may use.
    pub observe: bool,
}

/// What is started, in paths of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Absolute path of the file that is executed.
    pub program: PathBuf,
    /// `argv`, the zeroth included.
    pub argv: Vec<OsString>,
    /// Absolute working directory.
    pub cwd: PathBuf,
}

/// One path of the host shown in the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path on the host, free of symbolic links.
    pub source: PathBuf,
    /// Absolute path in the box.
    pub at: PathBuf,
    pub access: Access,
    /// Make the directory on the host when it is missing.
    pub create: bool,
    /// Which line, flag or runtime asked for it.
    pub reason: String,
}

impl Mount {
    /// Whether this mount already shows at `other.at` exactly what `other` would show there.
    pub fn shows(&self, other: &Mount) -> bool {
        match (
            other.at.strip_prefix(&self.at),
            other.source.strip_prefix(&self.source),
        ) {
            (Ok(at), Ok(source)) => at == source,
            _ => false,
        }
    }
}

/// What the server may do below a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read and execute.
    Read,
    /// Read, execute, create, change and remove.
    Write,
}

/// A symbolic link made in the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub at: PathBuf,
    pub target: PathBuf,
}

/// The server's home directory. Never the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Absolute path in the box.
    pub at: PathBuf,
    pub kind: HomeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeKind {
    /// Memory of this size that goes away with the box.
    Ephemeral(Bytes),
    /// A private directory of the profile on the host.
    Persistent(PathBuf),
}

/// The server's process: credentials, environment, children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whether the server may start child processes.
    pub spawn: bool,
    pub user: User,
    /// Linux capabilities kept inside the box, by name (`CAP_…`).
    pub capabilities: Vec<String>,
    /// The whole environment, ordered by name.
    pub env: Vec<(OsString, OsString)>,
}

/// Who the server runs as, on the host and in the box alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
}
