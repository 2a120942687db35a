//! Variables and `~` in paths, and what a path in the box may be.
//!
//! `${cwd}`, `${home}` and `${profile_dir}` stand for host paths; a leading `~` for the home. Nothing else
//! expands: there is no shell, no environment and no second round.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use mcp_sandbox_platform::quote;

use super::nearest::did_you_mean;
use super::{Host, Located, Origin, PathText, Profile};
use crate::error::Diagnostic;

const VARIABLES: [&str; 3] = ["cwd", "home", "profile_dir"];

/// Folders that the box makes itself: nothing is mounted on or below them.
const MADE_BY_THE_BOX: [&str; 4] = ["/proc", "/dev", "/sys", "/etc"];
/// Folders that hold the system's programs and libraries: nothing is mounted on them (hier(7), and the library
/// folders of each ABI).
const SYSTEM: [&str; 8] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/libexec",
];

/// The words of `command.run` with variables replaced; none if the profile has no command.
///
/// # Errors
/// A finding for each variable that has no value here.
pub fn run(profile: &Profile, host: &Host) -> Result<Vec<OsString>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    for word in profile.run.iter().flat_map(|run| &run.value) {
        match text(&word.value, &word.origin, host) {
            Ok(expanded) => words.push(expanded),
            Err(one) => found.push(one),
        }
    }
    if found.is_empty() { Ok(words) } else { Err(found) }
}

/// The working directory in the box that the profile or `--cwd` names: absolute, without `.` and `..`.
///
/// # Errors
/// A variable without a value, a relative path in a profile, or a `..`.
pub fn cwd(profile: &Profile, host: &Host) -> Result<Option<PathBuf>, Diagnostic> {
    let Some(given) = &profile.cwd else {
        return Ok(None);
    };
    let absolute = path(given, host)?;
    normal(&absolute, &given.origin).map(Some)
}

/// A path as an absolute one of the host, its `..` and symbolic links still in it.
///
/// # Errors
/// A variable without a value, or a relative path in a profile.
pub fn path(given: &Located<PathText>, host: &Host) -> Result<PathBuf, Diagnostic> {
    let template = match &given.value {
        PathText::Literal(path) => return Ok(host.cwd.join(path)),
        PathText::Template(template) => template,
    };
    let path = PathBuf::from(text(template, &given.origin, host)?);
    if path.is_absolute() {
        return Ok(path);
    }
    let message = format!("{} is not an absolute path", quote(&path));
    let hint = "start it with /, ~/, ${cwd}/, ${home}/ or ${profile_dir}/";
    Err(given.origin.diagnostic(message, hint))
}

/// A path in the box on which something may be mounted.
///
/// # Errors
/// As [`path`], and for `..` and the folders that belong to the box itself.
pub fn target(given: &Located<PathText>, host: &Host) -> Result<PathBuf, Diagnostic> {
    let at = normal(&path(given, host)?, &given.origin)?;
    allowed_target(&at, &given.origin).map(|()| at)
}

/// Refuses to mount over what the box makes itself.
///
/// # Errors
/// The finding, at `origin`.
pub fn allowed_target(at: &Path, origin: &Origin) -> Result<(), Diagnostic> {
    let refusal = |why: &str| {
        let message = format!("nothing can be mounted at {}: {why}", quote(at));
        let hint = match origin.is_flag() {
            true => "choose another place, as in PATH:/workspace",
            false => "choose another place with at, such as at = \"/workspace\"",
        };
        Err(origin.diagnostic(message, hint))
    };
    if at == Path::new("/") {
        return refusal("it is the root of the box");
    }
    if let Some(taken) = MADE_BY_THE_BOX.iter().find(|taken| at.starts_with(taken)) {
        return refusal(&format!("the box has its own {taken}"));
    }
    if at == Path::new("/tmp") {
        return refusal("the box has its own /tmp");
    }
    if is_system(at) && at.components().count() == 2 {
        return refusal("it holds the system's programs and libraries");
    }
    Ok(())
}

/// Whether a path belongs to the system's programs and libraries, of which each box shows what it needs.
pub fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

/// Drops `.` and repeated slashes; `..` is refused, because what it means depends on symbolic links.
fn normal(path: &Path, origin: &Origin) -> Result<PathBuf, Diagnostic> {
    if path.components().any(|part| part == Component::ParentDir) {
        let message = format!("{} holds \"..\"", quote(path));
        return Err(origin.diagnostic(message, "write the path in the box without \"..\""));
    }
    Ok(path.components().collect())
}

/// The variables in a text that do not exist, each with a message and a hint.
pub fn unknown(text: &str) -> Vec<(&str, String, String)> {
    pieces(text)
        .filter_map(|piece| match piece {
            Piece::Variable(name, whole) if !VARIABLES.contains(&name) => {
                let near = did_you_mean(name, VARIABLES);
                let hint = format!("{near}valid variables: ${{cwd}}, ${{home}}, ${{profile_dir}}");
                Some((whole, format!("unknown variable {}", quote(whole)), hint))
            }
            Piece::Unclosed(rest) => {
                let hint = "close the variable with }, as in ${home}".to_string();
                Some((rest, "a variable is not closed".into(), hint))
            }
            _ => None,
        })
        .collect()
}

fn text(text: &str, origin: &Origin, host: &Host) -> Result<OsString, Diagnostic> {
    let mut out = OsString::new();
    let mut rest = text;
    if text == "~" || text.starts_with("~/") {
        out.push(&host.home);
        rest = &text[1..];
    }
    for piece in pieces(rest) {
        match piece {
            Piece::Text(text) | Piece::Unclosed(text) => out.push(text),
            Piece::Variable(name, whole) => out.push(value(name, whole, origin, host)?),
        }
    }
    Ok(out)
}

fn value<'h>(name: &str, whole: &str, origin: &'h Origin, host: &'h Host) -> Result<&'h OsStr, Diagnostic> {
    match name {
        "cwd" => Ok(host.cwd.as_os_str()),
        "home" => Ok(host.home.as_os_str()),
        "profile_dir" => origin.profile_dir().map(Path::as_os_str).ok_or_else(|| {
            origin.diagnostic(
                "\"${profile_dir}\" has no value here",
                "only a profile in a file has a folder",
            )
        }),
        _ => Err(origin.diagnostic(
            format!("unknown variable {}", quote(whole)),
            "valid variables: ${cwd}, ${home}, ${profile_dir}",
        )),
    }
}

/// A part of a text with variables.
enum Piece<'t> {
    Text(&'t str),
    /// The name, and the variable as written.
    Variable(&'t str, &'t str),
    /// A `${` without its `}`, to the end of the text.
    Unclosed(&'t str),
}

fn pieces(mut text: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        let (piece, length) = first_piece(text)?;
        text = &text[length..];
        Some(piece)
    })
}

fn first_piece(text: &str) -> Option<(Piece<'_>, usize)> {
    match text.find("${") {
        _ if text.is_empty() => None,
        None => Some((Piece::Text(text), text.len())),
        Some(0) => Some(match text.find('}') {
            Some(end) => (Piece::Variable(&text[2..end], &text[..=end]), end + 1),
            None => (Piece::Unclosed(text), text.len()),
        }),
        Some(start) => Some((Piece::Text(&text[..start]), start)),
    }
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
