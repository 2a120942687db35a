//! The shims of pyenv and its family (rbenv, nodenv, goenv, jenv, plenv, …): `exec …/pyenv exec "$program" "$@"`.
//!
//! Rules: libexec/pyenv-version-name, pyenv-version-file and pyenv-exec of pyenv, alike in the others.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;

use super::versions::{self, Wanted};
use super::{Target, unresolved};
use crate::error::Error;
use crate::runtime::Host;
use crate::runtime::file;
use crate::runtime::find::{self, Search};
use crate::runtime::script::{self, HandOver};

/// Manager, the file that names a version in a project, and what may stand before a version's name.
const FAMILY: &[(&str, &str, &[&str])] = &[
    ("pyenv", ".python-version", &["python-"]),
    ("rbenv", ".ruby-version", &["ruby-"]),
    ("nodenv", ".node-version", &["v", "node-"]),
    ("goenv", ".go-version", &["go"]),
    ("jenv", ".java-version", &[]),
    ("plenv", ".perl-version", &["perl-"]),
    ("phpenv", ".php-version", &[]),
    ("luaenv", ".lua-version", &[]),
    ("exenv", ".exenv-version", &[]),
    ("crenv", ".crystal-version", &[]),
];

struct Manager {
    name: &'static str,
    file: &'static str,
    prefixes: &'static [&'static str],
    root: PathBuf,
}

/// Where each manager of the family keeps its versions and shims.
pub fn roots(host: &Host) -> impl Iterator<Item = PathBuf> {
    FAMILY
        .iter()
        .map(|(name, ..)| host.dir(&format!("{}_ROOT", name.to_uppercase()), &format!(".{name}")))
}

/// The program behind a shim of this shape; None if the script is something else.
pub fn target(path: &Path, place: &Path, text: &[u8], host: &Host) -> Result<Option<Target>, Error> {
    let Some(manager) = manager(place, text) else {
        return Ok(None);
    };
    let name = path.file_name().unwrap_or_default();
    let wanted = manager.wanted(host);
    let found = wanted
        .iter()
        .find_map(|wanted| manager.program(wanted, name, place, host));
    match found {
        Some(program) => Ok(Some(Target::new(manager.name, program))),
        None => Err(manager.missing(path, name, &wanted)),
    }
}

fn manager(place: &Path, text: &[u8]) -> Option<Manager> {
    let program = script::hand_overs(text)
        .into_iter()
        .find_map(|hand_over| match hand_over {
            HandOver::Program(program, args) if args.first().is_some_and(|arg| arg == "exec") => {
                Some(program)
            }
            _ => None,
        })?;
    let (name, file, prefixes) = *FAMILY
        .iter()
        .find(|(name, ..)| Path::new(&program).ends_with(name))?;
    let variable = format!("{}_ROOT", name.to_uppercase());
    let root = script::assignment(text, &variable)
        .map(PathBuf::from)
        .filter(|root| root.is_absolute());
    let root = root.or_else(|| place.parent()?.parent().map(Path::to_owned))?;
    Some(Manager {
        name,
        file,
        prefixes,
        root,
    })
}

impl Manager {
    /// The versions asked for, the first that has the program wins.
    fn wanted(&self, host: &Host) -> Vec<Wanted> {
        let variable = format!("{}_VERSION", self.name.to_uppercase());
        if let Some(value) = host.var(&variable) {
            return split(&value.to_string_lossy(), &variable);
        }
        if let Some((path, text)) = versions::nearest(host, &[self.file]) {
            return split(&text, &quote(path));
        }
        let global = self.root.join("version");
        let versions = file::text(&global)
            .map(|text| split(&text, &quote(&global)))
            .unwrap_or_default();
        match versions.is_empty() {
            true => split("system", &format!("{}'s default", self.name)),
            false => versions,
        }
    }

    fn program(&self, wanted: &Wanted, name: &OsStr, place: &Path, host: &Host) -> Option<PathBuf> {
        if wanted.version == "system" {
            let shims = place.parent()?;
            let own = self.root.join("shims");
            let others: Vec<PathBuf> = find::directories(host)
                .into_iter()
                .filter(|dir| {
                    dir != shims && *dir != own && fs::canonicalize(dir).is_ok_and(|dir| dir != shims)
                })
                .collect();
            return match find::along(name, &others) {
                Search::Found(path) => Some(path),
                _ => None,
            };
        }
        let installed = self.root.join("versions");
        let version = versions::best(&installed, &wanted.version, self.prefixes).or_else(|| {
            let plain = self
                .prefixes
                .iter()
                .find_map(|prefix| wanted.version.strip_prefix(prefix))?;
            versions::best(&installed, plain, self.prefixes)
        })?;
        versions::program_in(&installed.join(version), name)
    }

    fn missing(&self, shim: &Path, name: &OsStr, wanted: &[Wanted]) -> Error {
        let from = wanted
            .first()
            .map(|first| first.from.as_str())
            .unwrap_or("nothing");
        let asked: Vec<String> = wanted.iter().map(|wanted| quote(&wanted.version)).collect();
        let why = format!(
            "no {} in version {}, which {from} asks for",
            quote(name),
            asked.join(", ")
        );
        let error = unresolved(shim, self.name, &why);
        match self.others(name) {
            others if others.is_empty() => error,
            others => error.hint(format!("these versions have it: {}", others.join(", "))),
        }
    }

    fn others(&self, name: &OsStr) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("versions"))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<OsString> = entries
            .filter(|entry| versions::program_in(&entry.path(), name).is_some())
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        names.iter().map(quote).collect()
    }
}

/// Versions of a variable or a file: separated by blanks, line ends or colons; `#` begins a comment.
fn split(text: &str, from: &str) -> Vec<Wanted> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split([' ', '\t', ':', '\r']))
        .filter(|version| versions::is_plain(version))
        .take(versions::MAX_WANTED)
        .map(|version| Wanted {
            version: version.to_owned(),
            from: from.to_owned(),
        })
        .collect()
}
