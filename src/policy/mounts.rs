//! From the mounts of a profile, of flags and of arguments to paths of this host, each followed, judged and
//! placed; or every reason why not.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use mcp_sandbox_platform::{self as platform, Access, quote};

use super::links::{Followed, Link, follow};
use super::sensitive::{self, Sensitive};
use crate::error::{Diagnostic, printable};
use crate::profile::{Host, Located, Mount, Origin, PathText, Profile, expand, find, package};

/// Made by the kernel, and in every box of its own.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The mounts of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// Ordered so that an outer target comes before an inner one.
    pub mounts: Vec<platform::Mount>,
    /// Mounts that give a credential store or a control socket because the profile names it.
    pub warnings: Vec<Diagnostic>,
}

/// A mount on its way to [`platform::Mount`], with what is needed to judge it.
#[derive(Debug)]
struct Candidate {
    mount: platform::Mount,
    origin: Origin,
    links: Vec<Link>,
}

/// Resolves what the profile and the flags mount.
///
/// # Errors
/// Every mount that is refused, each at its own place.
pub fn resolve(profile: &Profile, host: &Host) -> Result<Resolved, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut candidates = Vec::new();
    for mount in &profile.mounts {
        match candidate(mount, host) {
            Ok(one) => candidates.push(one),
            Err(one) => found.push(one),
        }
    }
    let candidates = without_overridden(candidates);
    found.extend(duplicates(&candidates));
    let rewritten = rewritten(&candidates, &profile.files);
    let mut resolved = judge(candidates, &[], found, host)?;
    resolved.warnings.extend(rewritten);
    Ok(resolved)
}

/// Mounts the paths among a command's arguments where they are written, and where they really are. What
/// `mounts` shows at that place is left alone, whatever its access: what was said outright wins. The script of an
/// interpreter is never writable. An argument that does not exist, or that is not written as a path, is no path.
///
/// # Errors
/// Every argument whose mount is refused.
pub fn path_args(
    argv: &[OsString],
    access: Access,
    mounts: &[platform::Mount],
    host: &Host,
) -> Result<Resolved, Vec<Diagnostic>> {
    let script = package::script(argv);
    let mut found = Vec::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (index, word) in argv.iter().enumerate().skip(1) {
        let access = if Some(index) == script {
            Access::Read
        } else {
            access
        };
        match argument(word, access, mounts, host) {
            Ok(more) => candidates.extend(more),
            Err(one) => found.push(one),
        }
    }
    let mut places = HashSet::new();
    candidates.retain(|one| places.insert(one.mount.at.clone()));
    judge(candidates, mounts, found, host)
}

/// The mounts that one argument asks for: none if it is no path, or if `mounts` shows it already.
fn argument(
    word: &OsStr,
    access: Access,
    mounts: &[platform::Mount],
    host: &Host,
) -> Result<Vec<Candidate>, Diagnostic> {
    let existing = |followed: &Followed| followed.missing.as_os_str().is_empty();
    let path = written_path(word, host);
    let followed = path
        .as_deref()
        .and_then(|path| follow(path, host.uid).ok())
        .filter(existing);
    let (Some(path), Some(followed)) = (path, followed) else {
        return Ok(Vec::new());
    };
    // `/dev/null` and the like are in every box.
    if KERNEL.iter().any(|own| followed.real.starts_with(own)) {
        return Ok(Vec::new());
    }
    let origin = Origin::flag(&format!("argument {}", printable(word)));
    let mount = |at: PathBuf| platform::Mount {
        source: followed.real.clone(),
        at,
        access,
        create: false,
        reason: origin.to_string(),
    };
    let wanted = places(&path, &followed.real).into_iter().map(mount);
    let new = wanted.filter(|one| !mounts.iter().any(|shown| shows(shown, one)));
    let placed = new.map(|mount| {
        refuse(&mount.source, host, &origin)?;
        expand::allowed_target(&mount.at, &origin).map_err(|one| Diagnostic {
            hint: Some("show it with --read PATH:AT and write AT in its place".into()),
            ..one
        })?;
        let (origin, links) = (origin.clone(), followed.links.clone());
        Ok(Candidate { mount, origin, links })
    });
    placed.collect()
}

/// Where an argument must be visible: where it really is, and where it is written if that can be said.
fn places(written: &Path, real: &Path) -> Vec<PathBuf> {
    let written: PathBuf = written.components().collect();
    let clear = !written.components().any(|part| part == Component::ParentDir);
    let mut places = vec![real.to_owned()];
    places.extend(Some(written).filter(|written| clear && written != real));
    places
}

/// Whether a mount already shows what another would show, at the same place, or holds that place itself.
fn shows(shown: &platform::Mount, wanted: &platform::Mount) -> bool {
    match (
        wanted.at.strip_prefix(&shown.at),
        wanted.source.strip_prefix(&shown.source),
    ) {
        (Ok(at), Ok(source)) => at == source,
        _ => wanted.at == shown.at,
    }
}

fn candidate(given: &Located<Mount>, host: &Host) -> Result<Candidate, Diagnostic> {
    let Mount {
        path,
        at,
        access,
        create,
    } = &given.value;
    let wanted = expand::path(path, host)?;
    let followed = follow(&wanted, host.uid).map_err(|error| unreachable(&wanted, &error, path))?;
    if !followed.missing.as_os_str().is_empty() && !create {
        return Err(missing(&wanted, &followed, *access, path));
    }
    let source = followed.source();
    refuse(&source, host, &path.origin)?;
    let at = match at {
        Some(at) => expand::target(at, host)?,
        None => {
            expand::allowed_target(&source, &path.origin)?;
            source.clone()
        }
    };
    let mount = platform::Mount {
        source,
        at,
        access: *access,
        create: *create,
        reason: given.origin.to_string(),
    };
    Ok(Candidate {
        mount,
        origin: path.origin.clone(),
        links: followed.links,
    })
}

impl Followed {
    fn source(&self) -> PathBuf {
        match self.missing.as_os_str().is_empty() {
            true => self.real.clone(),
            false => self.real.join(&self.missing),
        }
    }
}

fn unreachable(wanted: &Path, error: &io::Error, path: &Located<PathText>) -> Diagnostic {
    let message = format!("cannot follow {}: {}", quote(wanted), find::reason(error));
    path.origin.diagnostic(
        message,
        "check the path from its start: each part must be a folder you may enter",
    )
}

fn missing(wanted: &Path, followed: &Followed, access: Access, path: &Located<PathText>) -> Diagnostic {
    let message = format!("{} does not exist", quote(wanted));
    let cure = match (path.origin.is_flag(), access) {
        (true, _) => "make it first",
        (false, Access::Write) => "add create = true to have it made",
        (false, Access::Read) => "make it first, or drop the mount",
    };
    let hint = format!(
        "the nearest folder that exists is {}; {cure}",
        quote(&followed.real)
    );
    path.origin.diagnostic(message, hint)
}

/// A flag wins over the profile where both name the same target: it is what was typed last.
fn without_overridden(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let flags: Vec<PathBuf> = candidates
        .iter()
        .filter(|one| one.origin.is_flag())
        .map(|one| one.mount.at.clone())
        .collect();
    candidates
        .into_iter()
        .filter(|one| one.origin.is_flag() || !flags.contains(&one.mount.at))
        .collect()
}

fn duplicates(candidates: &[Candidate]) -> Vec<Diagnostic> {
    let twice = candidates.iter().enumerate().filter_map(|(index, one)| {
        let first = candidates[..index]
            .iter()
            .find(|other| other.mount.at == one.mount.at)?;
        let message = format!(
            "{} is the target of two mounts, here and at {}",
            quote(&one.mount.at),
            first.origin
        );
        Some(
            one.origin
                .diagnostic(message, "drop one of them, or give it another place with at"),
        )
    });
    twice.collect()
}

/// Applies every rule that needs the whole set and the host.
fn judge(
    mut candidates: Vec<Candidate>,
    others: &[platform::Mount],
    mut found: Vec<Diagnostic>,
    host: &Host,
) -> Result<Resolved, Vec<Diagnostic>> {
    let sensitive = if candidates.is_empty() {
        Vec::new()
    } else {
        sensitive::present(host)
    };
    let mounts = candidates.iter().map(|one| &one.mount).chain(others);
    let writable: Vec<&Path> = mounts
        .filter(|one| one.access == Access::Write)
        .map(|one| one.source.as_path())
        .collect();
    let mut warnings = Vec::new();
    for one in &candidates {
        found.extend(planted(one, &writable));
        match holding(&one.mount.source, &sensitive) {
            Some((why, hint)) => {
                let message = format!("{} cannot be mounted: {why}", quote(&one.mount.source));
                found.push(one.origin.diagnostic(message, hint));
            }
            None => warnings.extend(named(one, &sensitive)),
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    candidates.sort_by(|a, b| a.mount.at.cmp(&b.mount.at));
    let mounts = candidates.into_iter().map(|one| one.mount).collect();
    Ok(Resolved { mounts, warnings })
}

/// A link that a server may have put there in an earlier run must not choose what this run shows.
fn planted(one: &Candidate, writable: &[&Path]) -> Option<Diagnostic> {
    one.links.iter().find_map(|link| {
        let why = match writable.iter().find(|folder| link.path.starts_with(folder)) {
            Some(folder) => format!("it lies in {}, which a server can write", quote(folder)),
            None if link.foreign => "another user made it, in a folder where everybody may".to_owned(),
            None => return None,
        };
        let message = format!("the symbolic link {} is not followed: {why}", quote(&link.path));
        Some(
            one.origin
                .diagnostic(message, "name the folder itself, without the link"),
        )
    })
}

/// A server that can write its own profile decides what the next run gives it.
fn rewritten(candidates: &[Candidate], files: &[PathBuf]) -> Vec<Diagnostic> {
    let warning = |one: &Candidate| {
        let held = files.iter().find(|file| file.starts_with(&one.mount.source))?;
        let message = format!("the server can write {}: this profile", quote(held));
        Some(
            one.origin
                .diagnostic(message, "keep the profile outside of what its server can write"),
        )
    };
    let writable = candidates.iter().filter(|one| one.mount.access == Access::Write);
    writable.filter_map(warning).collect()
}

/// Refuses the paths that no profile can give away.
fn refuse(source: &Path, host: &Host, origin: &Origin) -> Result<(), Diagnostic> {
    match never(source, host) {
        Some((why, hint)) => {
            Err(origin.diagnostic(format!("{} cannot be mounted: {why}", quote(source)), hint))
        }
        None => Ok(()),
    }
}

fn never(source: &Path, host: &Host) -> Option<(String, String)> {
    let narrow = || "mount the folder that is needed, not all around it".to_owned();
    if source == Path::new("/") {
        return Some(("it is the whole disk".into(), narrow()));
    }
    if ["/home", "/Users"].iter().any(|homes| source == Path::new(homes)) {
        return Some(("every user's home lies in it".into(), narrow()));
    }
    if let Some(own) = KERNEL.into_iter().find(|own| source.starts_with(own)) {
        return Some((
            format!("{own} is the kernel's, not files"),
            "the box has its own; drop the mount".into(),
        ));
    }
    let home = follow(&host.home, host.uid).map_or_else(|_| host.home.clone(), |home| home.source());
    if source == home {
        return Some(("it is your whole home".into(), narrow()));
    }
    home.starts_with(source)
        .then(|| ("your home lies in it".into(), narrow()))
}

fn holding(source: &Path, sensitive: &[Sensitive]) -> Option<(String, String)> {
    let below = |path: &Path| path != source && path.starts_with(source);
    let held = sensitive
        .iter()
        .find(|one| below(&one.real) || below(&one.path))?;
    let why = format!("it holds {} ({})", quote(&held.path), held.reason);
    Some((
        why,
        format!("mount the folders beside {} one by one", quote(&held.path)),
    ))
}

fn named(one: &Candidate, sensitive: &[Sensitive]) -> Option<Diagnostic> {
    let source = &one.mount.source;
    let store = sensitive
        .iter()
        .find(|store| source.starts_with(&store.real) || source.starts_with(&store.path))?;
    let message = format!("the server gets {}: {}", quote(source), store.reason);
    let hint = "only mount it for a server that you would give it by hand";
    Some(one.origin.diagnostic(message, hint))
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

#[cfg(unix)]
#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
