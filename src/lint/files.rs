//! What mounts, arguments and the home give.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::{Access, quote};

use super::network::leaves_the_machine;
use super::places::{holds_programs, is_broad, is_script, is_secret_file, is_socket, lexical, whole};
use super::rules::*;
use super::{Finding, Severity};
use crate::policy::sensitive::{self, Kind, Known};
use crate::profile::{HomeMode, Host, Located, Mount, Origin, PathArgs, Profile, expand};

/// The cure of mounts that show too much.
const NARROW: &str = "mount the folder that is needed, not all around it";

pub fn findings(profile: &Profile, host: &Host) -> Vec<Finding> {
    let known: Vec<Known> = sensitive::known(host).collect();
    let mut found = Vec::new();
    for given in &profile.mounts {
        let mount = Judged::new(given, host);
        let reach = mount.reach(host, &known);
        if reach.is_none() {
            found.extend(mount.sendable(profile));
        }
        found.extend(reach);
        found.extend(mount.own_profile(profile, host));
        found.extend(mount.code(profile, host));
        found.extend(mount.execute(profile));
        found.extend(mount.re_included());
    }
    found.extend(path_args(profile));
    found.extend(profile.writable_sensitive.iter().map(writable_sensitive));
    found.extend(home(profile));
    found
}

/// A mount with the names that its source has on this host.
struct Judged<'p> {
    given: &'p Mount,
    origin: &'p Origin,
    /// As written, then free of links where it exists. None where a variable has no value.
    paths: Vec<PathBuf>,
}

impl<'p> Judged<'p> {
    fn new(given: &'p Located<Mount>, host: &Host) -> Self {
        let written = expand::path(&given.value.path, host).ok();
        let mut paths: Vec<PathBuf> = written.iter().map(|path| lexical(path)).collect();
        paths.extend(written.and_then(|path| fs::canonicalize(path).ok()));
        paths.dedup();
        Judged {
            given: &given.value,
            origin: &given.value.path.origin,
            paths,
        }
    }

    fn writable(&self) -> bool {
        self.given.access == Access::Write
    }

    /// What to call it.
    fn name(&self) -> String {
        self.paths.first().map(quote).unwrap_or_default()
    }

    /// What the source is or holds; the worst alone, since each cure is the same.
    fn reach(&self, host: &Host, known: &[Known]) -> Option<Finding> {
        let found = self
            .paths
            .iter()
            .filter_map(|path| self.reach_of(path, host, known));
        found.max_by_key(|one| one.severity)
    }

    fn reach_of(&self, path: &Path, host: &Host, known: &[Known]) -> Option<Finding> {
        if let Some(why) = whole(path, host) {
            let message = format!("the server gets {}: {why}", quote(path));
            return Some(BROAD_MOUNT.at(self.origin, Severity::Critical, message, NARROW));
        }
        let agent = host.ssh_auth_sock.as_deref().is_some_and(|agent| agent == path);
        if agent {
            let message = format!(
                "the server gets {}: use of every key in the SSH agent",
                quote(path)
            );
            return Some(CONTROL_SOCKET.at(self.origin, Severity::Critical, message, "drop the mount"));
        }
        let own = path.starts_with(&host.state_dir);
        if own {
            let message = format!(
                "the server gets {}: the private homes of other servers",
                quote(path)
            );
            return Some(CREDENTIALS.at(self.origin, Severity::High, message, "drop the mount"));
        }
        self.store(path, known).or_else(|| self.broad(path, host))
    }

    /// A store or socket of the tables, or the folder that it lies in.
    fn store(&self, path: &Path, known: &[Known]) -> Option<Finding> {
        let named = known.iter().filter(|one| one.covers(path));
        if let Some(one) = named.max_by_key(|one| one.kind == Kind::Socket) {
            let message = format!("the server gets {}: {}", quote(path), one.reason);
            return Some(match one.kind {
                Kind::Socket => CONTROL_SOCKET.at(self.origin, Severity::Critical, message, "drop the mount"),
                Kind::Credentials => CREDENTIALS.at(
                    self.origin,
                    Severity::High,
                    message,
                    "drop the mount, and pass a token of its own with least rights in [process.env]",
                ),
            });
        }
        let held = known.iter().filter(|one| one.lies_below(path));
        held.max_by_key(|one| one.kind == Kind::Socket).map(|one| {
            let store = quote(one.name());
            let message = format!("{} is where {store} lies: {}", quote(path), one.reason);
            let (rule, severity) = match one.kind {
                Kind::Socket => (&CONTROL_SOCKET, Severity::Critical),
                Kind::Credentials => (&CREDENTIALS, Severity::High),
            };
            rule.at(self.origin, severity, message, NARROW)
        })
    }

    fn broad(&self, path: &Path, host: &Host) -> Option<Finding> {
        if is_socket(path) {
            let message = format!(
                "{} is a socket: its program takes the server for you",
                quote(path)
            );
            let cure = "drop the mount, or make sure that the program asks who connects";
            return Some(UNIX_SOCKET.at(self.origin, Severity::High, message, cure));
        }
        is_broad(path, host).then(|| {
            let severity = if self.writable() {
                Severity::High
            } else {
                Severity::Medium
            };
            let message = format!("{} holds far more than one server needs", quote(path));
            BROAD_MOUNT.at(self.origin, severity, message, NARROW)
        })
    }

    fn own_profile(&self, profile: &Profile, host: &Host) -> Option<Finding> {
        let writable = self.paths.iter().filter(|_| self.writable());
        let mut held = writable.filter_map(|path| {
            let files = profile.files.iter().find(|file| file.starts_with(path));
            files.or_else(|| path.starts_with(&host.config_dir).then_some(path))
        });
        let message = format!(
            "the server can write {}, which says what it may do",
            quote(held.next()?)
        );
        let cure = "keep profiles outside of what a server can write";
        Some(OWN_PROFILE.at(self.origin, Severity::Critical, message, cure))
    }

    /// Folders of programs, and the program that the profile starts.
    fn code(&self, profile: &Profile, host: &Host) -> Option<Finding> {
        if !self.writable() {
            return None;
        }
        if self.paths.iter().any(|path| holds_programs(path)) {
            let message = format!("the server can change programs in {}", self.name());
            return Some(WRITABLE_CODE.at(self.origin, Severity::High, message, "use access = \"read\""));
        }
        let at = self.given.at.as_ref().and_then(|at| expand::path(at, host).ok());
        let words = expand::run(profile, host).unwrap_or_default();
        let own = words
            .iter()
            .enumerate()
            .map(|(index, word)| (index, Path::new(word)));
        let is_program = |(index, word): &(usize, &Path)| *index == 0 || is_script(word);
        let mut inside = own.filter(is_program).filter(|(_, word)| {
            self.paths
                .iter()
                .chain(&at)
                .any(|folder| word.is_absolute() && word.starts_with(folder))
        });
        let (_, program) = inside.next()?;
        let message = format!(
            "the server can change {}, which its command starts",
            quote(program)
        );
        let cure = "mount the program's folder with access = \"read\", and what is to be written by itself";
        Some(WRITABLE_CODE.at(self.origin, Severity::High, message, cure))
    }

    fn execute(&self, profile: &Profile) -> Option<Finding> {
        // The kernel executes nothing in a mount with exclusions.
        let open = self.writable() && self.given.exclude.is_empty() && profile.spawn.value;
        open.then(|| {
            let message = format!("the server can execute what it writes to {}", self.name());
            let cure = "add spawn = false to [process] if it starts no program, or an exclude, with which nothing \
                        in the mount is executed";
            WRITE_EXECUTE.at(self.origin, Severity::Low, message, cure)
        })
    }

    fn re_included(&self) -> Vec<Finding> {
        let patterns = self.given.exclude.iter();
        let taken_back = patterns.filter_map(|one| Some((one, one.text.strip_prefix('!')?)));
        let finding = |(pattern, rest): (&mcp_sandbox_platform::files::Pattern, &str)| {
            let severity = if is_secret_file(rest) {
                Severity::Medium
            } else {
                Severity::Low
            };
            let message = format!(
                "{} opens again what {} excludes before",
                quote(&pattern.text),
                self.name()
            );
            let cure = "name what is excluded so that no ! is needed, or the one file after the !";
            RE_INCLUDED.at(self.origin, severity, message, cure)
        };
        taken_back.map(finding).collect()
    }

    fn sendable(&self, profile: &Profile) -> Option<Finding> {
        let sends = profile
            .allow
            .iter()
            .any(|rule| leaves_the_machine(&rule.value.host));
        let file = self
            .paths
            .iter()
            .any(|path| path.is_file() || path.extension().is_some());
        let plain = self.given.exclude.is_empty() && sends && !file && !self.paths.is_empty();
        plain.then(|| {
            let message = format!("all of {} can be read, and sent to the hosts that are allowed", self.name());
            let cure = "add exclude = [\".env*\", \"*.pem\", \"*.key\", \".git/\"] to the mount, or what else is secret in it";
            NO_EXCLUDE.at(self.origin, Severity::Low, message, cure)
        })
    }
}

fn path_args(profile: &Profile) -> Option<Finding> {
    let given = &profile.path_args;
    (given.value == PathArgs::Write).then(|| {
        let message = "each path among the arguments becomes writable";
        let cure = "use path_args = \"read\" if the server only reads, or name the folder in mounts";
        PATH_ARGS_WRITE.at(&given.origin, Severity::Low, message, cure)
    })
}

fn writable_sensitive(name: &Located<String>) -> Finding {
    let message = format!(
        "the server can change {}, which other programs execute or trust",
        quote(&name.value)
    );
    let cure = "drop it, and let a person make such changes";
    WRITABLE_SENSITIVE.at(&name.origin, Severity::High, message, cure)
}

fn home(profile: &Profile) -> Option<Finding> {
    let given = &profile.home;
    (given.value == HomeMode::Persistent).then(|| {
        let message = "what the server leaves in its home is there at its next start";
        let cure = "use home = \"ephemeral\" if the server keeps nothing";
        HOME_KEPT.at(&given.origin, Severity::Low, message, cure)
    })
}
