//! Versions as directories: which installed one a request such as `3.11` means.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::runtime::Host;
use crate::runtime::file;

/// No project asks for more versions or tools than this; each is looked for on disk.
pub const MAX_WANTED: usize = 64;

/// A request for a version, and where it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub version: String,
    /// A file or a variable, for messages.
    pub from: String,
}

/// The directory below `installed` that `wanted` names: exactly, after one of `prefixes`, or as the beginning
/// of the newest version. An empty request or `latest` is the newest of all.
pub fn best(installed: &Path, wanted: &str, prefixes: &[&str]) -> Option<String> {
    let wanted = if wanted == "latest" { "" } else { wanted };
    if !wanted.is_empty() {
        if !is_plain(wanted) {
            return None;
        }
        let exact = std::iter::once("")
            .chain(prefixes.iter().copied())
            .map(|prefix| format!("{prefix}{wanted}"));
        for name in exact {
            if installed.join(&name).is_dir() {
                return Some(name);
            }
        }
    }
    let names = fs::read_dir(installed)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| begins_with(name, wanted, prefixes))
        .max_by_key(|name| order(name, prefixes))
}

/// Whether a version is a name: a project's file must not lead to other directories.
pub fn is_plain(version: &str) -> bool {
    !version.is_empty() && !version.starts_with('.') && !version.contains(['/', '\\', '\0'])
}

/// The nearest file of one of these names, from the current directory up.
pub fn nearest(host: &Host, names: &[&str]) -> Option<(PathBuf, String)> {
    host.upward().find_map(|dir| {
        names.iter().find_map(|name| {
            let path = dir.join(name);
            file::text(&path).ok().map(|text| (path, text))
        })
    })
}

/// `bin/name` and the other places plugins put programs, below one installed version.
pub fn program_in(version: &Path, name: &OsStr) -> Option<PathBuf> {
    let places = ["bin", "go/bin", "packages/bin", ".npm/bin", "."];
    places
        .iter()
        .map(|place| crate::runtime::image::normal(&version.join(place)).join(name))
        .find(|path| crate::runtime::find::is_program(path))
}

fn begins_with(name: &str, wanted: &str, prefixes: &[&str]) -> bool {
    let fits = |name: &str| match name.strip_prefix(wanted) {
        Some(_) if wanted.is_empty() => name.starts_with(|c: char| c.is_ascii_digit()),
        Some(rest) => rest.starts_with(['.', '-', '+']),
        None => false,
    };
    fits(name)
        || prefixes
            .iter()
            .filter_map(|prefix| name.strip_prefix(prefix))
            .any(fits)
}

/// Finished versions before `-dev` and `rc`, then by number.
fn order(name: &str, prefixes: &[&str]) -> (bool, Vec<u64>) {
    let name = prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    let finished = !["dev", "rc", "alpha", "beta", "nightly"]
        .iter()
        .any(|mark| name.contains(mark));
    (
        finished,
        name.split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect(),
    )
}
