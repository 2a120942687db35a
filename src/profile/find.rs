//! From names to files: user profiles first, then built-in ones, then along `extends`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_sandbox_platform::quote;

use super::layer::RawProfile;
use super::load::{self, load_what_can_be};
use super::nearest::{did_you_mean, nearest};
use super::origin::{Located, Source};
use super::{Host, builtin};
use crate::error::{Diagnostic, Error, printable};

/// Longer chains of `extends` are refused; it bounds the recursion.
const MOST_LEVELS: usize = 32;

/// A profile's text and where it is from.
#[derive(Debug, Clone)]
pub struct Found {
    /// The name it was found by, or the absolute path of the file.
    pub name: String,
    pub place: Place,
    pub source: Arc<Source>,
    pub bytes: Vec<u8>,
}

/// What tells one profile from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Free of symbolic links where that could be found out.
    File(PathBuf),
    BuiltIn(&'static str),
}

/// Whether a reference is a path and not a name.
pub fn is_path(reference: &str) -> bool {
    reference.contains('/') || reference.ends_with(".toml")
}

/// Reads the profile that a name or a path stands for.
///
/// # Errors
/// A name or file that does not exist, or a file that cannot be read.
pub fn find(reference: &str, host: &Host) -> Result<Found, Error> {
    if is_path(reference) {
        return read(&host.cwd.join(reference), reference).map_err(|error| unreadable(reference, &error));
    }
    named(reference, None, host)
        .map_err(|error| unreadable(reference, &error))?
        .ok_or_else(|| {
            let known = names(host);
            let near = did_you_mean(reference, known.iter().map(String::as_str));
            Error::setup(format!("there is no profile {}", quote(reference))).hint(format!(
                "{near}`mcp-sandbox profiles list` shows every profile; a path has a / or ends in .toml"
            ))
        })
}

/// Reads a profile's bases, each once and before what extends it; the profile itself comes last.
///
/// # Errors
/// The findings in every file of the chain, missing bases and cycles.
pub fn chain(profile: Found, host: &Host) -> Result<Vec<RawProfile>, Vec<Diagnostic>> {
    let mut chain = Chain {
        host,
        open: Vec::new(),
        done: Vec::new(),
        profiles: Vec::new(),
        found: Vec::new(),
    };
    chain.add(profile);
    match chain.found.is_empty() {
        true => Ok(chain.profiles),
        false => Err(super::in_order(chain.found)),
    }
}

/// The names of the user's own profiles, in order.
pub fn user_names(host: &Host) -> Vec<String> {
    let entries = fs::read_dir(folder(host)).into_iter().flatten().flatten();
    let files = entries.map(|entry| PathBuf::from(entry.file_name()));
    let mut names: Vec<String> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|file| file.file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Every name that [`find`] knows.
pub fn names(host: &Host) -> Vec<String> {
    let mut names = user_names(host);
    names.extend(builtin::names().map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

/// Where the user's own profiles live.
pub fn folder(host: &Host) -> PathBuf {
    host.config_dir.join("profiles")
}

/// The depth-first walk along `extends`.
struct Chain<'h> {
    host: &'h Host,
    /// The profiles on the way to the present one.
    open: Vec<(Place, Arc<Source>)>,
    done: Vec<Place>,
    profiles: Vec<RawProfile>,
    found: Vec<Diagnostic>,
}

impl Chain<'_> {
    fn add(&mut self, profile: Found) {
        let (raw, found) = load_what_can_be(&profile.bytes, &profile.source);
        self.found.extend(found);
        self.open
            .push((profile.place.clone(), Arc::clone(&profile.source)));
        for base in &raw.extends {
            self.add_base(base, &profile);
        }
        self.open.pop();
        self.done.push(profile.place);
        self.profiles.push(raw);
    }

    fn add_base(&mut self, base: &Located<String>, child: &Found) {
        let found = match find_base(base, child, self.host) {
            Ok(found) => found,
            Err(one) => return self.found.push(one),
        };
        if let Some(start) = self.open.iter().position(|(place, _)| *place == found.place) {
            let mut names: Vec<&str> = self.open[start..]
                .iter()
                .map(|(_, source)| source.name.as_str())
                .collect();
            names.push(&found.source.name);
            let circle = printable(names.join(" -> "));
            let message = format!("profiles extend each other in a circle: {circle}");
            self.found.push(
                base.origin
                    .diagnostic(message, "drop one of these from its extends"),
            );
        } else if self.open.len() >= MOST_LEVELS {
            let message = format!("more than {MOST_LEVELS} profiles extend each other");
            self.found
                .push(base.origin.diagnostic(message, "merge some of them into one"));
        } else if !self.done.contains(&found.place) {
            self.add(found);
        }
    }
}

fn find_base(base: &Located<String>, child: &Found, host: &Host) -> Result<Found, Diagnostic> {
    let reference = base.value.as_str();
    let missing = |error: io::Error| {
        let message = format!("cannot read the base {}: {}", quote(reference), reason(&error));
        base.origin
            .diagnostic(message, "a path in extends is relative to the file it stands in")
    };
    if is_path(reference) {
        let path = match reference.strip_prefix("~/") {
            Some(rest) => host.home.join(rest),
            None => base.origin.profile_dir().unwrap_or(&host.cwd).join(reference),
        };
        return read(&path, &path.to_string_lossy()).map_err(missing);
    }
    named(reference, Some(&child.place), host)
        .map_err(missing)?
        .ok_or_else(|| {
            let known = names(host);
            let near = did_you_mean(reference, known.iter().map(String::as_str));
            let message = format!("there is no profile {} to extend", quote(reference));
            base.origin.diagnostic(
                message,
                format!("{near}`mcp-sandbox profiles list` shows every profile"),
            )
        })
}

/// A user profile of this name or a built-in one. A user profile that extends its own name means the
/// built-in one it replaces.
fn named(name: &str, child: Option<&Place>, host: &Host) -> io::Result<Option<Found>> {
    let path = folder(host).join(format!("{name}.toml"));
    match read(&path, &path.to_string_lossy()) {
        Ok(found) if Some(&found.place) != child || builtin::text(name).is_none() => {
            let name = name.to_owned();
            return Ok(Some(Found { name, ..found }));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let known = builtin::ALL.iter().find(|(known, _)| *known == name);
    Ok(known.map(|(name, text)| Found {
        name: (*name).to_owned(),
        place: Place::BuiltIn(name),
        source: builtin::source(name),
        bytes: text.as_bytes().to_vec(),
    }))
}

fn read(path: &Path, shown: &str) -> io::Result<Found> {
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that `load` sees that it is too large.
    fs::File::open(path)?
        .take(load::MOST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let source = Source {
        name: shown.to_owned(),
        file: Some(place.clone()),
    };
    Ok(Found {
        name: place.to_string_lossy().into_owned(),
        place: Place::File(place),
        source: Arc::new(source),
        bytes,
    })
}

fn unreadable(reference: &str, error: &io::Error) -> Error {
    let message = format!("cannot read the profile {}: {}", quote(reference), reason(error));
    let name = Path::new(reference).file_stem().and_then(|stem| stem.to_str());
    let near = name.and_then(|name| nearest(name, builtin::names()));
    Error::setup(message).hint(match near {
        Some(near) => format!(
            "a name without / and .toml is a profile's name, such as {}",
            quote(near)
        ),
        None => "`mcp-sandbox profiles list` shows the profiles that have names".to_owned(),
    })
}

/// Why a path cannot be read or followed, as a sentence goes on after it.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "a part of it is a file, not a folder".to_owned(),
        _ => crate::error::reason(error),
    }
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
