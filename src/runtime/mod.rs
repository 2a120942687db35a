//! What a command needs of the host's disk to run: the interpreter that really runs, and where it is installed.
//!
//! The command is followed through symbolic links, `#!` lines and the shims of version managers, as the
//! kernel and the managers themselves would, but nothing is executed: every answer is read from disk.
//! The result names the smallest directories that hold the runtime, each mounted read-only at its own place.

mod elf;
mod file;
mod find;
mod image;
mod packages;
mod prefix;
mod python;
mod reach;
mod resolve;
mod script;
mod shims;
mod system;
mod view;
mod wellknown;
mod wrappers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::{Link, Mount, quote};

use crate::error::Error;

pub use system::{REASON as SYSTEM_REASON, System, system};

/// The facts about the host and its user that decide what a command stands for.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// The search path that came with us; None means the C library's default.
    pub path: Option<OsString>,
    /// The user's own home directory, absolute.
    pub home: PathBuf,
    /// The directory we were started in, absolute.
    pub cwd: PathBuf,
    /// The environment. Only the variables of version managers (`PYENV_VERSION`, `NVM_DIR`, …) are read.
    pub env: BTreeMap<OsString, OsString>,
}

/// How to start a command in the box, and what the box must show for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Absolute path, in the box, of the file to execute. Never a shim.
    pub program: PathBuf,
    /// The arguments, the zeroth included.
    pub argv: Vec<OsString>,
    /// Outer targets before inner ones, all read-only; what [`system()`] already shows is left out.
    pub mounts: Vec<Mount>,
    /// Symbolic links of the host that lie outside every mount. None of them lies below a mount.
    pub links: Vec<Link>,
    /// `PATH` in the box, the most specific directory first.
    pub path: Vec<PathBuf>,
    /// Variables the runtime needs to find its own parts.
    pub env: Vec<(OsString, OsString)>,
    /// How the command was followed, one step a line, for `-v` and `explain`.
    pub notes: Vec<String>,
    /// Arguments that name existing paths of the host which no mount of the runtime shows.
    pub hidden_args: Vec<PathBuf>,
}

/// Follows `command` to what really runs.
///
/// # Errors
///
/// `Kind::NotFound` and `Kind::NotExecutable` as execvp(3) tells them apart; also when a shim or an
/// interpreter on the way cannot be followed.
pub fn resolve(command: &[OsString], host: &Host) -> Result<Runtime, Error> {
    resolve::Resolver::new(host).run(command)
}

/// The file that a command's name leads to, through `PATH` and symbolic links.
pub fn locate(name: &OsStr, host: &Host) -> Option<PathBuf> {
    let found = match name.as_encoded_bytes().contains(&b'/') {
        true => find::Search::Found(host.cwd.join(name)),
        false => find::along(name, &find::directories(host)),
    };
    match found {
        find::Search::Found(path) => path.canonicalize().ok(),
        _ => None,
    }
}

/// The program that a bare name means along `PATH`, as its own path: links in it are not followed.
pub fn on_path(name: &OsStr, host: &Host) -> Option<PathBuf> {
    match find::along(name, &find::directories(host)) {
        find::Search::Found(path) => Some(path),
        _ => None,
    }
}

impl Host {
    /// A variable that is set and not empty.
    fn var(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.env
            .get(name.as_ref())
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The directory a variable names, or else one below the home.
    fn dir(&self, variable: &str, default: &str) -> PathBuf {
        match self.var(variable).map(Path::new) {
            Some(dir) if dir.is_absolute() => dir.to_owned(),
            _ => self.home.join(default),
        }
    }

    /// The current directory and everything above it, the nearest first.
    fn upward(&self) -> impl Iterator<Item = &Path> {
        self.cwd.ancestors()
    }

    fn data_dir(&self, name: &str) -> PathBuf {
        self.dir("XDG_DATA_HOME", ".local/share").join(name)
    }

    fn config_dir(&self, name: &str) -> PathBuf {
        self.dir("XDG_CONFIG_HOME", ".config").join(name)
    }
}

/// A path in a note: quoted only if it holds something to escape.
fn show(text: impl AsRef<OsStr>) -> String {
    let quoted = quote(text.as_ref());
    let inner = &quoted[1..quoted.len() - 1];
    match inner == text.as_ref() && !inner.contains(' ') {
        true => inner.to_owned(),
        false => quoted,
    }
}
