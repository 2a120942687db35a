//! Reads files that a server or its project may have put there: a device, a pipe or a file without end
//! must neither hold up nor fill the supervisor.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc;

/// No file of a version manager or virtual environment comes near this.
const MAX_BYTES: u64 = 1 << 20;

/// Opens a regular file for reading, and nothing else.
///
/// # Errors
///
/// Those of open(2), and `InvalidInput` for anything but a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // Asked before as well as after: opening alone starts a watchdog or rewinds a tape.
    regular(&fs::metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        // A pipe put there in between must not make open(2) wait, nor a terminal become ours.
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY)
        .open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// The whole of a small regular file.
///
/// # Errors
///
/// Those of [`open`] and read(2), and `InvalidData` for a file of more than 1 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells a longer file, whatever length it claims.
    open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is larger than 1 MiB",
        )),
        false => Ok(bytes),
    }
}

/// The whole of a small regular file of UTF-8.
///
/// # Errors
///
/// Those of [`read`], and `InvalidData` for other text.
pub fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Whether `path` is a regular file that begins as ELF files do.
pub fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    open(path)
        .and_then(|file| file.read_exact_at(&mut magic, 0))
        .is_ok_and(|()| magic == *b"\x7fELF")
}

fn regular(meta: &fs::Metadata) -> io::Result<()> {
    match meta.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        )),
    }
}
