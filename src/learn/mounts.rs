//! The lines of `filesystem.mounts`, each judged as `check` would.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::{Access, Mount, quote};

use super::Run;
use super::collapse::{Grant, Want, collapse};
use super::files::Sorted;
use super::text::{Line, State, string};
use crate::error::printable;
use crate::policy::{mounts, sensitive};
use crate::profile::{self, CEILING, Located, Origin, PathText, expand};

/// One mount on its way to a line.
struct Entry {
    path: PathBuf,
    at: Option<PathBuf>,
    write: bool,
    exclude: Vec<String>,
    state: State,
    why: String,
}

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

/// A folder of the ceiling keeps what the ceiling leaves out of it.
fn excluded(run: &Run<'_>, path: &Path) -> Vec<String> {
    let own = |mount: &&Mount| mount.reason == CEILING && path.starts_with(&mount.source);
    let kept = run.ceiling.asked.iter().any(|mount| own(&mount)) && !path.is_file();
    let patterns = super::SECRETS.iter().filter(|_| kept);
    patterns.map(|pattern| (*pattern).to_owned()).collect()
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

/// The line of an entry; kept back where `check` would refuse it or warn of it.
fn judged(run: &Run<'_>, entry: Entry) -> Line {
    let create = entry.write && !entry.path.exists();
    let text = text(run, &entry, create);
    let Some(text) = text else {
        let text = quote(&entry.path);
        return Line::new(
            State::KeptBack,
            text,
            format!("{}; no profile can name it", entry.why),
        );
    };
    let refusal = match entry.state {
        State::KeptBack => None,
        State::Used | State::Refused => refusal(run, &entry, create),
    };
    match refusal {
        None => Line::new(entry.state, text, entry.why),
        Some(reason) => Line::new(State::KeptBack, text, format!("{}; {reason}", entry.why)),
    }
}

/// Why a profile with this mount would not be valid, or be warned of.
fn refusal(run: &Run<'_>, entry: &Entry, create: bool) -> Option<String> {
    let origin = Origin::flag("learn");
    let literal = |path: &PathBuf| origin.at(PathText::Literal(path.clone()));
    let mount = profile::Mount {
        path: literal(&entry.path),
        at: entry.at.as_ref().map(literal),
        access: if entry.write { Access::Write } else { Access::Read },
        create,
        exclude: Vec::new(),
    };
    let mut profile = run.base.profile.clone();
    profile.mounts = vec![origin.at(mount)];
    match mounts::resolve(&profile, run.host) {
        Ok(resolved) => resolved.warnings.first().map(|one| one.message.clone()),
        Err(found) => found.first().map(|one| one.message.clone()),
    }
}

fn text(run: &Run<'_>, entry: &Entry, create: bool) -> Option<String> {
    let mut text = format!("{{ path = {}", path(run, &entry.path)?);
    if let Some(at) = &entry.at {
        text += &format!(", at = {}", path_in_box(at)?);
    }
    text += match entry.write {
        true => ", access = \"write\"",
        false => ", access = \"read\"",
    };
    if create {
        text += ", create = true";
    }
    if !entry.exclude.is_empty() {
        let patterns: Vec<String> = entry.exclude.iter().map(|pattern| string(pattern)).collect();
        text += &format!(", exclude = [{}]", patterns.join(", "));
    }
    Some(text + " }")
}

/// A path of the host as a profile writes it; nothing for one that a profile would read as another.
pub fn path(run: &Run<'_>, path: &Path) -> Option<String> {
    let text = match path.strip_prefix(&run.host.home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.to_str()?),
        Err(_) => path.to_str()?.to_owned(),
    };
    if text.contains(char::is_control) {
        return None;
    }
    let located: Located<PathText> = Origin::flag("learn").at(PathText::Template(text.clone()));
    let read = expand::path(&located, run.host).ok()?;
    (read == path).then(|| string(&text))
}

fn path_in_box(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    (!text.contains("${")).then(|| string(text))
}
