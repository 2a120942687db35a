//! Profiles: from TOML text to one merged profile.
//!
//! [`load`] reads one file and reports every error in it; [`find`] turns names into files and built-ins and
//! follows `extends`; [`merge`] lays the layers over each other; [`select`] picks the profile that fits a
//! command. What the host looks like comes in as data ([`Host`]); only `find` reads the disk.

pub mod builtin;
pub mod capability;
pub mod expand;
pub mod find;
pub mod layer;
pub mod load;
pub mod merge;
mod nearest;
mod origin;
pub mod package;
mod read;
pub mod resolved;
mod resources;
pub mod select;
mod word;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use mcp_sandbox_platform::net::{Dns, Inspect};
use mcp_sandbox_platform::{Access, Bytes};

pub use layer::{CEILING, Flags, HomeMode, List, Mount, PathArgs, PathText, RawProfile, User};
pub use nearest::did_you_mean;
pub use origin::{Located, Origin, Source};
pub use resources::Resources;

use crate::error::{Diagnostic, Error};
use crate::net::HostPattern;

/// What profiles need to know about the host and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The user's home directory: absolute.
    pub home: PathBuf,
    /// The folder we were started in: absolute.
    pub cwd: PathBuf,
    /// Our own configuration: `$XDG_CONFIG_HOME/mcp-sandbox` or `~/.config/mcp-sandbox`.
    pub config_dir: PathBuf,
    /// Our own state, such as persistent homes: `$XDG_STATE_HOME/mcp-sandbox` or `~/.local/state/mcp-sandbox`.
    pub state_dir: PathBuf,
    /// Packages that were prepared: `$XDG_CACHE_HOME/mcp-sandbox` or `~/.cache/mcp-sandbox`.
    pub cache_dir: PathBuf,
    pub uid: u32,
    /// `$SSH_AUTH_SOCK`, if set.
    pub ssh_auth_sock: Option<PathBuf>,
    /// The cores that a process of this user may run on.
    pub cores: u32,
}

#[cfg(test)]
impl Host {
    /// A user's machine that has nothing.
    fn bare() -> Self {
        Host {
            home: "/home/alice".into(),
            cwd: "/home/alice/p".into(),
            config_dir: "/nonexistent/config".into(),
            state_dir: "/nonexistent/state".into(),
            cache_dir: "/nonexistent/cache".into(),
            uid: 1000,
            ssh_auth_sock: None,
            cores: 2,
        }
    }
}

/// A profile after `extends`, context and flags, over the built-in `default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name, or the absolute path of the file: one profile has one name, however it was asked for.
    pub name: String,
    pub description: Option<Located<String>>,
    /// The files it was merged from.
    pub files: Vec<PathBuf>,
    /// The names that `--context` takes.
    pub contexts: Vec<String>,
    /// The command used when nothing follows `--`, before variables; see [`expand::run`].
    pub run: Option<Located<Vec<Located<String>>>>,
    /// The working directory in the box, before variables; see [`expand::cwd`].
    pub cwd: Option<Located<PathText>>,
    pub mounts: Vec<Located<Mount>>,
    pub path_args: Located<PathArgs>,
    pub home: Located<HomeMode>,
    pub tmp: Located<Bytes>,
    /// Built-in patterns that do not hold.
    pub writable_sensitive: Vec<Located<String>>,
    pub allow: Vec<Located<HostPattern>>,
    /// Wins over `allow`.
    pub block: Vec<Located<HostPattern>>,
    pub dns: Located<Dns>,
    pub inspect: Located<Inspect>,
    pub spawn: Located<bool>,
    pub user: Located<User>,
    /// Upper case with the `CAP_` prefix.
    pub capabilities: Vec<Located<String>>,
    /// Names passed from the client's environment. `set` wins where a name is in both.
    pub env_pass: Vec<Located<OsString>>,
    pub env_set: BTreeMap<OsString, Located<OsString>>,
    pub resources: Resources,
}

/// Finds, loads and merges a profile: a name, a file, or `default` when there is none.
///
/// # Errors
/// Every finding in the profile and its bases, an unknown name, or an unknown context.
pub fn open(
    reference: Option<&str>,
    context: Option<&str>,
    flags: &Flags,
    host: &Host,
) -> Result<Profile, Error> {
    let found = find::find(reference.unwrap_or(builtin::DEFAULT), host)?;
    let name = found.name.clone();
    let chain = find::chain(found, host).map_err(Error::profile)?;
    merge::merge(&name, chain, context, flags)
}

impl PathArgs {
    /// The access that paths among the arguments get; none when they stay invisible.
    pub fn access(self) -> Option<Access> {
        match self {
            PathArgs::None => None,
            PathArgs::Read => Some(Access::Read),
            PathArgs::Write => Some(Access::Write),
        }
    }
}

/// Sorts findings by file and place and drops repetitions, as people want to read them.
pub fn in_order(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = Vec::new();
    found.retain(|one| {
        let new = !seen.contains(one);
        if new {
            seen.push(one.clone());
        }
        new
    });
    found.sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
    found
}
