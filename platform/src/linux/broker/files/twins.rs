//! Hard links: a file that has more names than the one it was reached by, and is excluded or protected by one of them.
//!
//! The kernel does not tell the other names of a file. So where a file has some, the folder that a rule is about is walked
//! once for files that the rules name, and they are known by device and number from then on. It is walked again for a file
//! whose inode has changed since: making, removing and renaming a link of a file changes its time of status
//! (inode(7)). A name outside of what the box shows, and one that a folder of another name has got since, is not known.

use std::collections::HashMap;
use std::fs;
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
    /// There are more folders than are walked.
    partly: bool,
}

/// The most folders that are walked. Of a larger tree no file of many names is given away.
const MOST_FOLDERS: usize = 1_000_000;

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
        if known.partly {
            return Some(too_many());
        }
        let (read, change) = known.refused.get(&(found.stat.st_dev, found.stat.st_ino))?;
        match act {
            Act::Read => read.clone(),
            Act::Change => change.clone(),
        }
    }
}

fn too_many() -> Refusal {
    Refusal {
        kind: Kind::Excluded,
        pattern: Pattern {
            text: "hard links".into(),
            reason: "the folder is too large to look for them".into(),
        },
    }
}

impl Known {
    fn of(source: &Path, rules: &Rules) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut known = Known {
            since: now.map_or(0, |now| now.as_secs() as i64),
            refused: HashMap::new(),
            partly: false,
        };
        // What is excluded may have its name around the part that this mount shows.
        let around = rules.bases().filter(|base| source.starts_with(base));
        let outermost = around.min_by_key(|base| base.components().count());
        let mut folders = vec![outermost.unwrap_or(source).to_owned()];
        let mut walked = 0;
        while let Some(folder) = folders.pop() {
            walked += 1;
            if walked > MOST_FOLDERS {
                known.partly = true;
                break;
            }
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_file() => known.look_at(&entry.path(), rules),
                    _ => {}
                }
            }
        }
        known
    }

    fn look_at(&mut self, path: &Path, rules: &Rules) {
        let judge = |act| rules.judge(path, What::File, act).err();
        let (read, change) = (judge(Act::Read), judge(Act::Change));
        if read.is_none() && change.is_none() {
            return;
        }
        if let Ok(found) = fs::symlink_metadata(path)
            && found.nlink() > 1
        {
            let one = self.refused.entry((found.dev(), found.ino())).or_default();
            one.0 = one.0.take().or(read);
            one.1 = one.1.take().or(change);
        }
    }
}
