//! Hard links: a file that has more names than the one it was reached by, and is excluded or protected by one of them.
//!
//! The kernel does not tell the other names of a file. So where a file has some, the folder that a rule is about is walked
//! once for files that the rules name, and they are known by device and number from then on. It is walked again for a file
//! whose inode has changed since: making, removing and renaming a link of a file changes its time of status
//! (inode(7)). A name outside of what the box shows, and one that a folder of another name has got since, is not known.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::super::places::Place;
use super::find::Found;
use crate::files::{Act, Kind, Pattern, Refusal, Rules, What};

/// What is known of each mount's source.
#[derive(Default)]
pub struct Twins(HashMap<PathBuf, Known>);

struct Known {
    /// When the walk began, in seconds of the epoch.
    since: i64,
    /// By device and inode: why each may not be read, and why it may not be changed.
    refused: HashMap<(u64, u64), (Option<Refusal>, Option<Refusal>)>,
    /// Why some of them may not be known: no file of many names is given away then.
    partly: Option<&'static str>,
}

/// The most folders that are walked, and bytes of paths that are kept meanwhile, outside of the box's limits. Of a larger
/// tree no file of many names is given away.
const MOST_FOLDERS: usize = 200_000;
const MOST_BYTES: usize = 16 << 20;

impl Twins {
    /// What stands against a file of many names; nothing for any other.
    pub fn refused(&mut self, found: &Found, place: &Place, rules: &Rules, act: Act) -> Option<Refusal> {
        let source = place.source.as_ref()?;
        if found.stat.st_nlink < 2 || found.what() != What::File {
            return None;
        }
        let current = |known: &Known| found.stat.st_ctime < known.since;
        if !self.0.get(source).is_some_and(current) {
            self.0.insert(source.clone(), Known::of(source, rules));
        }
        let known = self.0.get(source)?;
        if let Some(why) = known.partly {
            return Some(unknown(why));
        }
        let (read, change) = known.refused.get(&(found.stat.st_dev, found.stat.st_ino))?;
        match act {
            Act::Read => read.clone(),
            Act::Change => change.clone(),
        }
    }
}

fn unknown(why: &str) -> Refusal {
    Refusal {
        kind: Kind::Excluded,
        pattern: Pattern {
            text: "hard links".into(),
            reason: why.into(),
        },
    }
}

/// What was looked at is gone, which the server or another program may do at any time.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl Known {
    fn of(source: &Path, rules: &Rules) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut known = Known {
            since: now.map_or(0, |now| now.as_secs() as i64),
            refused: HashMap::new(),
            partly: None,
        };
        // What is excluded may have its name around the part that this mount shows.
        let around = rules.bases().filter(|base| source.starts_with(base));
        let outermost = around.min_by_key(|base| base.components().count());
        let mut folders = vec![outermost.unwrap_or(source).to_owned()];
        let (mut found, mut kept) = (1, 0);
        while let Some(folder) = folders.pop() {
            kept -= folder.as_os_str().len().min(kept);
            if found > MOST_FOLDERS || kept > MOST_BYTES {
                known.partly = Some("the folder is too large to look for them");
                break;
            }
            match known.walk(&folder, rules) {
                Ok(inner) => {
                    found += inner.len();
                    kept += inner.iter().map(|folder| folder.as_os_str().len()).sum::<usize>();
                    folders.extend(inner);
                }
                Err(error) if is_gone(&error) => {}
                // The server may have made it so.
                Err(_) => {
                    known.partly = Some("not all folders can be looked into for them");
                    break;
                }
            }
        }
        known
    }

    /// Looks at the files of a folder; the folders in it.
    fn walk(&mut self, folder: &Path, rules: &Rules) -> io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => self.look_at(&entry.path(), rules)?,
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(folders)
    }

    fn look_at(&mut self, path: &Path, rules: &Rules) -> io::Result<()> {
        let judge = |act| rules.judge(path, What::File, act).err();
        let (read, change) = (judge(Act::Read), judge(Act::Change));
        if read.is_none() && change.is_none() {
            return Ok(());
        }
        match fs::symlink_metadata(path) {
            Ok(found) if found.nlink() > 1 => {
                let one = self.refused.entry((found.dev(), found.ino())).or_default();
                one.0 = one.0.take().or(read);
                one.1 = one.1.take().or(change);
            }
            Err(error) if !is_gone(&error) => return Err(error),
            _ => {}
        }
        Ok(())
    }
}
