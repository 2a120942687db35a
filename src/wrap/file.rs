//! Reading a client's file, and putting another text in its place: wholly or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_sandbox_platform::quote;

use super::meta::{self, Identity};
use crate::edit::MOST_BYTES;
use crate::error::Error;
use crate::profile::find::reason;

/// Part of the name of a file that is still being written.
const MARK: &str = ".mcp-sandbox-";
/// How often a file that somebody writes at this moment is read again, and how long after.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(30);

/// A file as it was read.
#[derive(Debug)]
pub struct Snapshot {
    /// Free of symbolic links, so that a link stays one.
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    file: File,
    identity: Identity,
}

/// Whether the old text or the new one is in the file after a failure.
#[derive(Debug)]
pub struct Failed {
    pub error: Error,
    pub written: bool,
}

impl Snapshot {
    /// Reads a whole file that nobody writes to meanwhile.
    ///
    /// # Errors
    /// It is no file, too long, or cannot be read; somebody keeps writing to it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed =
            |error: io::Error| Error::setup(format!("cannot read {}: {}", quote(path), reason(&error)));
        for _ in 0..TRIES {
            // Before it is opened: a pipe would make us wait for its writer.
            refuse_others(path, &fs::metadata(path).map_err(failed)?)?;
            let mut file = File::open(path).map_err(failed)?;
            let before = file.metadata().map_err(failed)?;
            refuse_others(path, &before)?;
            let mut bytes = Vec::new();
            let limit = MOST_BYTES + 1;
            (&mut file).take(limit).read_to_end(&mut bytes).map_err(failed)?;
            let identity = Identity::of(&before);
            if Identity::of(&file.metadata().map_err(failed)?) == identity
                && bytes.len() as u64 == before.len()
            {
                return Ok(Snapshot {
                    path: path.to_owned(),
                    bytes,
                    file,
                    identity,
                });
            }
            std::thread::sleep(PAUSE);
        }
        Err(being_written(path))
    }

    /// Puts `text` in the place of what was read. Whoever opens the file finds the one or the other.
    ///
    /// # Errors
    /// Whatever keeps it from being written, or a file that is not what was read any more.
    pub fn replace(&self, text: &[u8]) -> Result<(), Failed> {
        let temporary = self.temporary(text).map_err(Failed::before)?;
        self.check_unchanged().map_err(Failed::before)?;
        self.put(temporary).map_err(Failed::before)?;
        let folder = parent(&self.path);
        meta::sync_folder(folder).map_err(|error| Failed {
            error: Error::setup(format!("cannot sync {}: {}", quote(folder), reason(&error))),
            written: true,
        })
    }

    /// Puts the new file in the place of the old one, if that is still what was read: another program may have put its own
    /// there in the moment since we looked.
    fn put(&self, temporary: Temporary) -> Result<(), Error> {
        let failed = |error: io::Error| {
            Error::setup(format!(
                "cannot replace {}: {}",
                quote(&self.path),
                reason(&error)
            ))
        };
        if !meta::exchange(&temporary.path, &self.path).map_err(failed)? {
            fs::rename(&temporary.path, &self.path).map_err(failed)?;
            temporary.keep();
            return Ok(());
        }
        if self.is_at(&temporary.path) {
            return Ok(());
        }
        // What another program has put there goes back to its place, and must not go with our temporary file if it cannot.
        match meta::exchange(&temporary.path, &self.path) {
            Ok(_) => Err(self.changed()),
            Err(error) => {
                let theirs = temporary.path.clone();
                temporary.keep();
                Err(failed(error).hint(format!(
                    "somebody else wrote to it at the same moment; what they wrote is in {}",
                    quote(&theirs)
                )))
            }
        }
    }

    /// Whether what was read is there, under this name.
    fn is_at(&self, path: &Path) -> bool {
        Snapshot::read(path).is_ok_and(|now| now.identity == self.identity && now.bytes == self.bytes)
    }

    fn changed(&self) -> Error {
        Error::setup(format!("{} changed after it was read", quote(&self.path)))
            .hint("somebody else writes to it; close the client and try again")
    }

    /// What the file that was read holds now, if somebody wrote to it after all: it may have been open at the moment of
    /// the change.
    pub fn late_write(&self) -> Option<Vec<u8>> {
        let mut file = &self.file;
        if Identity::of(&file.metadata().ok()?) == self.identity {
            return None;
        }
        let mut bytes = Vec::new();
        io::Seek::rewind(&mut file).ok()?;
        file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        (bytes != self.bytes).then_some(bytes)
    }

    /// # Errors
    /// The file is not what was read.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        match self.is_at(&self.path) {
            true => Ok(()),
            false => Err(self.changed()),
        }
    }

    /// The text in a new file beside the old one, with all the old one's rights, and on the disk.
    fn temporary(&self, text: &[u8]) -> Result<Temporary, Error> {
        let failed = |what: &str, error: &io::Error| {
            Error::setup(format!("cannot {what} {}: {}", quote(&self.path), reason(error)))
        };
        let meta = self.file.metadata().map_err(|error| failed("look at", &error))?;
        if meta::is_read_only(&meta) {
            return Err(Error::setup(format!("{} is read-only", quote(&self.path)))
                .hint("make it writable first: chmod u+w"));
        }
        let temporary =
            Temporary::beside(&self.path).map_err(|error| failed("make a new file beside", &error))?;
        let mut file = &temporary.file;
        file.write_all(text)
            .map_err(|error| failed("write a new file beside", &error))?;
        meta::inherit(&self.file, &meta, file)
            .map_err(|error| failed("give a new file the owner and rights of", &error))?;
        file.sync_all()
            .map_err(|error| failed("write a new file beside", &error))?;
        Ok(temporary)
    }
}

impl Failed {
    fn before(error: Error) -> Self {
        Failed {
            error,
            written: false,
        }
    }
}

/// A file that goes away unless it is kept.
struct Temporary {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let front = format!(".{name}{MARK}");
        remove_leftovers(parent(path), &front);
        let path = parent(path).join(format!("{front}{}", std::process::id()));
        let file = meta::private(File::options().write(true).create_new(true)).open(&path)?;
        Ok(Temporary {
            path,
            file,
            kept: false,
        })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a run that was killed left. Only one of us writes at a time (see [`super::state::State::lock`]).
fn remove_leftovers(folder: &Path, front: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(front));
        if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn refuse_others(path: &Path, meta: &fs::Metadata) -> Result<(), Error> {
    if meta.is_dir() {
        return Err(
            Error::setup(format!("{} is a folder", quote(path))).hint("the client wants a file there")
        );
    }
    if !meta.is_file() {
        return Err(Error::setup(format!("{} is no ordinary file", quote(path))));
    }
    if meta.len() > MOST_BYTES {
        return Err(Error::setup(format!(
            "{} is longer than {} MiB",
            quote(path),
            MOST_BYTES >> 20
        )));
    }
    Ok(())
}

fn being_written(path: &Path) -> Error {
    Error::setup(format!("{} is being written all the time", quote(path)))
        .hint("close the client and try again")
}

pub fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
