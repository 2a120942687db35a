//! What a server used while it was observed: paths as the box names them, programs, hosts.
//!
//! A hostile server names what it likes, as often as it likes: what is kept is bounded, and what is not kept is counted.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::net::Destination;

/// What a call does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Asks whether it is there and what it is.
    Look,
    /// Opens a file for reading.
    Read,
    /// Opens a folder, as for listing it.
    List,
    Execute,
    /// Writes, makes, renames or removes it.
    Change,
    MakeFolder,
}

/// Everything that was done with one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    pub looked: bool,
    pub read: bool,
    pub listed: bool,
    pub executed: bool,
    pub changed: bool,
    pub made_folder: bool,
    /// The box had something there when it was first asked for.
    pub there: bool,
}

impl Use {
    fn add(&mut self, act: Act) {
        *match act {
            Act::Look => &mut self.looked,
            Act::Read => &mut self.read,
            Act::List => &mut self.listed,
            Act::Execute => &mut self.executed,
            Act::Change => &mut self.changed,
            Act::MakeFolder => &mut self.made_folder,
        } = true;
    }
}

/// What was seen in one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Absolute, free of symbolic links where there is something.
    pub paths: BTreeMap<PathBuf, Use>,
    /// How often each program was started, the server's own among them.
    pub programs: BTreeMap<PathBuf, u64>,
    /// Hosts that the server was let through to.
    pub hosts: BTreeMap<Destination, u64>,
    /// Ports of the box's own loopback that it connected to.
    pub loopback: BTreeMap<u16, u64>,
    /// Some process was started beside the server's own.
    pub children: bool,
    /// How many uses came when there was no room any more.
    pub lost: u64,
}

/// All of one run, shared by whoever sees it and whoever learns from it.
#[derive(Debug, Clone, Default)]
pub struct Observed(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    seen: Seen,
    /// The bytes of all paths, of those that were there and of those that were not: neither takes the other's room.
    bytes: [usize; 2],
}

/// The most bytes of paths that are kept of each kind, with what a map takes for each entry.
const MOST_BYTES: usize = 8 << 20;
const OF_ENTRY: usize = 64;

/// The most programs, hosts and ports that are kept of each.
const MOST_ENTRIES: usize = 1024;

impl Observed {
    /// Records what is done with a path.
    pub fn path(&self, path: &Path, act: Act, there: bool) {
        let mut record = self.lock();
        if let Some(known) = record.seen.paths.get_mut(path) {
            known.add(act);
        } else {
            let size = path.as_os_str().as_bytes().len() + OF_ENTRY;
            let bytes = &mut record.bytes[usize::from(there)];
            if *bytes + size > MOST_BYTES {
                record.seen.lost += 1;
                return;
            }
            *bytes += size;
            let mut new = Use {
                there,
                ..Use::default()
            };
            new.add(act);
            record.seen.paths.insert(path.to_owned(), new);
        }
        if act == Act::Execute && there {
            let Seen { programs, lost, .. } = &mut record.seen;
            count(programs, path.to_owned(), lost);
        }
    }

    /// Records a host that the server is let through to.
    pub fn host(&self, host: impl ToString, port: u16) {
        let destination = Destination {
            host: host.to_string(),
            port: Some(port),
        };
        let Seen { hosts, lost, .. } = &mut self.lock().seen;
        count(hosts, destination, lost);
    }

    /// Records a connection to the box's own loopback.
    pub fn loopback(&self, port: u16) {
        let Seen { loopback, lost, .. } = &mut self.lock().seen;
        count(loopback, port, lost);
    }

    /// Records that there is a process beside the server's own.
    pub fn child(&self) {
        self.lock().seen.children = true;
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, lost: &mut u64) {
    if counts.len() >= MOST_ENTRIES && !counts.contains_key(&key) {
        *lost += 1;
        return;
    }
    *counts.entry(key).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_everything_that_was_done_with_it() {
        let observed = Observed::default();
        observed.path(Path::new("/a"), Act::Look, false);
        observed.path(Path::new("/a"), Act::Read, true);
        observed.path(Path::new("/bin/b"), Act::Execute, true);
        observed.path(Path::new("/bin/b"), Act::Execute, true);
        observed.path(Path::new("/bin/missing"), Act::Execute, false);
        let seen = observed.seen();
        let expected = Use {
            looked: true,
            read: true,
            ..Use::default()
        };
        assert_eq!(seen.paths[Path::new("/a")], expected);
        assert_eq!(seen.programs, BTreeMap::from([("/bin/b".into(), 2)]));
        assert!(!seen.children && seen.lost == 0);
    }

    #[test]
    fn a_flood_of_missing_paths_is_bounded_and_leaves_room_for_others() {
        let observed = Observed::default();
        let long = "n".repeat(4000);
        (0..5000).for_each(|at| observed.path(Path::new(&format!("/{at}{long}")), Act::Look, false));
        let seen = observed.seen();
        assert!(seen.paths.len() * 4000 <= MOST_BYTES, "{}", seen.paths.len());
        assert_eq!(seen.paths.len() as u64 + seen.lost, 5000);
        observed.path(Path::new("/there"), Act::Read, true);
        assert!(observed.seen().paths.contains_key(Path::new("/there")));
        (0..2000).for_each(|at| observed.host(format!("{at}.example"), 443));
        assert_eq!(observed.seen().hosts.len(), MOST_ENTRIES);
    }
}
