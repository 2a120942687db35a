//! Paths among a command's arguments: how most servers are told what they may use.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use mcp_sandbox_platform::{self as platform, Access};

use super::links::{Followed, follow};
use super::mounts::{Candidate, KERNEL, Resolved, judge, refuse};
use crate::error::{Diagnostic, printable};
use crate::profile::{Host, Origin, expand, package};

/// Mounts the paths among a command's arguments where they are written, and where they really are. What
/// `mounts` shows at that place is left alone, whatever its access: what was said outright wins. The script of an
/// interpreter is never writable, by no name that arguments give it. An argument that does not exist, or that is not written as a path, is no path.
///
/// # Errors
/// Every argument whose mount is refused.
pub fn path_args(
    argv: &[OsString],
    access: Access,
    mounts: &[platform::Mount],
    host: &Host,
) -> Result<Resolved, Vec<Diagnostic>> {
    let script_at = package::script(argv);
    let script = script_at
        .and_then(|index| existing(&as_path(&argv[index]), host))
        .map(|(_, followed)| followed.real);
    let mut found = Vec::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (index, word) in argv.iter().enumerate().skip(1) {
        let word = match script_at == Some(index) {
            true => as_path(word),
            false => word.clone(),
        };
        match argument(&word, access, script.as_deref(), mounts, host) {
            Ok(more) => candidates.extend(more),
            Err(one) => found.push(one),
        }
    }
    let mut places = HashSet::new();
    candidates.retain(|one| places.insert(one.mount.at.clone()));
    let mut resolved = judge(candidates, mounts, found, host)?;
    let of_script = |one: &&platform::Mount| Some(&one.source) == script.as_ref();
    resolved.guarded = resolved.mounts.iter().filter(of_script).cloned().collect();
    Ok(resolved)
}

/// The mounts that one argument asks for: none if it is no path, or if `mounts` shows it already.
fn argument(
    word: &OsStr,
    access: Access,
    script: Option<&Path>,
    mounts: &[platform::Mount],
    host: &Host,
) -> Result<Vec<Candidate>, Diagnostic> {
    let Some((path, followed)) = existing(word, host) else {
        return Ok(Vec::new());
    };
    let is_script = script == Some(followed.real.as_path());
    let access = if is_script { Access::Read } else { access };
    let origin = Origin::flag(&format!("argument {}", printable(word)));
    let mount = |at: PathBuf| platform::Mount {
        source: followed.real.clone(),
        at,
        access,
        create: false,
        reason: origin.to_string(),
    };
    let wanted = places(&path, &followed.real).into_iter().map(mount);
    // What only the runtime shows gives way to a writable folder around it, so the script is asked for once more.
    let settled = |shown: &platform::Mount| !is_script || shown.access == Access::Write;
    let new = wanted.filter(|one| {
        let mut known = mounts.iter().filter(|shown| settled(shown));
        !known.any(|shown| shown.at == one.at || shown.shows(one))
    });
    new.map(|mount| {
        allowed(&mount, host, &origin)?;
        let (origin, links) = (origin.clone(), followed.links.clone());
        let exclude = Vec::new();
        Ok(Candidate {
            mount,
            origin,
            links,
            exclude,
        })
    })
    .collect()
}

/// The path that an argument is, and what it leads to. What the box makes itself and the system's own folders, such
/// as `/dev/null` and `/usr/bin/git`, are the box's to show: no argument makes them writable.
fn existing(word: &OsStr, host: &Host) -> Option<(PathBuf, Followed)> {
    let path = written_path(word, host)?;
    let followed = follow(&path, host.uid).ok()?;
    let here = followed.missing.as_os_str().is_empty();
    let own = KERNEL
        .iter()
        .chain(&["/etc"])
        .any(|own| followed.real.starts_with(own));
    (here && !own && !expand::is_system(&followed.real)).then_some((path, followed))
}

fn allowed(mount: &platform::Mount, host: &Host, origin: &Origin) -> Result<(), Diagnostic> {
    refuse(&mount.source, host, origin)?;
    expand::allowed_target(&mount.at, origin).map_err(|one| Diagnostic {
        hint: Some("show it with --read PATH:AT and write AT in its place".into()),
        ..one
    })
}

/// Where an argument must be visible: where it really is, and where it is written if that can be said.
fn places(written: &Path, real: &Path) -> Vec<PathBuf> {
    let written: PathBuf = written.components().collect();
    let clear = !written.components().any(|part| part == Component::ParentDir);
    let mut places = vec![real.to_owned()];
    places.extend(Some(written).filter(|written| clear && written != real));
    places
}

/// The script of an interpreter, which is a path even if it is a bare name.
fn as_path(script: &OsStr) -> OsString {
    match script.as_encoded_bytes().contains(&b'/') {
        true => script.to_owned(),
        false => Path::new(".").join(script).into(),
    }
}

/// The path in an argument: written as one, alone or behind `--option=`.
fn written_path(word: &OsStr, host: &Host) -> Option<PathBuf> {
    let bytes = word.as_encoded_bytes();
    let start = match bytes.first() {
        Some(b'-') => bytes.iter().position(|byte| *byte == b'=')? + 1,
        _ => 0,
    };
    let path = PathBuf::from(tail(word, start));
    match path.strip_prefix("~") {
        Ok(rest) => Some(host.home.join(rest)),
        Err(_) => {
            let bytes = &bytes[start..];
            let path_like = bytes.contains(&b'/') || bytes.first() == Some(&b'.');
            path_like.then(|| host.cwd.join(&path))
        }
    }
}

#[cfg(unix)]
fn tail(word: &OsStr, start: usize) -> &OsStr {
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(&word.as_bytes()[start..])
}

/// A word that is not Unicode names no path behind an option here.
#[cfg(not(unix))]
fn tail(word: &OsStr, start: usize) -> &OsStr {
    word.to_str().map_or(word, |text| OsStr::new(&text[start..]))
}
