//! What npm has installed, by its own record.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mcp_sandbox_platform::quote;
use serde::Deserialize;

use crate::error::{Error, printable, reason};
use crate::prepare::{Job, Locked, Manager};

/// npm's record of what lies in a `node_modules`.
#[derive(Deserialize)]
pub(super) struct Record {
    packages: BTreeMap<String, Package>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Package {
    version: Option<String>,
    integrity: Option<String>,
    resolved: Option<String>,
    in_bundle: bool,
    /// npm goes on without it where it cannot be installed.
    optional: bool,
    has_install_script: bool,
    bin: BTreeMap<String, String>,
}

/// What the install scripts of all packages are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scripts {
    pub(super) any: bool,
    pub(super) optional: bool,
}

impl Record {
    pub(super) fn read(modules: &Path) -> Result<Self, Error> {
        let file = modules.join(".package-lock.json");
        let text = fs::read(&file).map_err(|error| {
            Error::setup(format!("npm left no record {}: {}", quote(&file), reason(&error)))
                .hint("npm 7 or newer is needed")
        })?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::setup(format!("npm's record {} cannot be read: {error}", quote(&file))))
    }

    pub(super) fn locked(&self, job: &Job<'_>) -> Result<Locked, Error> {
        let wanted = job.order.wanted;
        let main = self.packages.get(&format!("node_modules/{}", wanted.name()));
        let main =
            main.ok_or_else(|| Error::setup(format!("npm did not install {}", printable(wanted.name()))))?;
        let hashed = |place: &str, one: &Package| {
            let integrity = one.integrity.as_deref()?;
            let version = one.version.as_deref()?;
            Some(format!("{place} {version} {integrity}"))
        };
        let mut installed = Vec::new();
        // What a package brings along inside itself is part of its hash.
        for (place, one) in self.packages.iter().filter(|(_, one)| !one.in_bundle) {
            installed.push(hashed(place, one).ok_or_else(|| {
                let from = one.resolved.as_deref().unwrap_or("an unknown place");
                let message = format!("{} has no hash, it came from {}", quote(place), quote(from));
                Error::setup(message).hint("only packages of a registry can be prepared")
            })?);
        }
        Ok(Locked {
            manager: Manager::Npm,
            requested: wanted.requested(),
            name: wanted.name().to_owned(),
            version: main.version.clone().unwrap_or_default(),
            integrity: main.integrity.clone().unwrap_or_default(),
            prepared: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            installed,
        })
    }

    /// Whether there is an install script, and whether one belongs to a package that may be missing.
    pub(super) fn scripts(&self) -> Scripts {
        let scripted = || self.packages.values().filter(|one| one.has_install_script);
        Scripts {
            any: scripted().next().is_some(),
            optional: scripted().any(|one| one.optional),
        }
    }

    /// Whether a package of this name, at any place, has an install script.
    pub(super) fn has_script_of(&self, name: &str) -> bool {
        self.packages
            .iter()
            .any(|(place, one)| one.has_install_script && package_at(place) == name)
    }

    /// The names of the packages with install scripts that are not in `later`.
    pub(super) fn unbuilt(&self, later: &Record) -> Vec<&str> {
        let gone = self
            .packages
            .iter()
            .filter(|(place, one)| one.has_install_script && !later.packages.contains_key(*place));
        let mut names: Vec<&str> = gone.map(|(place, _)| package_at(place)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The programs of the packages that were asked for, and the one that npx would start.
    pub(super) fn programs(&self, job: &Job<'_>) -> (Option<String>, BTreeMap<String, PathBuf>) {
        let bins = |name: &str| {
            let package = self.packages.get(&format!("node_modules/{name}"));
            package.map(|package| package.bin.clone()).unwrap_or_default()
        };
        let wanted = job.order.wanted;
        let own = bins(wanted.name());
        let base = wanted.name().rsplit('/').next().unwrap_or_default();
        let mut targets: Vec<&String> = own.values().collect();
        targets.dedup();
        let main = match (own.contains_key(base), targets.len()) {
            (true, _) => Some(base.to_owned()),
            (false, 1) => own.keys().next().cloned(),
            _ => None,
        };
        let others = wanted.packages.iter().skip(1).map(|package| {
            let end = package.char_indices().skip(1).find(|(_, c)| *c == '@');
            bins(&package[..end.map_or(package.len(), |(at, _)| at)])
        });
        let all = own.keys().cloned().chain(others.flat_map(BTreeMap::into_keys));
        let place = |name: String| {
            let place = Path::new("node_modules/.bin").join(&name);
            (name, place)
        };
        (main, all.filter(|name| !name.contains('/')).map(place).collect())
    }
}

/// `@scope/name` of `node_modules/other/node_modules/@scope/name`.
fn package_at(place: &str) -> &str {
    place.rsplit_once("node_modules/").map_or(place, |(_, name)| name)
}
