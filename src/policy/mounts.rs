//! From the mounts of a profile and of flags to paths of this host, each followed, judged and
//! placed; or every reason why not.

use std::io;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::files::{Act, Exclusion, Pattern, Refusal, Rules, What, spelled_otherwise};
use mcp_sandbox_platform::{self as platform, Access, quote};

pub use super::arguments::path_args;
use super::links::{Followed, Link, follow};
use super::sensitive::{self, Sensitive};
use crate::error::Diagnostic;
use crate::profile::{Host, Located, Mount, Origin, PathText, Profile, expand, find, in_order};

/// Made by the kernel, and in every box of its own.
pub(super) const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The mounts of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// Ordered so that an outer target comes before an inner one.
    pub mounts: Vec<platform::Mount>,
    /// What must not be written by whatever name: read mounts that were asked for outright, and the script.
    pub guarded: Vec<platform::Mount>,
    /// What they leave out, also where a flag mounts the same folder again.
    pub exclusions: Vec<Exclusion>,
    /// Mounts that give a credential store or a control socket because the profile names it.
    pub warnings: Vec<Diagnostic>,
}

/// A mount on its way to [`platform::Mount`], with what is needed to judge it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub mount: platform::Mount,
    pub origin: Origin,
    pub links: Vec<Link>,
    pub exclude: Vec<Pattern>,
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
    let exclusions = exclusions(&candidates);
    let rules = rules(&exclusions);
    found.extend(candidates.iter().filter_map(|one| hidden(one, &rules)));
    let candidates = without_overridden(candidates);
    found.extend(duplicates(&candidates));
    let rewritten = rewritten(&candidates, &profile.files);
    let mut resolved = judge(candidates, &[], found, host)?;
    resolved.warnings.extend(rewritten);
    let read = resolved.mounts.iter().filter(|one| one.access == Access::Read);
    resolved.guarded = read.cloned().collect();
    resolved.exclusions = exclusions;
    Ok(resolved)
}

fn exclusions(candidates: &[Candidate]) -> Vec<Exclusion> {
    let excluding = candidates.iter().filter(|one| !one.exclude.is_empty());
    let exclusion = |one: &Candidate| Exclusion {
        base: one.mount.source.clone(),
        patterns: one.exclude.clone(),
    };
    excluding.map(exclusion).collect()
}

/// A mount of nothing: another one excludes it. Exclusions hold for a folder by whatever name, so this one would have it
/// for the server to see and not to open.
fn hidden(one: &Candidate, rules: &Rules) -> Option<Diagnostic> {
    let source = &one.mount.source;
    if !one.exclude.is_empty() && source.is_file() {
        let message = format!("{} is a file, and \"exclude\" is for folders", quote(source));
        return Some(
            one.origin
                .diagnostic(message, "drop exclude, or mount the folder around it"),
        );
    }
    if let Some(system) = spelled_otherwise(source).filter(|_| !one.exclude.is_empty()) {
        let message = format!(
            "{} lies on {system}, where a file is found by other spellings of its name: \"exclude\" would not hold",
            quote(source)
        );
        let hint = "mount folders that hold nothing to be excluded, or move the folder to another disk";
        return Some(one.origin.diagnostic(message, hint));
    }
    let refusal = refused(source, rules)?;
    let pattern = quote(&refusal.pattern.text);
    let message = format!(
        "{} is excluded: {pattern} ({})",
        quote(source),
        refusal.pattern.reason
    );
    let hint = format!("narrow {pattern}, or re-include it with a later \"!\" pattern");
    Some(one.origin.diagnostic(message, hint))
}

/// What is excluded, compiled.
pub fn rules(exclusions: &[Exclusion]) -> Rules {
    Rules::new(exclusions, &[]).expect("patterns were read before")
}

/// Why a path of the host is excluded, if it is.
pub fn refused(path: &Path, rules: &Rules) -> Option<Refusal> {
    let what = match path.is_dir() {
        true => What::Folder,
        false => What::File,
    };
    rules.judge(path, what, Act::Read).err()
}

fn candidate(given: &Located<Mount>, host: &Host) -> Result<Candidate, Diagnostic> {
    let Mount {
        path,
        at,
        access,
        create,
        exclude,
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
        exclude: exclude.clone(),
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
    let colon = wanted.as_os_str().as_encoded_bytes().contains(&b':');
    let cure = match (path.origin.is_flag(), access) {
        (true, _) if colon => "in PATH:AT the place in the box starts with /",
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

/// Applies every rule that needs the whole set and the host. `others` are mounts of this run that were judged before.
pub(super) fn judge(
    mut candidates: Vec<Candidate>,
    others: &[platform::Mount],
    mut found: Vec<Diagnostic>,
    host: &Host,
) -> Result<Resolved, Vec<Diagnostic>> {
    let sensitive = match candidates.as_slice() {
        [] => Vec::new(),
        _ => sensitive::present(host),
    };
    let mounts = candidates.iter().map(|one| &one.mount).chain(others);
    let writable = mounts
        .filter(|one| one.access == Access::Write)
        .map(|one| one.source.as_path());
    let writable: Vec<&Path> = writable.collect();
    found.extend(candidates.iter().filter_map(|one| planted(one, &writable)));
    found.extend(candidates.iter().filter_map(|one| holding(one, &sensitive)));
    let linked = candidates.iter().filter(|one| !one.links.is_empty());
    found.extend(
        linked
            .filter_map(|one| named(one, &sensitive))
            .map(|one| Diagnostic {
                message: format!("a symbolic link leads to a secret: {}", one.message),
                hint: Some("name the secret itself, if it is meant".into()),
                ..one
            }),
    );
    if !found.is_empty() {
        return Err(in_order(found));
    }
    let warnings = candidates
        .iter()
        .filter_map(|one| named(one, &sensitive))
        .collect();
    candidates.sort_by(|a, b| a.mount.at.cmp(&b.mount.at));
    let mounts = candidates.into_iter().map(|one| one.mount).collect();
    Ok(Resolved {
        mounts,
        guarded: Vec::new(),
        exclusions: Vec::new(),
        warnings,
    })
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

/// Judges what the command's runtime would show. What it is made of is written in files that a hostile package brings
/// along (a `pyvenv.cfg`, the interpreter of a library, a `#!` line), and nobody asked for it by name: what a profile
/// would be warned about is refused here.
///
/// # Errors
/// Every mount of the runtime that is a secret, holds one, or is no part of a program.
pub(super) fn judge_runtime(mounts: &[platform::Mount], host: &Host) -> Result<(), Vec<Diagnostic>> {
    if mounts.is_empty() {
        return Ok(());
    }
    let sensitive = sensitive::present(host);
    let origin = Origin::flag("the command's runtime");
    let found = mounts.iter().filter_map(|mount| {
        let source = &mount.source;
        let why = no_part_of_a_program(mount, host).or_else(|| {
            let secret = |path: &PathBuf| path.starts_with(source) || source.starts_with(path);
            let store = sensitive
                .iter()
                .find(|store| secret(&store.real) || secret(&store.path))?;
            Some(format!("{} is {}", quote(&store.path), store.reason))
        })?;
        let message = format!("to run this command the box would show {}: {why}", quote(source));
        Some(origin.diagnostic(
            message,
            "nothing was started; if the server is meant to have it, mount it with --read",
        ))
    });
    match found.collect::<Vec<_>>() {
        found if found.is_empty() => Ok(()),
        found => Err(in_order(found)),
    }
}

/// Why a path cannot belong to an installation.
fn no_part_of_a_program(mount: &platform::Mount, host: &Host) -> Option<String> {
    let source = &mount.source;
    let kind = std::fs::symlink_metadata(source).map(|found| found.file_type());
    if !kind.is_ok_and(|kind| kind.is_file() || kind.is_dir()) {
        return Some("it is neither a file nor a folder".into());
    }
    if source.parent() == Some(Path::new("/")) {
        return Some("it is a folder of the whole system".into());
    }
    let own = ["/etc", "/run", "/var/run"]
        .iter()
        .find(|own| source.starts_with(own) || mount.at.starts_with(own));
    own.map(|own| format!("{own} is no place for programs"))
        .or_else(|| never(source, host).map(|(why, _)| why))
}

/// Refuses the paths that no profile can give away.
pub(super) fn refuse(source: &Path, host: &Host, origin: &Origin) -> Result<(), Diagnostic> {
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

fn holding(one: &Candidate, sensitive: &[Sensitive]) -> Option<Diagnostic> {
    let source = &one.mount.source;
    let below = |path: &Path| path != source && path.starts_with(source);
    let held = sensitive
        .iter()
        .find(|store| below(&store.real) || below(&store.path))?;
    let (folder, store) = (quote(source), quote(&held.path));
    let message = format!("{folder} cannot be mounted: it holds {store} ({})", held.reason);
    Some(
        one.origin
            .diagnostic(message, format!("mount the folders beside {store} one by one")),
    )
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

#[cfg(unix)]
#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
