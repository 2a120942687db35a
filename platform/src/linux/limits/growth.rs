//! How much of what is mounted writable is new since the box began, whoever wrote it and however.
//!
//! The tree is a hostile server's: it may be deep, closed, and change while it is walked. The walk goes by descriptors,
//! one for each level, and keeps no list of what it has not seen yet. What cannot be looked into, and was changed since,
//! makes the sum unknown.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::dir::{Dir, OwningIter};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, access, geteuid};

use super::census::Boxed;

/// What a file or folder costs at least, with or without content: as much as in memory.
pub const LEAST: u64 = 4096;
/// Folders within each other that a walk goes into.
const DEEPEST: usize = 512;

/// What a walk is asked.
pub struct Walk {
    pub folders: Vec<PathBuf>,
    pub since: SystemTime,
    /// A sum above this may be too small.
    pub enough: u64,
    /// Where the processes are that may hold files without a name.
    pub boxed: Option<Arc<Boxed>>,
}

/// The folder cannot be looked into.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown;

struct Sum<'a> {
    asked: &'a Walk,
    total: u64,
    /// What is counted already, by device and number: a file may have several names.
    seen: HashSet<(u64, u64)>,
}

impl Walk {
    /// The space of all that is new, in bytes.
    ///
    /// # Errors
    /// A folder that was changed meanwhile cannot be looked into.
    pub fn total(&self) -> Result<u64, Unknown> {
        let mut sum = Sum {
            asked: self,
            total: 0,
            seen: HashSet::new(),
        };
        let with_top = |folder| Some((folder, fs::symlink_metadata(folder).ok()?));
        let tops: Vec<(&PathBuf, Metadata)> = self.folders.iter().filter_map(with_top).collect();
        sum.add_without_names(&tops);
        for (folder, top) in &tops {
            match top.is_dir() {
                true => sum.walk(folder, top)?,
                false => sum.add(top),
            }
        }
        // A file may have lost its name meanwhile, or got one.
        sum.add_without_names(&tops);
        Ok(sum.total)
    }
}

/// Neither symbolic links are followed nor, by comparing devices, mounts.
const AS_FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

impl Sum<'_> {
    fn walk(&mut self, folder: &Path, top: &Metadata) -> Result<(), Unknown> {
        let mut levels: Vec<OwningIter> = self.enter(folder, top)?.into_iter().collect();
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.next() else {
                levels.pop();
                continue;
            };
            let entry = entry.map_err(|_| Unknown)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if [".", ".."].map(OsStr::new).contains(&name) {
                continue;
            }
            let folder = level.as_raw_fd();
            let path = Path::new(&format!("/proc/self/fd/{folder}")).join(name);
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            if found.dev() != top.dev() {
                continue;
            }
            self.add(&found);
            if self.total > self.asked.enough {
                return Ok(());
            }
            if found.is_dir() {
                match levels.len() < DEEPEST {
                    true => levels.extend(self.enter(&path, &found)?),
                    false if changed(&found) >= self.asked.since => return Err(Unknown),
                    false => {}
                }
            }
        }
        Ok(())
    }

    /// What is in a folder; nothing if it is gone, or if the box cannot have entered it either.
    fn enter(&self, folder: &Path, found: &Metadata) -> Result<Option<OwningIter>, Unknown> {
        let search = || access(folder, AccessFlags::X_OK);
        let inside = Dir::open(folder, AS_FOLDER, Mode::empty());
        // One that can only be listed says nothing of what it holds.
        match inside.and_then(|inside| search().map(|()| inside)) {
            Ok(inside) => Ok(Some(inside.into_iter())),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
            // Nobody but its owner closes a folder, and what is in a closed one is out of everybody's reach.
            Err(Errno::EACCES) if search().is_err() => {
                let ours = found.uid() == geteuid().as_raw();
                match ours && changed(found) >= self.asked.since {
                    true => Err(Unknown),
                    false => Ok(None),
                }
            }
            Err(_) => Err(Unknown),
        }
    }

    /// What processes of the box hold open on these file systems, and has no name.
    fn add_without_names(&mut self, tops: &[(&PathBuf, Metadata)]) {
        let Some(boxed) = &self.asked.boxed else { return };
        boxed.each_file_without_a_name(|found| {
            if tops.iter().any(|(_, top)| top.dev() == found.dev()) {
                self.add(&found);
            }
            match self.total > self.asked.enough {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
    }

    fn add(&mut self, found: &Metadata) {
        // Nobody can set the time when a file was made (statx(2), stx_btime); a file system that does not keep it tells
        // when it was last changed.
        let made = found.created().unwrap_or_else(|_| changed(found));
        if made >= self.asked.since && self.seen.insert((found.dev(), found.ino())) {
            self.total += (found.blocks() * 512).max(LEAST);
        }
    }
}

/// When a file or folder was last changed: its content, mode or names. Nobody can set that either.
fn changed(found: &Metadata) -> SystemTime {
    let seconds = Duration::from_secs(found.ctime().max(0) as u64);
    SystemTime::UNIX_EPOCH + seconds + Duration::from_nanos(found.ctime_nsec().max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with 100 kB in it, and what a walk finds there that is newer than that.
    fn place() -> (tempfile::TempDir, Walk) {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("old"), vec![1; 100_000]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let walk = Walk {
            folders: vec![place.path().into()],
            since: SystemTime::now() - Duration::from_millis(20),
            enough: u64::MAX,
            boxed: None,
        };
        (place, walk)
    }

    #[test]
    fn new_files_count_and_old_ones_do_not() {
        let (place, mut walk) = place();
        assert_eq!(walk.total(), Ok(0));
        fs::create_dir(place.path().join("new")).unwrap();
        fs::write(place.path().join("new/file"), vec![1; 100_000]).unwrap();
        let found = walk.total().unwrap();
        assert!((100_000..140_000).contains(&found), "{found}");
        // The same file by another name is no other file, nor is a folder that two mounts lead to.
        fs::hard_link(place.path().join("new/file"), place.path().join("again")).unwrap();
        walk.folders.push(place.path().join("new"));
        assert_eq!(walk.total(), Ok(found));
        std::os::unix::fs::symlink("/usr", place.path().join("link")).unwrap();
        assert_eq!(walk.total(), Ok(found + LEAST));
    }

    #[test]
    fn no_depth_hides_anything() {
        let (place, walk) = place();
        use nix::fcntl::{open, openat};
        let mut deep = open(place.path(), AS_FOLDER, Mode::empty()).unwrap();
        for level in 1..DEEPEST {
            nix::sys::stat::mkdirat(&deep, "d", Mode::S_IRWXU).unwrap();
            deep = openat(&deep, "d", AS_FOLDER, Mode::empty()).unwrap();
            if level % 64 == 0 {
                assert!(walk.total().unwrap() >= level as u64 * LEAST);
            }
        }
        nix::sys::stat::mkdirat(&deep, "d", Mode::S_IRWXU).unwrap();
        assert_eq!(walk.total(), Err(Unknown));
    }

    #[test]
    fn files_without_a_name_count() {
        let (place, mut walk) = place();
        let proc = fs::File::open("/").unwrap();
        walk.boxed = Some(Arc::new(Boxed::new(proc.into(), false)));
        let before = walk.total().unwrap();
        let kept = fs::File::create(place.path().join("gone")).unwrap();
        fs::remove_file(place.path().join("gone")).unwrap();
        std::io::Write::write_all(&mut &kept, &vec![1; 1_000_000]).unwrap();
        let found = walk.total().unwrap();
        assert!(found >= before + 1_000_000, "{found} after {before}");
    }
}
