//! What we keep for ourselves: copies of files before they are changed, records of the changes, and a lock.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mcp_sandbox_platform::quote;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::meta;
use crate::error::Error;
use crate::profile::find::reason;

/// Copies kept of each file.
const MOST_BACKUPS: usize = 10;

/// The folder of our state.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
}

/// Whoever holds it is the only one of us that changes clients' files. It ends with its process.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held")] File);

/// The changes to one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The keys that lead to it, and how many of the same stand before it.
    pub keys: Vec<String>,
    pub occurrence: usize,
    pub changes: Vec<Change>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Records {
    version: u32,
    file: PathBuf,
    servers: Vec<Record>,
}

impl State {
    /// `folder` is our state folder; it need not exist.
    pub fn new(folder: &Path) -> Self {
        State {
            folder: folder.join("wrap"),
        }
    }

    /// Waits until nobody else of us is at work; `waiting` is called once if that is not at once.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn lock(&self, waiting: impl FnOnce()) -> Result<Lock, Error> {
        let path = self.folder.join("lock");
        let failed = |error: &io::Error| self.failed(&path, error);
        meta::make_private_folder(&self.folder).map_err(|error| failed(&error))?;
        let file = meta::private(File::options().write(true).create(true).truncate(false))
            .open(&path)
            .map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(|error| failed(&error))?;
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
        }
        Ok(Lock(file))
    }

    /// Keeps a copy of a file's bytes and tells where.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn back_up(&self, of: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
        let folder = self.folder.join("backups").join(name_of(of));
        let failed = |error: &io::Error| self.failed(&folder, error);
        meta::make_private_folder(&folder).map_err(|error| failed(&error))?;
        let file = of.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stamp = stamp(SystemTime::now());
        let mut path = folder.join(format!("{stamp}-{file}"));
        let mut turn = 1;
        while path.exists() {
            turn += 1;
            path = folder.join(format!("{stamp}.{turn}-{file}"));
        }
        write(&path, bytes).map_err(|error| self.failed(&path, &error))?;
        forget_old(&folder);
        Ok(path)
    }

    /// The records of a file. What cannot be read counts for nothing: the boxed command tells the way back as well.
    pub fn records(&self, of: &Path) -> Vec<Record> {
        let text = fs::read(self.record_path(of)).unwrap_or_default();
        match serde_json::from_slice::<Records>(&text) {
            Ok(records) if records.version == 1 && records.file == of => records.servers,
            _ => Vec::new(),
        }
    }

    /// Writes the records of a file; without any there is no file of them.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn record(&self, of: &Path, servers: Vec<Record>) -> Result<(), Error> {
        let path = self.record_path(of);
        let failed = |error: &io::Error| self.failed(&path, error);
        if servers.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&error)),
                _ => Ok(()),
            };
        }
        let records = Records {
            version: 1,
            file: of.to_owned(),
            servers,
        };
        let text = serde_json::to_vec_pretty(&records)
            .map_err(|error| Error::setup(format!("cannot write a record: {error}")))?;
        meta::make_private_folder(super::file::parent(&path)).map_err(|error| failed(&error))?;
        write(&path, &text).map_err(|error| failed(&error))
    }

    fn record_path(&self, of: &Path) -> PathBuf {
        self.folder.join("records").join(format!("{}.json", name_of(of)))
    }

    fn failed(&self, path: &Path, error: &io::Error) -> Error {
        Error::setup(format!("cannot write {}: {}", quote(path), reason(error)))
            .hint("copies and records of what is changed are kept there; XDG_STATE_HOME moves it")
    }
}

impl Record {
    pub fn is_of(&self, keys: &[String], occurrence: usize) -> bool {
        self.keys == keys && self.occurrence == occurrence
    }
}

/// A file that is there as a whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file =
            meta::private(File::options().write(true).create(true).truncate(true)).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        meta::sync_folder(super::file::parent(path))
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A name for a path: readable, and no other path's.
fn name_of(path: &Path) -> String {
    let mut text = path.to_string_lossy().into_owned();
    for (character, escaped) in [("%", "%25"), ("!", "%21"), ("\\", "%5C"), (":", "%3A")] {
        text = text.replace(character, escaped);
    }
    let text = text.trim_start_matches('/').replace('/', "!");
    if text.len() <= 200 {
        return text;
    }
    // FNV-1a: any hash that stays what it is will do.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut start = text.len() - 180;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("{hash:016x}-{}", &text[start..])
}

/// The names start with the time, so the oldest come first.
fn forget_old(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut copies: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    copies.sort();
    let surplus = copies.len().saturating_sub(MOST_BACKUPS);
    for path in &copies[..surplus] {
        let _ = fs::remove_file(path);
    }
}

/// `20260131T235959.000Z`.
fn stamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{millis:03}Z")
}

/// The date so many days after 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_783), (2026, 11, 26));
        let time = UNIX_EPOCH + std::time::Duration::from_secs(86_399);
        assert_eq!(stamp(time), "19700101T235959.000Z");
    }

    #[test]
    fn no_two_paths_share_a_name() {
        let long = |end: &str| PathBuf::from(format!("/{}/{end}", "x".repeat(300)));
        assert_ne!(name_of(&long("a")), name_of(&long("b")));
        assert!(name_of(&long("a")).len() < 250);
        assert_eq!(name_of(Path::new("/home/alice/.x")), "home!alice!.x");
        assert_ne!(name_of(Path::new("/a/b")), name_of(Path::new("/a!b")));
        assert_ne!(name_of(Path::new("/a!b")), name_of(Path::new("/a%21b")));
    }
}
