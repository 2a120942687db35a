//! `mcp-sandbox.lock`: which version of a package a command stands for, and the hashes of everything that came with it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use mcp_sandbox_platform::quote;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::wanted::normal_name;
use super::{Manager, Store, Wanted};
use crate::error::{Error, printable, reason};

/// The file's name.
pub const NAME: &str = "mcp-sandbox.lock";

/// A lock file is some lines for each package; what is larger is something else.
const MOST_BYTES: u64 = 64 << 20;

const HEAD: &str = "# Versions and hashes of the packages that mcp-sandbox starts; made by `mcp-sandbox prepare`. \
                    `prepare --upgrade` moves on.\n";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this format: 1.
    version: u32,
    #[serde(default, rename = "package")]
    packages: Vec<Locked>,
}

/// What a command stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    pub manager: Manager,
    /// As the command asks for it; with several packages all of them.
    pub requested: String,
    /// The server's package.
    pub name: String,
    pub version: String,
    /// The hash of the server's package, as its manager writes it.
    pub integrity: String,
    /// When it was resolved, in UTC (RFC 3339).
    pub prepared: String,
    /// Everything that is installed, the server's package included: place, version and hashes, in order.
    pub installed: Vec<String>,
}

impl Lock {
    /// Reads the file; an absent one is empty.
    ///
    /// # Errors
    /// It cannot be read, or is no lock file of this format.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = match fs::metadata(file) {
            Ok(found) if found.len() > MOST_BYTES => Err(io::Error::other("it is larger than 64 MiB")),
            _ => fs::read_to_string(file),
        };
        let text = match text {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(error) => {
                let message = format!("cannot read the lock file {}: {}", quote(file), reason(&error));
                return Err(Error::setup(message).hint("make it readable, or remove it to prepare anew"));
            }
        };
        let refused = |why: &str| {
            let message = format!("the lock file {} is not valid: {why}", quote(file));
            Error::setup(message).hint("restore it, or remove it to prepare anew")
        };
        let lock: Lock = toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            refused(&format!("{place}{}", printable(error.message())))
        })?;
        match lock.version {
            1 => Ok(lock),
            other => Err(refused(&format!("it has version {other}, this program knows 1"))),
        }
    }

    /// The entry for a command. One that names another package than the command does, or a version that is none, is no
    /// entry for it: the file may have come with a profile from elsewhere.
    pub fn of(&self, wanted: &Wanted) -> Option<&Locked> {
        let requested = wanted.requested();
        let name = match wanted.manager {
            Manager::Npm => wanted.name().to_owned(),
            Manager::Python => normal_name(wanted.name()),
        };
        let plain = |version: &str| {
            version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-+!".contains(c))
        };
        self.packages
            .iter()
            .find(|one| one.manager == wanted.manager && one.requested == requested)
            .filter(|one| one.name == name && plain(&one.version))
    }

    /// Puts an entry into the file, in place of the one for the same command. The file is old or new at any time.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn write(file: &Path, locked: &Locked, store: &Store) -> Result<(), Error> {
        let failed = |error: &io::Error| {
            let message = format!("cannot write the lock file {}: {}", quote(file), reason(error));
            Error::setup(message).hint(
                "versions and hashes are kept there: make its folder writable, or use a profile in another folder",
            )
        };
        // Two packages may be prepared at once, and both go into this file.
        let _turn = store.turn_at_locks()?;
        let mut lock = Lock::read(file)?;
        lock.packages
            .retain(|one| (one.manager, &one.requested) != (locked.manager, &locked.requested));
        lock.packages.push(locked.clone());
        lock.packages
            .sort_by(|one, two| (one.manager, &one.requested).cmp(&(two.manager, &two.requested)));
        let text = toml::to_string_pretty(&lock)
            .map_err(|error| Error::setup(format!("cannot write the lock file: {error}")))?;
        replace(file, format!("{HEAD}{text}").as_bytes()).map_err(|error| failed(&error))
    }
}

impl Default for Lock {
    fn default() -> Self {
        Lock {
            version: 1,
            packages: Vec::new(),
        }
    }
}

impl Locked {
    /// What tells this set of packages from any other: 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for line in [&self.name, &self.version, &self.integrity]
            .into_iter()
            .chain(&self.installed)
        {
            hash.update(line.as_bytes());
            hash.update([0]);
        }
        hash.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// How what was found now differs from what is written down, one line each.
    pub fn differences(&self, now: &Locked) -> Vec<String> {
        let place = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let find = |lines: &[String], wanted: &str| lines.iter().find(|line| place(line) == wanted).cloned();
        let mut lines = Vec::new();
        for old in &self.installed {
            match find(&now.installed, &place(old)) {
                Some(new) if new == *old => {}
                Some(new) => lines.extend([format!("- {old}"), format!("+ {new}")]),
                None => lines.push(format!("- {old}")),
            }
        }
        let added = now
            .installed
            .iter()
            .filter(|new| find(&self.installed, &place(new)).is_none());
        lines.extend(added.map(|new| format!("+ {new}")));
        lines
    }

    /// # Errors
    /// What was found now is not what is written down: the differences.
    pub fn must_be(&self, now: &Locked, file: &Path) -> Result<(), Error> {
        let differences = self.differences(now);
        let same = (&self.name, &self.version, &self.integrity) == (&now.name, &now.version, &now.integrity);
        if same && differences.is_empty() {
            return Ok(());
        }
        let what = match self.version == now.version && self.integrity != now.integrity {
            true => "the same version has another hash than",
            false => "what the registry gives is not what stands in",
        };
        let message = format!(
            "{} {}: {what} {}\n{}",
            printable(&self.name),
            printable(&self.version),
            quote(file),
            shown(&differences)
        );
        Err(Error::setup(message).hint(
            "nothing was started. A package that changes under its version is not the one you used; if you trust the \
             new one: mcp-sandbox prepare --upgrade -- COMMAND",
        ))
    }
}

/// The lines of a difference, as many as a person reads.
pub fn shown(differences: &[String]) -> String {
    const MOST: usize = 20;
    let mut lines: Vec<String> = differences
        .iter()
        .take(MOST)
        .map(|line| format!("  {}", printable(line)))
        .collect();
    if differences.len() > MOST {
        lines.push(format!("  and {} more lines", differences.len() - MOST));
    }
    lines.join("\n")
}

/// Writes beside the file and renames.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".{NAME}.{}", std::process::id()));
    let written = fs::File::create_new(&beside).and_then(|mut new| {
        new.write_all(bytes)?;
        new.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(installed: &[&str]) -> Locked {
        Locked {
            manager: Manager::Npm,
            requested: "a".into(),
            name: "a".into(),
            version: "1.0.0".into(),
            integrity: "sha512-A".into(),
            prepared: "2026-01-01T00:00:00Z".into(),
            installed: installed.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn differences_name_every_line_that_is_not_the_same() {
        let old = locked(&["a 1.0.0 sha512-A", "b 1 sha512-B", "c 1 sha512-C"]);
        let new = locked(&["a 1.0.0 sha512-A", "b 2 sha512-X", "d 1 sha512-D"]);
        assert_eq!(
            old.differences(&new),
            [
                "- b 1 sha512-B",
                "+ b 2 sha512-X",
                "- c 1 sha512-C",
                "+ d 1 sha512-D"
            ]
        );
        assert!(old.differences(&old).is_empty());
        assert_ne!(old.fingerprint(), new.fingerprint());
        let later = Locked {
            prepared: "later".into(),
            ..old.clone()
        };
        assert_eq!(later.fingerprint(), old.fingerprint());
    }

    #[test]
    fn another_hash_for_the_same_version_is_refused_with_both() {
        let old = locked(&["a 1.0.0 sha512-A"]);
        let new = Locked {
            integrity: "sha512-B".into(),
            ..locked(&["a 1.0.0 sha512-B"])
        };
        let error = old.must_be(&new, Path::new("/f")).unwrap_err().to_string();
        assert!(error.contains("same version has another hash"), "{error}");
        assert!(
            error.contains("- a 1.0.0 sha512-A\n  + a 1.0.0 sha512-B"),
            "{error}"
        );
        old.must_be(&old, Path::new("/f")).unwrap();
    }

    #[test]
    fn an_entry_is_for_the_package_that_the_command_names() {
        let argv = ["npx", "-y", "a"].map(std::ffi::OsString::from);
        let wanted = Wanted::of(&argv).unwrap().unwrap();
        let of = |one: Locked| {
            let packages = vec![one];
            Lock { version: 1, packages }.of(&wanted).is_some()
        };
        let one = locked(&[]);
        assert!(of(one.clone()));
        let other = Locked {
            name: "b".into(),
            ..one.clone()
        };
        assert!(!of(other));
        let alias = Locked {
            version: "npm:b@1".into(),
            ..one
        };
        assert!(!of(alias));
    }

    #[test]
    fn what_is_no_lock_file_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        assert_eq!(Lock::read(&file).unwrap(), Lock::default());
        for (text, why) in [
            ("version = 1\n[[package]]\nname = 1", "line 3"),
            ("version = 2", "version 2"),
            ("version = 1\nhash = 2", "unknown field"),
            ("{", "line 1"),
        ] {
            fs::write(&file, text).unwrap();
            let error = Lock::read(&file).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("hint:"), "{text}: {error}");
        }
    }
}
