//! Environment variables: reading one is no system call, so the server's own code is searched for their names.
//!
//! Only files that the server has opened are searched, each as far as [`MOST_BYTES`], and only for the forms that
//! JavaScript and Python programs write most: what builds a name at run time is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Run;
use super::text::{Line, State, string};
use crate::error::printable;
use crate::lint;

/// Where a name was found first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In the box.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
}

/// Of one file, of all files, and how many names.
const MOST_BYTES: u64 = 2 << 20;
const MOST_IN_ALL: u64 = 128 << 20;
const MOST_NAMES: usize = 1000;

/// Names that are told although nobody has set them: this many.
const MOST_UNSET: usize = 12;

/// The names that the files mention, each as the box and as the host name them.
pub fn search(files: &[(PathBuf, PathBuf)]) -> BTreeMap<String, Place> {
    let mut names = BTreeMap::new();
    let mut left = MOST_IN_ALL;
    let mut done = BTreeSet::new();
    for (file, host) in files {
        let Some((file, host)) = source(file, host).filter(|(_, host)| done.insert(host.clone())) else {
            continue;
        };
        let Some(text) = read(&host, left.min(MOST_BYTES)) else {
            continue;
        };
        left -= text.len() as u64;
        let found = match host.extension().and_then(OsStr::to_str) {
            Some("py") => python(&text),
            _ => javascript(&text),
        };
        for (name, line) in found {
            if names.len() < MOST_NAMES {
                let file = file.clone();
                names.entry(name).or_insert(Place { file, line });
            }
        }
    }
    names
}

/// The file with the text: Python opens what it has compiled before instead of the source beside it.
fn source(file: &Path, host: &Path) -> Option<(PathBuf, PathBuf)> {
    let text = ["js", "mjs", "cjs", "ts", "mts", "cts", "py"];
    let of_source = |path: &Path| {
        let stem = path.file_stem()?.to_str()?.split('.').next()?;
        Some(path.parent()?.parent()?.join(format!("{stem}.py")))
    };
    match host.extension()?.to_str()? {
        "pyc" => Some((of_source(file)?, of_source(host)?)),
        extension if text.contains(&extension) => Some((file.to_owned(), host.to_owned())),
        _ => None,
    }
}

/// A regular file, without waiting for anybody and without following a link that has come there meanwhile.
fn read(path: &Path, most: u64) -> Option<String> {
    let mut options = File::options();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `process.env.NAME`, `process.env["NAME"]`, `{ NAME } = process.env`.
fn javascript(text: &str) -> Vec<(String, usize)> {
    const WORD: &str = "process.env";
    let mut found = Vec::new();
    for (at, _) in text.match_indices(WORD) {
        let after = &text[at + WORD.len()..];
        let after = after.strip_prefix('?').unwrap_or(after);
        let named = after
            .strip_prefix('.')
            .map(|rest| rest.trim_start_matches('[').trim_start());
        let named = named.or_else(|| after.strip_prefix('[')).map(str::trim_start);
        let quoted = named.and_then(|rest| rest.strip_prefix(['"', '\'', '`']));
        let names: Vec<&str> = match quoted.or(named).and_then(word) {
            Some(name) => vec![name],
            None if named.is_none() => taken_apart(&text[..at]),
            None => Vec::new(),
        };
        let line = line_of(text, at);
        found.extend(names.into_iter().map(|name| (name.to_owned(), line)));
    }
    found
}

/// The names of `const { A, B: b = "" } = ` before an object.
fn taken_apart(before: &str) -> Vec<&str> {
    let names = || {
        let inner = before
            .trim_end()
            .strip_suffix('=')?
            .trim_end()
            .strip_suffix('}')?;
        let start = inner.rfind('{')?;
        Some(inner[start + 1..].split(','))
    };
    let names = names().into_iter().flatten();
    names.filter_map(|part| word(part.trim_start())).collect()
}

/// `os.environ["NAME"]`, `os.environ.get("NAME"`, `os.getenv("NAME"`.
fn python(text: &str) -> Vec<(String, usize)> {
    const FORMS: [&str; 5] = [
        "environ[",
        "environ.get(",
        "environ.setdefault(",
        "environ.pop(",
        "getenv(",
    ];
    let mut found = Vec::new();
    for form in FORMS {
        for (at, _) in text.match_indices(form) {
            let after = text[at + form.len()..].trim_start();
            let quoted = after.strip_prefix(['"', '\'']);
            if let Some(name) = quoted.and_then(word) {
                found.push((name.to_owned(), line_of(text, at)));
            }
        }
    }
    found
}

/// The name of a variable at the start of a text.
fn word(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let name = &text[..end];
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && name.len() <= 128).then_some(name)
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// The lines of `process.env.pass`.
pub fn lines(run: &Run<'_>, names: &BTreeMap<String, Place>) -> Vec<Line> {
    let has: BTreeSet<&OsString> = run.base.policy.process.env.iter().map(|(name, _)| name).collect();
    let usual = |name: &str| {
        let name = OsString::from(name);
        has.contains(&name) || run.base.profile.env_pass.iter().any(|one| one.value == name)
    };
    let asked = run
        .ceiling
        .profile
        .env_pass
        .iter()
        .map(|one| one.value.to_string_lossy());
    let passed: BTreeSet<String> = asked
        .map(|name| name.into_owned())
        .filter(|name| !usual(name))
        .collect();
    let of_names = names
        .iter()
        .filter(|(name, _)| !usual(name) && !run.ceiling.profile.env_set.contains_key(OsStr::new(name)));
    let (set, unset): (Vec<_>, Vec<_>) = of_names
        .partition(|(name, _)| run.variables.contains_key(OsStr::new(name)) || passed.contains(*name));
    let mut lines: Vec<Line> = { set.into_iter() }
        .map(|(name, place)| line(run, name, &format!("{} reads it", told(place))))
        .collect();
    let unread = passed.iter().filter(|name| !names.contains_key(*name));
    lines.extend(unread.map(|name| {
        line(
            run,
            name,
            "it was passed while learning; no file that was opened names it",
        )
    }));
    // Names of secrets first: they are what a server cannot do without.
    let mut unset = unset;
    unset.sort_by_key(|(name, _)| !lint::is_secret_name(name));
    let more = unset.len().saturating_sub(MOST_UNSET);
    lines.extend(unset.into_iter().take(MOST_UNSET).map(|(name, place)| {
        let why = format!("{} reads it; it is not set here", told(place));
        Line::new(State::KeptBack, string(name), why)
    }));
    if more > 0 {
        lines.push(Line::new(
            State::KeptBack,
            "…",
            format!("and {more} more that are not set here"),
        ));
    }
    lines
}

fn told(place: &Place) -> String {
    format!("{}:{}", printable(&place.file), place.line)
}

fn line(run: &Run<'_>, name: &str, why: &str) -> Line {
    let value = run.variables.get(OsStr::new(name));
    let value = value.map(|value| value.to_string_lossy()).unwrap_or_default();
    if let Some(risk) = lint::variable_risk(name) {
        return Line::new(State::KeptBack, string(name), format!("{why}; {risk}"));
    }
    match lint::is_secret_name(name) || lint::is_secret_value(&value) {
        true => Line::new(State::Used, string(name), format!("secret: {why}")),
        false => Line::new(State::Used, string(name), why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_javascript() {
        for (text, expected) in [
            ("a = process.env.API_KEY;", &["API_KEY"][..]),
            ("process.env?.HOST ?? 1", &["HOST"]),
            (
                "process.env[\"A\"] + process.env['B'] + process.env[`C`]",
                &["A", "B", "C"],
            ),
            ("process.env?.[\"A\"]", &["A"]),
            ("const { A, B: b = \"x\", C } = process.env;", &["A", "B", "C"]),
            ("process.env[name]", &["name"]),
            ("{ ...process.env }", &[]),
            ("f(process.env)", &[]),
            ("process.environment.X", &[]),
            ("process.env", &[]),
        ] {
            let found: Vec<String> = javascript(text).into_iter().map(|(name, _)| name).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn names_in_python() {
        let text = "import os\nx = os.environ['A']\ny = os.environ.get(\n  \"B\", 1)\nos.getenv(\"C\")\nos.getenv(name)\n";
        let mut found = python(text);
        found.sort();
        assert_eq!(found, [("A".into(), 2), ("B".into(), 3), ("C".into(), 5)]);
    }

    #[test]
    fn the_source_of_compiled_python_is_searched_and_links_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("__pycache__")).unwrap();
        std::fs::write(at("m.py"), "os.getenv('FROM_SOURCE')").unwrap();
        std::fs::write(at("secret"), "process.env.FROM_LINK").unwrap();
        std::os::unix::fs::symlink(at("secret"), at("l.js")).unwrap();
        let files = ["__pycache__/m.cpython-312.pyc", "l.js"].map(|name| (at(name), at(name)));
        let found = search(&files);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["FROM_SOURCE"]);
        assert_eq!(found["FROM_SOURCE"].file, at("m.py"));
    }
}
