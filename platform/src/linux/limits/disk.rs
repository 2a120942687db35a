//! How much what is mounted writable has grown.
//!
//! The file systems themselves say so in a microsecond, for everybody who writes to them. Only when one has grown by more
//! than the limit are the mounts walked, to see whether it was this box: what is new since the start counts in full.
//! That holds whatever wrote it and however: fallocate(2), many small files, processes that have ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::stat::stat;
use nix::sys::statvfs::statvfs;

use super::census::Boxed;
use super::growth::{LEAST, Unknown, Walk};
use crate::Bytes;

/// What a disk takes in a second at most, for when to look again.
const FASTEST: u64 = 2 << 30;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(1000);

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
    /// A walk, and the growth when it was sent.
    walk: Option<(JoinHandle<Result<u64, Unknown>>, u64)>,
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
    pub fn passed(&mut self, boxed: Option<&Arc<Boxed>>) -> bool {
        let growth = self.growth();
        // What is deleted was others': should it have been the box's own, a walk will tell.
        self.forgiven = self.forgiven.saturating_sub(self.last.saturating_sub(growth));
        self.last = growth;
        if let Some((walk, before)) = self.walk.take_if(|(walk, _)| walk.is_finished()) {
            // What cannot be counted may all be its own.
            let own = walk.join().unwrap_or(Err(Unknown)).unwrap_or(growth);
            self.peak = self.peak.max(Bytes(own));
            if own > self.most.0 {
                return true;
            }
            // What has come since then, nobody has looked at.
            self.forgiven = before.min(growth).saturating_sub(own);
        }
        if growth.saturating_sub(self.forgiven) > self.most.0 && self.walk.is_none() {
            let walk = Walk {
                folders: self.folders.clone(),
                since: self.since,
                enough: self.most.0,
                boxed: boxed.cloned(),
            };
            let thread = std::thread::Builder::new().stack_size(128 << 10);
            let walk = thread.spawn(move || walk.total()).ok();
            self.walk = walk.map(|walk| (walk, growth));
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

/// A look and its time.
pub fn look(disk: &mut Disk, boxed: Option<&Arc<Boxed>>, now: Instant) -> (bool, Instant) {
    let passed = disk.passed(boxed);
    (passed, now + disk.nap())
}
