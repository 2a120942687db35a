//! How much what is mounted writable has grown.
//!
//! The file systems themselves say so in a microsecond, for everybody who writes to them. Only when one has grown by more
//! than the limit are the mounts walked, to see whether it was this box: what is new since the start counts in full.
//! That holds whatever wrote it and however: fallocate(2), many small files, processes that have ended.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::stat::stat;
use nix::sys::statvfs::statvfs;

use crate::Bytes;

/// What a file or folder costs at least, with or without content: as much as in memory.
const LEAST: u64 = 4096;
/// What a disk takes in a second at most, for when to look again.
const FASTEST: u64 = 2 << 30;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(1000);
/// Folders within each other that a walk goes into.
const DEEPEST: usize = 512;

/// The watch over all writable mounts together.
pub struct Disk {
    most: Bytes,
    folders: Vec<PathBuf>,
    since: SystemTime,
    /// One place for each file system.
    places: Vec<Place>,
    /// Growth that is known to be others'.
    forgiven: u64,
    /// What the last look found.
    last: u64,
    walk: Option<JoinHandle<u64>>,
    pub peak: Bytes,
}

struct Place {
    path: PathBuf,
    /// The least that was in use since the start.
    used: u64,
    files: u64,
}

impl Disk {
    /// Begins to watch; nothing if nothing is writable. Call it before the server starts.
    ///
    /// # Errors
    /// A file system does not say what is in use.
    pub fn new(most: Bytes, folders: &[PathBuf]) -> nix::Result<Option<Self>> {
        let mut devices = Vec::new();
        let mut places = Vec::new();
        for path in folders {
            let device = stat(path)?.st_dev;
            if !devices.contains(&device) {
                devices.push(device);
                let (used, files) = in_use(path)?;
                places.push(Place {
                    path: path.clone(),
                    used,
                    files,
                });
            }
        }
        Ok((!places.is_empty()).then(|| Disk {
            most,
            folders: folders.to_vec(),
            // Times of files are kept in steps of a few milliseconds.
            since: SystemTime::now() - Duration::from_millis(20),
            places,
            forgiven: 0,
            last: 0,
            walk: None,
            peak: Bytes(0),
        }))
    }

    /// Looks; whether the limit is passed. The box must not wait for a walk over many files, so another thread does it.
    pub fn passed(&mut self) -> bool {
        let growth = self.growth();
        // What is deleted was others': should it have been the box's own, a walk will tell.
        self.forgiven = self.forgiven.saturating_sub(self.last.saturating_sub(growth));
        self.last = growth;
        if let Some(walk) = self.walk.take_if(|walk| walk.is_finished()) {
            let own = walk.join().unwrap_or(0);
            self.peak = self.peak.max(Bytes(own));
            if own > self.most.0 {
                return true;
            }
            self.forgiven = growth - growth.min(own);
        }
        if growth.saturating_sub(self.forgiven) > self.most.0 && self.walk.is_none() {
            let (folders, since, most) = (self.folders.clone(), self.since, self.most.0);
            let walk = std::thread::Builder::new().stack_size(128 << 10);
            self.walk = walk.spawn(move || grown(&folders, since, most)).ok();
        }
        false
    }

    /// When to look again.
    pub fn nap(&mut self) -> Duration {
        if self.walk.is_some() {
            return SHORTEST;
        }
        let left = self
            .most
            .0
            .saturating_sub(self.growth().saturating_sub(self.forgiven));
        Duration::from_secs_f64(left as f64 / FASTEST as f64).clamp(SHORTEST, LONGEST)
    }

    fn growth(&mut self) -> u64 {
        let grown = self.places.iter_mut().map(|place| {
            let (used, files) = in_use(&place.path).unwrap_or((place.used, place.files));
            // What others delete must not hide what the box writes.
            place.used = place.used.min(used);
            place.files = place.files.min(files);
            (used - place.used).max((files - place.files).saturating_mul(LEAST))
        });
        grown.sum()
    }
}

/// Bytes and files in use on the file system of a path.
fn in_use(path: &Path) -> nix::Result<(u64, u64)> {
    let found = statvfs(path)?;
    let blocks = found.blocks().saturating_sub(found.blocks_free());
    let files = found.files().saturating_sub(found.files_free());
    Ok((blocks.saturating_mul(found.fragment_size()), files))
}

/// What the files below `folders` hold that were made since; a number above `enough` may be too small.
fn grown(folders: &[PathBuf], since: SystemTime, enough: u64) -> u64 {
    let mut total = 0;
    let mut seen = std::collections::HashSet::new();
    for folder in folders {
        let Ok(top) = fs::symlink_metadata(folder) else {
            continue;
        };
        if !top.is_dir() {
            total += new_in(&top, since);
            continue;
        }
        // Neither symbolic links nor mounts are followed: a hostile server may swap what is walked meanwhile, but its own
        // tree is all that it can make us walk, and a sum is all that comes of it.
        let mut waiting = vec![(folder.clone(), 0)];
        while let Some((folder, depth)) = waiting.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(found) = entry.metadata() else { continue };
                if found.dev() != top.dev() || !seen.insert((found.dev(), found.ino())) {
                    continue;
                }
                total += new_in(&found, since);
                if total > enough {
                    return total;
                }
                if found.is_dir() && depth < DEEPEST {
                    waiting.push((entry.path(), depth + 1));
                }
            }
        }
    }
    total
}

/// The space of a file made since then. Nobody can set that time (statx(2), stx_btime); a file system that does not keep
/// it tells when a file was last changed.
fn new_in(found: &fs::Metadata, since: SystemTime) -> u64 {
    let changed = || {
        let seconds = Duration::from_secs(found.ctime().max(0) as u64);
        SystemTime::UNIX_EPOCH + seconds + Duration::from_nanos(found.ctime_nsec().max(0) as u64)
    };
    match found.created().unwrap_or_else(|_| changed()) >= since {
        true => (found.blocks() * 512).max(LEAST),
        false => 0,
    }
}

/// A look and its time.
pub fn look(disk: &mut Disk, now: Instant) -> (bool, Instant) {
    let passed = disk.passed();
    (passed, now + disk.nap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_count_and_old_ones_do_not() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("old"), vec![1; 100_000]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let since = SystemTime::now() - Duration::from_millis(20);
        let count = || grown(&[place.path().into()], since, u64::MAX);
        assert_eq!(count(), 0);
        fs::create_dir(place.path().join("new")).unwrap();
        fs::write(place.path().join("new/file"), vec![1; 100_000]).unwrap();
        let found = count();
        assert!((100_000..140_000).contains(&found), "{found}");
        // The same file by another name is no other file.
        fs::hard_link(place.path().join("new/file"), place.path().join("again")).unwrap();
        assert_eq!(count(), found);
        std::os::unix::fs::symlink("/usr", place.path().join("link")).unwrap();
        assert_eq!(count(), found + LEAST);
    }
}
