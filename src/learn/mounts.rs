//! The lines of `filesystem.mounts`, each judged as `check` would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Run;
use super::collapse::{Grant, Want, collapse};
use super::entry::{Entry, judged};
use super::files::Sorted;
use super::text::{Line, State};
use crate::error::printable;
use crate::policy::sensitive;
use crate::profile::{CEILING, expand};

/// What was only looked for is told, not given: this many.
const MOST_LOOKED: usize = 12;

pub fn lines(run: &Run<'_>, sorted: &Sorted) -> Vec<Line> {
    let known: Vec<sensitive::Known> = sensitive::known(run.host).collect();
    let (secret, wants): (Vec<&Want>, Vec<&Want>) = sorted
        .wants
        .iter()
        .partition(|want| known.iter().any(|known| known.covers(&want.path)));
    let wants: Vec<Want> = wants.into_iter().cloned().collect();
    let whole = |folder: &Path| may_be_whole(run, &known, folder);
    let granted = collapse(&wants, &whole);
    let mut entries: Vec<Entry> = granted.iter().map(|grant| of_grant(run, grant)).collect();
    entries.extend(own_code(sorted, &wants, &granted, &whole));
    entries.extend(kept(run, sorted));
    entries.extend(secret.into_iter().map(|want| of_secret(want, &known)));
    entries.extend(sorted.excluded.iter().map(|path| of_excluded(path)));
    entries.extend(looked(run, sorted, &known, &granted));
    entries.into_iter().map(|entry| judged(run, entry)).collect()
}

/// A folder of the ceiling, or one far enough from the top that it belongs to one thing.
fn may_be_whole(run: &Run<'_>, known: &[sensitive::Known], folder: &Path) -> bool {
    let shown = run
        .ceiling
        .asked
        .iter()
        .any(|mount| folder.starts_with(&mount.source));
    let own = !run.host.home.starts_with(folder) && folder.components().count() > 3;
    let holds_secrets = known
        .iter()
        .any(|known| known.lies_below(folder) || known.covers(folder));
    (shown || own) && !holds_secrets
}

fn of_grant(run: &Run<'_>, grant: &Grant) -> Entry {
    let refused = grant.of.iter().any(|want| want.refused);
    Entry {
        path: grant.path.clone(),
        at: box_path(run, &grant.path),
        write: grant.write,
        exclude: excluded(run, &grant.path),
        state: if refused { State::Refused } else { State::Used },
        why: why(&grant.path, &grant.of),
    }
}

/// Code of the server in a folder that it writes to: a mount of its own keeps it from rewriting itself.
fn own_code(sorted: &Sorted, wants: &[Want], granted: &[Grant], whole: &dyn Fn(&Path) -> bool) -> Vec<Entry> {
    let written = |path: &Path| {
        granted
            .iter()
            .any(|grant| grant.write && path.starts_with(&grant.path))
    };
    let code = wants.iter().filter(|want| sorted.own_code.contains(&want.path));
    let code: Vec<Want> = code
        .filter(|want| !want.write && written(&want.path))
        .cloned()
        .collect();
    let only_read = |folder: &Path| {
        let mut writes = wants.iter().filter(|want| want.write);
        whole(folder) && !writes.any(|want| want.path.starts_with(folder))
    };
    let entry = |grant: Grant| Entry {
        path: grant.path,
        at: None,
        write: false,
        exclude: Vec::new(),
        state: State::Used,
        why: "its own code, which it cannot change like this".into(),
    };
    collapse(&code, &only_read).into_iter().map(entry).collect()
}

/// The folder of the ceiling keeps what the ceiling leaves out of it, and so does a part of it with such files.
fn excluded(run: &Run<'_>, path: &Path) -> Vec<String> {
    let own = run
        .ceiling
        .asked
        .iter()
        .find(|mount| mount.reason == CEILING && path.starts_with(&mount.source));
    let kept = own.is_some_and(|mount| {
        path.is_dir() && (mount.source == path || holds(path, &|file| run.excludes(file)))
    });
    let patterns = super::SECRETS.iter().filter(|_| kept);
    patterns.map(|pattern| (*pattern).to_owned()).collect()
}

/// Whether a folder holds such a file, as far as can be told in a short time; a larger one is taken to.
fn holds(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> bool {
    const MOST: usize = 5000;
    let mut folders = vec![folder.to_owned()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            looked += 1;
            if looked > MOST || wanted(&entry.path()) {
                return true;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    false
}

fn of_excluded(path: &Path) -> Entry {
    Entry {
        path: path.to_owned(),
        at: None,
        write: false,
        exclude: Vec::new(),
        state: State::KeptBack,
        why: "WARNING: its name is one of secrets; the server asked to read it, refused while learning"
            .into(),
    }
}

/// Where the box has a path of the user's home, if its own home lies elsewhere.
fn box_path(run: &Run<'_>, path: &Path) -> Option<PathBuf> {
    let home = &run.ceiling.policy.home.at;
    let rest = path.strip_prefix(&run.host.home).ok()?;
    let shown = run
        .ceiling
        .asked
        .iter()
        .any(|mount| path.starts_with(&mount.source));
    (*home != run.host.home && !shown).then(|| home.join(rest))
}

/// What a mount stands for, as the end of its line.
fn why(path: &Path, wants: &[Want]) -> String {
    let of = |refused: bool| {
        let wants: Vec<&Want> = wants.iter().filter(|want| want.refused == refused).collect();
        uses(path, &wants)
    };
    match (of(false).as_str(), of(true).as_str()) {
        (done, "") => done.to_owned(),
        ("", refused) => format!("refused while learning: {refused}"),
        (done, refused) => format!("{done}; refused while learning: {refused}"),
    }
}

/// As in `written to, 3 read, such as a.txt`.
fn uses(path: &Path, wants: &[&Want]) -> String {
    let listed = |want: &Want| !want.write && want.folder && want.path == path;
    let (written, rest): (Vec<&Want>, Vec<&Want>) = wants.iter().partition(|want| want.write);
    let read = rest.iter().filter(|want| !listed(want)).count();
    let example = rest.iter().find_map(|want| want.path.strip_prefix(path).ok());
    let example = example.filter(|inner| !inner.as_os_str().is_empty());
    let example = example.map_or_else(String::new, |inner| format!(", such as {}", printable(inner)));
    let mut parts = Vec::new();
    match written.len() {
        0 => {}
        1 => parts.push("written to".to_owned()),
        many => parts.push(format!("written to in {many} places")),
    }
    if rest.len() > read {
        parts.push("listed".to_owned());
    }
    match read {
        0 => {}
        1 if example.is_empty() => parts.push("read".to_owned()),
        many => parts.push(format!("{many} read{example}")),
    }
    parts.join(", ")
}

/// Mounts of the profile that stay as they are, where something in them was used.
fn kept<'r>(run: &'r Run<'r>, sorted: &Sorted) -> Vec<Entry> {
    let used: BTreeSet<usize> = sorted.kept.iter().map(|(index, _)| *index).collect();
    let entry = |index: usize| {
        let mount = &run.ceiling.asked[index];
        let wants: Vec<Want> = { sorted.kept.iter() }
            .filter(|(of, _)| *of == index)
            .map(|(_, want)| want.clone())
            .collect();
        let refused = wants.iter().any(|want| want.refused);
        let own = |base: &Path| base == mount.source;
        let exclusions = run.ceiling.policy.exclusions.iter().filter(|one| own(&one.base));
        Entry {
            path: mount.source.clone(),
            at: (mount.at != mount.source).then(|| mount.at.clone()),
            write: wants.iter().any(|want| want.write),
            exclude: exclusions
                .flat_map(|one| &one.patterns)
                .map(|pattern| pattern.text.clone())
                .collect(),
            state: if refused { State::Refused } else { State::Used },
            why: why(&mount.source, &wants),
        }
    };
    used.into_iter().map(entry).collect()
}

fn of_secret(want: &Want, known: &[sensitive::Known]) -> Entry {
    let reason = known.iter().find(|known| known.covers(&want.path));
    let reason = reason.map_or("a secret", |known| known.reason);
    let how = match (want.write, want.refused) {
        (true, _) => "asked to write it",
        (false, true) => "asked to read it, refused while learning",
        (false, false) => "read it",
    };
    Entry {
        path: want.path.clone(),
        at: None,
        write: want.write,
        exclude: Vec::new(),
        state: State::KeptBack,
        why: format!("WARNING: {reason}; the server {how}"),
    }
}

fn looked(run: &Run<'_>, sorted: &Sorted, known: &[sensitive::Known], granted: &[Grant]) -> Vec<Entry> {
    let covered = |path: &Path| granted.iter().any(|grant| path.starts_with(&grant.path));
    let paths = sorted
        .looked
        .iter()
        .filter(|path| !covered(path) && !is_usual(run, path));
    let (secret, other): (Vec<&PathBuf>, Vec<&PathBuf>) =
        paths.partition(|path| known.iter().any(|known| known.covers(path)));
    let entry = |path: &PathBuf| {
        let secret = known.iter().find(|known| known.covers(path));
        let warning = secret.map_or_else(String::new, |known| format!("WARNING: {}; ", known.reason));
        Entry {
            path: path.clone(),
            at: box_path(run, path),
            write: false,
            exclude: Vec::new(),
            state: State::KeptBack,
            why: format!("{warning}only asked whether it is there"),
        }
    };
    let told = secret.into_iter().chain(other);
    told.take(MOST_LOOKED).map(entry).collect()
}

/// Folders around what the box shows, which programs look at on their way, and those of the system where they search.
fn is_usual(run: &Run<'_>, path: &Path) -> bool {
    let mounts = &run.ceiling.policy.mounts;
    expand::is_system(path)
        || run.host.home.starts_with(path)
        || mounts.iter().any(|mount| mount.at.starts_with(path))
}
