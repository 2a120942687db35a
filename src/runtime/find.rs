//! A command's name to a file, as execvp(3) does it, and what to tell the user when that fails.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};

use super::{Host, wellknown};
use crate::error::{Error, Kind, reason};

/// What a C library searches without PATH (confstr(3), _CS_PATH).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What a search along directories ends with.
#[derive(Debug, PartialEq, Eq)]
pub enum Search {
    Found(PathBuf),
    /// Only files or directories that cannot be executed bear the name.
    Blocked(PathBuf),
    Missing,
}

/// Finds the command as execvp(3) would, but never in the current directory by way of PATH.
pub fn find(name: &OsStr, host: &Host, notes: &mut Vec<String>) -> Result<PathBuf, Error> {
    if name.as_bytes().contains(&b'/') {
        return at_place(name, &host.cwd.join(name));
    }
    for entry in skipped(host) {
        notes.push(format!("PATH entry {} is not absolute: skipped", quote(entry)));
    }
    match along(name, &directories(host)) {
        Search::Found(path) => Ok(path),
        Search::Blocked(path) => Err(not_executable(&path)),
        Search::Missing => Err(missing(name, host)),
    }
}

/// The absolute directories of PATH.
pub fn directories(host: &Host) -> Vec<PathBuf> {
    entries(host)
        .into_iter()
        .filter(|entry| entry.is_absolute())
        .collect()
}

/// The first file of this name in `directories` that may be executed.
pub fn along(name: &OsStr, directories: &[PathBuf]) -> Search {
    if name.is_empty() || name.as_bytes().contains(&b'/') {
        return Search::Missing;
    }
    let mut blocked = None;
    for candidate in directories.iter().map(|directory| directory.join(name)) {
        match fs::metadata(&candidate) {
            Ok(meta) if meta.is_file() && may_execute(&candidate) => return Search::Found(candidate),
            Ok(meta) if meta.is_file() => blocked = blocked.or(Some(candidate)),
            // A link that goes in circles hides nothing behind it, but the user should hear of it.
            Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => {
                blocked = blocked.or(Some(candidate))
            }
            _ => {}
        }
    }
    blocked.map_or(Search::Missing, Search::Blocked)
}

/// Whether this process could execute the file, as execve(2) judges it.
pub fn may_execute(path: &Path) -> bool {
    faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS).is_ok()
}

/// Whether `path` is a regular file that this process could execute.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file()) && may_execute(path)
}

fn at_place(name: &OsStr, path: &Path) -> Result<PathBuf, Error> {
    let path = super::image::real_parent(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&path) {
        Ok(meta) if meta.is_file() && may_execute(&path) => Ok(path),
        Ok(_) => Err(not_executable(&path)),
        Err(error) => Err(no_such_file(name, &path, &error)),
    }
}

fn no_such_file(name: &OsStr, path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let kind = match error.kind() {
        NotFound | NotADirectory => Kind::NotFound,
        _ => Kind::NotExecutable,
    };
    let why = reason(error);
    match fs::read_link(path) {
        Ok(target) if kind == Kind::NotFound => Error::new(
            kind,
            format!(
                "{} is a link to {}, which does not exist",
                quote(path),
                quote(target)
            ),
        ),
        _ => Error::new(kind, format!("cannot run {}: {why}", quote(name)))
            .hint(format!("looked at {}", quote(path))),
    }
}

fn not_executable(path: &Path) -> Error {
    let error = |why: &str| Error::new(Kind::NotExecutable, format!("{} {why}", quote(path)));
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => error("is a directory"),
        Ok(meta) if meta.is_file() => error("is not executable for this user").hint(format!(
            "chmod +x it, or give its interpreter as the command, as in `python3 {}`",
            quote(path)
        )),
        Ok(_) => error("is not a regular file"),
        Err(why) => error(&format!("cannot be followed: {}", reason(&why))),
    }
}

fn missing(name: &OsStr, host: &Host) -> Error {
    let mut error = Error::new(Kind::NotFound, format!("command {} was not found", quote(name)));
    let searched: Vec<String> = directories(host).iter().map(quote).collect();
    error = match searched.is_empty() {
        true => error.hint("PATH names no absolute directory"),
        false => error.hint(format!("PATH has {}", searched.join(", "))),
    };
    if let Some(place) = wellknown::find(name, host) {
        let place = quote(place);
        return error.hint(format!(
            "found at {place}; put the full path in the client's config"
        ));
    }
    match near_names(name, &directories(host)) {
        near if near.is_empty() => error,
        near => error.hint(format!("similar names: {}", near.join(", "))),
    }
}

/// Up to three programs on PATH whose names are close to this one.
fn near_names(name: &OsStr, directories: &[PathBuf]) -> Vec<String> {
    let wanted = name.to_string_lossy();
    let mut near: Vec<(usize, OsString)> = directories
        .iter()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.file_name())
        .map(|found| {
            (
                strsim::damerau_levenshtein(&wanted, &found.to_string_lossy()),
                found,
            )
        })
        .filter(|(distance, found)| *distance <= 2 && *distance * 2 < wanted.len().min(found.len()))
        .collect();
    near.sort();
    near.dedup();
    near.truncate(3);
    near.iter().map(|(_, found)| quote(found)).collect()
}

fn entries(host: &Host) -> Vec<PathBuf> {
    std::env::split_paths(host.path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH))).collect()
}

fn skipped(host: &Host) -> Vec<PathBuf> {
    entries(host)
        .into_iter()
        .filter(|entry| !entry.is_absolute())
        .collect()
}
