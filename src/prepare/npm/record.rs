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
    pub(super) packages: BTreeMap<String, Package>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Package {
    version: Option<String>,
    integrity: Option<String>,
    resolved: Option<String>,
    in_bundle: bool,
    pub(super) has_install_script: bool,
    bin: BTreeMap<String, String>,
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
