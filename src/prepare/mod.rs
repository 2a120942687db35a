//! Packages that a launcher such as `npx` or `uvx` would download before it starts a server.
//!
//! A server never keeps the right to download. [`Wanted`] is what a command asks for; preparing it, in boxes of their own,
//! puts the packages into the [`store`] and writes version and hash into the [`lock`]; [`find`] is what every later start
//! does: it reads these two and nothing else, and gives the program to start instead of the launcher.

mod abi;
mod boxed;
mod lock;
mod npm;
mod python;
mod registry;
mod store;
mod wanted;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::host::Facts;
use crate::profile::Host;

pub use boxed::Boxes;
pub use lock::{Lock, Locked, shown};
pub use store::Store;
pub use wanted::{Manager, Wanted};

/// What a command stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It starts no package.
    Plain,
    /// The package is there.
    Ready(Ready),
    /// It has to be prepared first.
    Missing(Wanted),
}

/// A package that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub locked: Locked,
    /// The program and its arguments, in place of the launcher's.
    pub command: Vec<OsString>,
    /// Where the package lies.
    pub folder: PathBuf,
}

/// Where versions and hashes are written down: beside the profile where that is a file somebody named, else in our own
/// state. `profile` is the name or the absolute path of the profile in force.
pub fn lock_file(profile: &str, host: &Host) -> PathBuf {
    let file = Path::new(profile);
    let folder = match file.parent().filter(|_| file.is_absolute()) {
        Some(folder) => folder,
        None => &host.state_dir,
    };
    folder.join(lock::NAME)
}

/// Looks a command up in the lock file and the store. Nothing is executed.
///
/// # Errors
/// The lock file cannot be read, or the launcher is asked for something that cannot be prepared.
pub fn find(command: &[OsString], lock_file: &Path, facts: &Facts) -> Result<Found, Error> {
    let Some(wanted) = Wanted::of(command)? else {
        return Ok(Found::Plain);
    };
    let lock = Lock::read(lock_file)?;
    let Some(locked) = lock.of(&wanted) else {
        return Ok(Found::Missing(wanted));
    };
    let store = Store::of(facts, wanted.manager);
    match store.find(locked) {
        None => Ok(Found::Missing(wanted)),
        Some(entry) => {
            let program = entry.program(&wanted)?;
            let mut command = wanted.before;
            command.push(program.into());
            command.extend(wanted.args);
            Ok(Found::Ready(Ready {
                locked: locked.clone(),
                command,
                folder: entry.folder,
            }))
        }
    }
}

/// What preparing a package needs to know.
pub struct Order<'a> {
    pub wanted: &'a Wanted,
    pub lock_file: &'a Path,
    /// Take the newest version that fits, whatever the lock file says.
    pub upgrade: bool,
    /// Hosts that install scripts may reach.
    pub allow: &'a [String],
    pub facts: &'a Facts,
}

/// Downloads what is wanted and writes it down. `tell` hears what is being done.
///
/// # Errors
/// Whatever keeps it from being prepared. Nothing half-made is left behind then.
pub fn prepare(order: &Order<'_>, boxes: &Boxes, tell: &dyn Fn(&str)) -> Result<Locked, Error> {
    let store = Store::for_preparing(order.facts, order.wanted.manager, boxes)?;
    let _turn = store.wait_for_turn(order.wanted, boxes, tell)?;
    let lock = Lock::read(order.lock_file)?;
    let known = lock.of(order.wanted).filter(|_| !order.upgrade);
    // Another start may have done it while this one waited.
    if let Some(known) = known
        && let Some(entry) = store.find(known)
    {
        entry.program(order.wanted)?;
        if entry.is_whole() {
            return Ok(known.clone());
        }
        tell("its files were changed since, so it is prepared anew");
    }
    let staging = store.staging(order.wanted)?;
    let job = Job {
        order,
        known,
        store: &store,
        staging: &staging,
        boxes,
        tell,
    };
    let locked = match order.wanted.manager {
        Manager::Npm => npm::prepare(&job)?,
        Manager::Python => python::prepare(&job)?,
    };
    if known != Some(&locked) {
        Lock::write(order.lock_file, &locked, &store)?;
    }
    match store.find(&locked) {
        Some(entry) => entry.program(order.wanted).map(|_| locked),
        None => Err(Error::setup("the package vanished while it was prepared").hint("start again")),
    }
}

/// One package being prepared.
struct Job<'a> {
    order: &'a Order<'a>,
    /// What the lock file says it must be.
    known: Option<&'a Locked>,
    store: &'a Store,
    staging: &'a store::Staging,
    boxes: &'a Boxes,
    tell: &'a dyn Fn(&str),
}
