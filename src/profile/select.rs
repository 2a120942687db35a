//! Which profile is meant for a command: the package or program it starts, looked up in every
//! `command.match`.
//!
//! It is a convenience and no boundary: a command that is named like another one gets that one's profile, which
//! the status line names, and no profile gives more than the user wrote into it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;

use super::find;
use super::load::load;
use super::package::packages;
use super::{Host, builtin};
use crate::error::{Diagnostic, Error};

/// The outcome of a search for a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The profile that fits; none means `default`.
    pub name: Option<String>,
    /// Findings in user profiles that could not be read and so could not fit.
    pub unread: Vec<Diagnostic>,
}

/// Finds the profile whose `command.match` names what `argv` starts. `resolve` follows a program to its file,
/// through `PATH` and symbolic links.
///
/// # Errors
/// Two profiles of the user fit.
pub fn select(
    argv: &[OsString],
    host: &Host,
    resolve: impl Fn(&Path) -> Option<PathBuf>,
) -> Result<Selection, Error> {
    let wanted = packages(argv, &resolve);
    let mut selection = Selection::default();
    if wanted.is_empty() {
        return Ok(selection);
    }
    let mut fitting = Vec::new();
    for name in find::user_names(host) {
        match matches_of(&name, host) {
            Ok(matches) if matches.iter().any(|one| wanted.contains(one)) => fitting.push(name),
            Ok(_) => {}
            Err(found) => selection.unread.extend(found),
        }
    }
    if let [one, two, ..] = fitting.as_slice() {
        let message = format!(
            "profiles {} and {} both fit {}",
            quote(one),
            quote(two),
            quote(&wanted[0])
        );
        return Err(Error::setup(message).hint("choose one with -p"));
    }
    selection.name = fitting.pop().or_else(|| built_in(&wanted).map(str::to_owned));
    Ok(selection)
}

fn matches_of(name: &str, host: &Host) -> Result<Vec<String>, Vec<Diagnostic>> {
    let unreadable = |error: Error| Diagnostic {
        file: find::folder(host)
            .join(format!("{name}.toml"))
            .to_string_lossy()
            .into_owned(),
        place: None,
        message: error.message,
        hint: None,
    };
    let found = find::find(name, host).map_err(|error| vec![unreadable(error)])?;
    let profile = load(&found.bytes, &found.source)?;
    Ok(profile.matches.into_iter().map(|one| one.value).collect())
}

/// Only a text that holds the word can name it, so the other built-ins are not even parsed: this is on the
/// way of every launch.
fn built_in(wanted: &[String]) -> Option<&'static str> {
    let holds = |name: &&str| {
        let text = builtin::text(name).unwrap_or_default();
        wanted.iter().any(|word| text.contains(word.as_str()))
    };
    builtin::names().filter(holds).find(|name| {
        let matches = builtin::profile(name)
            .map(|profile| profile.matches)
            .unwrap_or_default();
        matches.iter().any(|one| wanted.contains(&one.value))
    })
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
