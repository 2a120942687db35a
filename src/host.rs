//! The facts about this host and its user, gathered once: everything after works on this data.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::User;

use crate::error::{Error, reason};
use crate::{profile, runtime};

/// What a policy is resolved against.
#[derive(Debug, Clone)]
pub struct Facts {
    pub profile: profile::Host,
    pub runtime: runtime::Host,
    pub user: User,
}

/// The variables that version managers are steered by. Nothing else of the environment is copied: what a
/// profile does not pass must not lie about in the memory that init is a copy of.
const OF_VERSION_MANAGERS: [&str; 24] = [
    "ASDF_DATA_DIR",
    "ASDF_DIR",
    "BUN_INSTALL",
    "CARGO_HOME",
    "DENO_INSTALL",
    "FNM_DIR",
    "GOENV_ROOT",
    "GOENV_VERSION",
    "JAVA_HOME",
    "JENV_ROOT",
    "JENV_VERSION",
    "MISE_DATA_DIR",
    "NODENV_ROOT",
    "NODENV_VERSION",
    "NVM_DIR",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "RBENV_ROOT",
    "RBENV_VERSION",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "VOLTA_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
];

impl Facts {
    /// Asks the operating system and the environment.
    ///
    /// # Errors
    /// The current folder does not exist or cannot be read.
    pub fn gather() -> Result<Self, Error> {
        let cwd = env::current_dir().map_err(|error| {
            Error::setup(format!("the current folder cannot be used: {}", reason(&error)))
                .hint("start from a folder that exists")
        })?;
        let account = Account::own();
        let home = env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        let home = home.unwrap_or_else(|| account.home.clone());
        let user = account.user;
        let profile = profile::Host {
            config_dir: own_folder("XDG_CONFIG_HOME", &home, ".config"),
            state_dir: own_folder("XDG_STATE_HOME", &home, ".local/state"),
            cache_dir: own_folder("XDG_CACHE_HOME", &home, ".cache"),
            ssh_auth_sock: env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
            uid: user.uid,
            cores: cores(),
            home: home.clone(),
            cwd: cwd.clone(),
        };
        let runtime = runtime::Host {
            path: env::var_os("PATH"),
            home,
            cwd,
            env: variables_of_version_managers(),
        };
        Ok(Facts {
            profile,
            runtime,
            user,
        })
    }
}

/// One where the system does not say.
fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

fn own_folder(variable: &str, home: &Path, default: &str) -> PathBuf {
    let base = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|base| base.is_absolute());
    base.unwrap_or_else(|| home.join(default)).join("mcp-sandbox")
}

fn variables_of_version_managers() -> BTreeMap<OsString, OsString> {
    let named = OF_VERSION_MANAGERS
        .iter()
        .filter_map(|name| Some((OsString::from(name), env::var_os(name)?)));
    // ASDF_NODEJS_VERSION, MISE_PYTHON_VERSION and the like, one per tool.
    let versions = env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name.ends_with("_VERSION") && (name.starts_with("ASDF_") || name.starts_with("MISE_"))
    });
    named.chain(versions).collect()
}

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: User,
    pub home: PathBuf,
}

impl Account {
    /// Whoever started us. A user without a line in `/etc/passwd` is called `user`.
    fn own() -> Self {
        let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        let known = find(|account| account.user.uid == uid);
        let name = known
            .as_ref()
            .map_or_else(|| "user".into(), |account| account.user.name.clone());
        let home = known.map_or_else(|| Path::new("/home").join(&name), |account| account.home);
        Account {
            user: User { uid, gid, name },
            home,
        }
    }

    /// The account of `name`, or of the uid that it spells; none if there is none.
    pub fn of(name: &str) -> Option<Self> {
        let uid = name.parse::<u32>().ok();
        find(|account| account.user.name == name || Some(account.user.uid) == uid)
    }
}

/// Reads the file itself: a look-up through NSS would load libraries and ask daemons for a name that only labels.
fn find(wanted: impl Fn(&Account) -> bool) -> Option<Account> {
    let text = std::fs::read("/etc/passwd").ok()?;
    text.split(|byte| *byte == b'\n').filter_map(account).find(wanted)
}

fn account(line: &[u8]) -> Option<Account> {
    let fields: Vec<&str> = std::str::from_utf8(line).ok()?.split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields[..] else {
        return None;
    };
    let user = User {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        name: name.into(),
    };
    Some(Account {
        user,
        home: home.into(),
    })
}

/// The value of a variable of ours.
pub fn variable(name: &OsStr) -> Option<OsString> {
    env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn lines_of_passwd() {
        let found = account(b"alice:x:1000:1001:A,,,:/home/alice:/bin/bash").unwrap();
        assert_eq!(
            (found.user.uid, found.user.gid, found.user.name.as_str()),
            (1000, 1001, "alice")
        );
        assert_eq!(found.home.to_str(), Some("/home/alice"));
        assert!(
            [&b""[..], b"#x", b"a:b", b"a:x:b:c:d:e:f"]
                .iter()
                .all(|line| account(line).is_none())
        );
    }
}
