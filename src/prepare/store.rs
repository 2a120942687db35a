//! Where prepared packages lie: one folder for each set of packages, complete or not there at all.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use mcp_sandbox_platform::quote;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::abi::{self, Abi, Node};
use super::boxed::{Boxes, Order};
use super::{Locked, Manager, Wanted};
use crate::error::{Error, printable, reason};
use crate::host::Facts;

/// What stands in every complete folder, written last.
const MARK: &str = "mcp-sandbox.json";

/// How often a start that waits for another one looks again.
const LOOK: Duration = Duration::from_millis(50);

/// The folder of all packages.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Of the Node.js that is installed now; none before it was asked.
    node: Option<Abi>,
}

/// What a complete folder says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Version of this format: 1.
    pub version: u32,
    pub integrity: String,
    /// The program that is started when the command names none.
    pub main: Option<String>,
    /// Programs by name, each with its place in the folder.
    pub programs: BTreeMap<String, PathBuf>,
    /// Of everything in the folder but this file.
    pub content: String,
}

/// A package that is there.
#[derive(Debug)]
pub struct Entry {
    pub folder: PathBuf,
    pub mark: Mark,
}

/// The right to change something; it ends with this value.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "the lock is held while the file is open")] File);

/// A folder that is being filled. It is removed with this value unless it was put in its place.
#[derive(Debug)]
pub struct Staging {
    /// What becomes the package's folder.
    pub folder: PathBuf,
    /// For whoever fills it; never part of it.
    pub notes: PathBuf,
}

impl Store {
    /// Nothing is executed: a Node.js that was not asked yet is one for which no package is found.
    pub fn of(facts: &Facts, manager: Manager) -> Self {
        let root = facts.profile.cache_dir.join("packages");
        let node = match manager {
            Manager::Python => None,
            // Servers of other runtimes, such as bun, have no Node.js to match.
            Manager::Npm => match Node::find(&facts.runtime) {
                None => Some(Abi::of_machine()),
                Some(node) => node.known(&root),
            },
        };
        Store { root, node }
    }

    /// The same, after asking the Node.js that is installed now if nobody has.
    ///
    /// # Errors
    /// It does not answer, or the store cannot be used.
    pub fn for_preparing(facts: &Facts, manager: Manager, boxes: &Boxes) -> Result<Self, Error> {
        let mut store = Store::of(facts, manager);
        if store.abi(manager).is_none()
            && let Some(node) = Node::find(&facts.runtime)
        {
            store.node = Some(store.ask(&node, boxes)?);
        }
        Ok(store)
    }

    /// In a box that sees and reaches nothing: whatever a path may call `node` is not ours.
    fn ask(&self, node: &Node, boxes: &Boxes) -> Result<Abi, Error> {
        private_folder(&self.root).map_err(|error| unusable(&self.root, &error))?;
        let _turn = self.turn(&self.root.join("node.turn"), || boxes.check())?;
        let notes = self.root.join("node.notes");
        private_folder(&notes).map_err(|error| unusable(&notes, &error))?;
        let answer = node.ask(&self.root, |command| {
            boxes.run(&Order {
                command,
                cwd: "/".into(),
                notes: notes.clone(),
                ..Order::default()
            })
        });
        let _ = fs::remove_dir_all(&notes);
        answer
    }

    /// What packages are prepared for now.
    fn abi(&self, manager: Manager) -> Option<Abi> {
        match manager {
            Manager::Npm => self.node.clone(),
            Manager::Python => Some(Abi::of_machine()),
        }
    }

    /// The folder that these packages have or would have, free of links: the box shows no path with one.
    pub fn folder(&self, locked: &Locked) -> PathBuf {
        let abi = self.abi(locked.manager);
        let abi = abi.as_ref().map_or("unknown", Abi::text);
        let name = format!(
            "{}@{}-{}-{abi}",
            locked.name,
            locked.version,
            locked.fingerprint()
        );
        let base = self.root.join(locked.manager.to_string());
        base.canonicalize().unwrap_or(base).join(file_name(&name))
    }

    /// The complete folder of these packages.
    pub fn find(&self, locked: &Locked) -> Option<Entry> {
        self.abi(locked.manager)?;
        let folder = self.folder(locked);
        let mark: Mark = serde_json::from_slice(&fs::read(folder.join(MARK)).ok()?).ok()?;
        let whole = mark.version == 1 && mark.integrity == locked.integrity;
        let runs = || locked.manager != Manager::Python || abi::same_python(&folder);
        let there = || {
            mark.programs
                .values()
                .all(|program| folder.join(program).is_file())
        };
        (whole && there() && runs()).then_some(Entry { folder, mark })
    }

    /// Waits until nobody else prepares the same package.
    ///
    /// # Errors
    /// The store cannot be used, or the wait was interrupted.
    pub fn wait_for_turn(&self, wanted: &Wanted, boxes: &Boxes, tell: &dyn Fn(&str)) -> Result<Turn, Error> {
        let name = format!("{}.turn", file_name(wanted.name()));
        self.turn(&self.folder_of(wanted.manager)?.join(name), || {
            tell("waiting for another start that prepares it");
            boxes.check()
        })
    }

    /// The right to change lock files.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn turn_at_locks(&self) -> Result<Turn, Error> {
        self.turn(&self.root.join("lock-files.turn"), || Ok(()))
    }

    fn turn(&self, path: &Path, waiting: impl Fn() -> Result<(), Error>) -> Result<Turn, Error> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| unusable(path, &error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Turn(file)),
                Err(TryLockError::WouldBlock) => waiting()?,
                Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
            }
            thread::sleep(LOOK);
        }
    }

    /// An empty folder for these packages. Whatever an earlier attempt left is removed; only who has the turn may call.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn staging(&self, wanted: &Wanted) -> Result<Staging, Error> {
        let base = self.folder_of(wanted.manager)?;
        let name = file_name(wanted.name());
        let staging = Staging {
            folder: base.join(format!("{name}.partial")),
            notes: base.join(format!("{name}.notes")),
        };
        staging
            .clear()
            .map_err(|error| unusable(&staging.folder, &error))?;
        for folder in [&staging.folder, &staging.notes] {
            private_folder(folder).map_err(|error| unusable(folder, &error))?;
        }
        Ok(staging)
    }

    /// The manager's part of the store, made if it is missing.
    fn folder_of(&self, manager: Manager) -> Result<PathBuf, Error> {
        let folder = self.root.join(manager.to_string());
        private_folder(&folder)
            .and_then(|()| fs::canonicalize(&folder))
            .map_err(|error| unusable(&folder, &error))
    }

    /// Makes a filled folder the one of these packages.
    ///
    /// # Errors
    /// It cannot be read or moved.
    pub fn finish(
        &self,
        staging: &Staging,
        locked: &Locked,
        main: Option<String>,
        programs: BTreeMap<String, PathBuf>,
    ) -> Result<(), Error> {
        let failed = |error: io::Error| unusable(&staging.folder, &error);
        let mark = Mark {
            version: 1,
            integrity: locked.integrity.clone(),
            main,
            programs,
            content: content(&staging.folder).map_err(failed)?,
        };
        let text = serde_json::to_vec_pretty(&mark).unwrap_or_default();
        fs::write(staging.folder.join(MARK), text).map_err(failed)?;
        let place = self.folder(locked);
        // What stands there is damaged, or it would have been used. Servers that run from it keep it until they end.
        let old = staging.notes.join("old");
        let moved = match fs::rename(&place, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::rename(&staging.folder, &place),
        };
        moved.map_err(|error| unusable(&place, &error))
    }
}

impl Entry {
    /// The program that a command starts.
    ///
    /// # Errors
    /// The package has none, or none of that name.
    pub fn program(&self, wanted: &Wanted) -> Result<PathBuf, Error> {
        let name = wanted.program.as_ref().or(self.mark.main.as_ref());
        if let Some(place) = name.and_then(|name| self.mark.programs.get(name)) {
            return Ok(self.folder.join(place));
        }
        let package = printable(wanted.name());
        let known: Vec<String> = self.mark.programs.keys().map(quote).collect();
        let message = match name {
            Some(name) => format!("the package {package} has no program {}", quote(name)),
            None if known.is_empty() => format!("the package {package} has no program"),
            None => format!("the package {package} has several programs"),
        };
        let how = match wanted.manager {
            Manager::Npm => format!("npx -y -p {package} PROGRAM"),
            Manager::Python => format!("uvx --from {package} PROGRAM"),
        };
        Err(Error::setup(message).hint(match known.is_empty() {
            true => "it is a library: is this the server's package?".to_owned(),
            false => format!("it has {}; name one, as in: {how}", known.join(", ")),
        }))
    }

    /// Whether the folder holds what was put into it.
    pub fn is_whole(&self) -> bool {
        content(&self.folder).is_ok_and(|found| found == self.mark.content)
    }
}

impl Staging {
    fn clear(&self) -> io::Result<()> {
        for folder in [&self.folder, &self.notes] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next attempt.
        let _ = self.clear();
    }
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let message = format!("cannot use {} for packages: {}", quote(path), reason(error));
    Error::setup(message).hint(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: make room, or set XDG_CACHE_HOME to a folder on another one"
        }
        _ => "packages lie in $XDG_CACHE_HOME/mcp-sandbox, by default ~/.cache/mcp-sandbox: make it yours and writable",
    })
}

fn private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A name as one component of a path.
fn file_name(name: &str) -> String {
    let name = name.trim_start_matches('.');
    let usual = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
    name.chars()
        .map(|c| if usual(c) { c } else { '+' })
        .take(200)
        .collect()
}

/// A hash of all names, kinds and contents below a folder, but for the mark.
fn content(folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut open = vec![PathBuf::new()];
    while let Some(place) = open.pop() {
        let mut names: Vec<_> = fs::read_dir(folder.join(&place))?.collect::<io::Result<_>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        for entry in names {
            let place = place.join(entry.file_name());
            if place == Path::new(MARK) {
                continue;
            }
            let kind = entry.file_type()?;
            hash.update(place.as_os_str().as_encoded_bytes());
            if kind.is_dir() {
                hash.update([0, b'd']);
                open.push(place);
            } else if kind.is_symlink() {
                hash.update([0, b'l']);
                hash.update(fs::read_link(entry.path())?.as_os_str().as_encoded_bytes());
            } else {
                let mut file = File::open(entry.path())?;
                hash.update([0, b'f']);
                hash.update(file.metadata()?.len().to_le_bytes());
                loop {
                    match file.read(&mut buffer)? {
                        0 => break,
                        some => hash.update(&buffer[..some]),
                    }
                }
            }
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
