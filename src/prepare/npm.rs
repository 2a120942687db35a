//! Packages of npm: resolved and unpacked by npm in a box that reaches the registry; then their install scripts, in
//! another box that reaches nothing and holds no token.
//!
//! pnpm, yarn and bun name packages as npm does, and their launchers are served by npm as well.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use mcp_sandbox_platform::quote;
use serde::Deserialize;
use serde_json::Value;

use super::boxed::{self, Outcome};
use super::registry::{self, last_lines};
use super::{Job, Locked, Manager};
use crate::error::{Error, Kind, printable, reason};
use crate::runtime;

/// Where the boxes show the user's own settings of npm.
const SETTINGS: &str = "/prepare";

/// Variables of npm's settings that a download depends on, without their prefix. What names files or programs is not
/// passed on; see npm-config(7).
const PASSED: [&str; 24] = [
    "before",
    "ca",
    "fetch_retries",
    "fetch_retry_factor",
    "fetch_retry_maxtimeout",
    "fetch_retry_mintimeout",
    "fetch_timeout",
    "force",
    "https_proxy",
    "include",
    "legacy_peer_deps",
    "maxsockets",
    "min_release_age",
    "noproxy",
    "omit",
    "proxy",
    "registry",
    "replace_registry_host",
    "strict_peer_deps",
    "strict_ssl",
    "tag",
    "user_agent",
    "engine_strict",
    "ignore_scripts",
];

/// Variables of proxies, as most programs read them.
const PROXIES: [&str; 8] = [
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "PROXY",
    "proxy",
];

/// npm's own settings, all of them, as `npm config ls` prints them.
struct Settings {
    values: serde_json::Map<String, Value>,
    /// npm itself.
    npm: PathBuf,
}

/// npm's record of what lies in a `node_modules`.
#[derive(Deserialize)]
struct Record {
    packages: BTreeMap<String, Package>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Package {
    version: Option<String>,
    integrity: Option<String>,
    resolved: Option<String>,
    in_bundle: bool,
    has_install_script: bool,
    bin: BTreeMap<String, String>,
}

/// Prepares packages of npm.
///
/// # Errors
/// npm is not there or fails, or gives something else than the lock file says.
pub(super) fn prepare(job: &Job<'_>) -> Result<Locked, Error> {
    let settings = Settings::read(job)?;
    (job.tell)("downloading");
    download(job, &settings)?;
    let modules = job.staging.folder.join("node_modules");
    let record = Record::read(&modules)?;
    let mut locked = record.locked(job)?;
    if let Some(known) = job.known {
        known.must_be(&locked, job.order.lock_file)?;
        locked.prepared.clone_from(&known.prepared);
    }
    let (main, programs) = record.programs(job);
    let scripts = record
        .packages
        .values()
        .filter(|one| one.has_install_script)
        .count();
    let ignored = settings.values.get("ignore-scripts") == Some(&Value::Bool(true));
    if scripts > 0 && !ignored {
        (job.tell)("running install scripts");
        run_scripts(job, &settings, &locked)?;
    }
    (job.tell)("finishing");
    keep_record(job, &locked);
    job.store.finish(job.staging, &locked, main, programs)?;
    Ok(locked)
}

/// In the staging folder: what is asked for, or exactly what was installed before.
fn download(job: &Job<'_>, settings: &Settings) -> Result<(), Error> {
    let folder = &job.staging.folder;
    let kept = job.known.and_then(|known| fs::read(record_file(job, known)).ok());
    let exact = kept.is_some();
    let manifest = match kept {
        Some(kept) => {
            write(&folder.join("package-lock.json"), &kept)?;
            fs::read(record_file(job, job.known.expect("it was kept")).with_extension("manifest"))
                .unwrap_or_default()
        }
        None => b"{\"private\": true}\n".to_vec(),
    };
    write(&folder.join("package.json"), &manifest)?;
    let mut words: Vec<String> = [
        if exact { "ci" } else { "install" },
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend(
        [
            "--no-update-notifier",
            "--no-progress",
            "--install-links=false",
            "--bin-links",
            "--package-lock",
        ]
        .map(str::to_owned),
    );
    words.extend(["--save-exact", "--no-omit-lockfile-registry-resolved"].map(str::to_owned));
    words.extend(
        job.order
            .wanted
            .registry
            .iter()
            .map(|registry| format!("--registry={registry}")),
    );
    if !exact {
        // Without the record only the date tells which versions of the dependencies were meant.
        words.extend(job.known.map(|known| format!("--before={}", known.prepared)));
        words.push("--".into());
        words.extend(packages(job));
    }
    let mut order = settings.order(job, folder, words.into_iter().map(OsString::from).collect());
    order.write.push((folder.clone(), folder.clone()));
    settings.show(job, &mut order)?;
    let outcome = job.boxes.run(&order)?;
    // npm's own cache has done its duty.
    let _ = fs::remove_dir_all(folder.join(CACHE));
    match outcome.succeeded {
        true => Ok(()),
        false => Err(failed(job, &outcome)),
    }
}

const CACHE: &str = ".npm";

/// The packages as npm gets them: exactly the locked one where there is one.
fn packages(job: &Job<'_>) -> Vec<String> {
    let mut packages = job.order.wanted.packages.clone();
    if let Some(known) = job.known {
        packages[0] = format!("{}@{}", known.name, known.version);
    }
    packages
}

/// The install scripts of all packages, at the place that the folder will have.
fn run_scripts(job: &Job<'_>, settings: &Settings, locked: &Locked) -> Result<(), Error> {
    let at = job.store.folder(locked);
    let words = [
        "rebuild",
        "--offline",
        "--foreground-scripts",
        "--no-update-notifier",
        "--no-progress",
    ];
    let mut order = settings.order(job, &at, words.map(OsString::from).to_vec());
    order.write.push((job.staging.folder.clone(), at.clone()));
    order.allow = job.order.allow.to_vec();
    // Newer npm asks its user first which packages may run scripts; the box is the answer here.
    order
        .env
        .push(("npm_config_dangerously_allow_all_scripts".into(), "true".into()));
    let outcome = job.boxes.run(&order)?;
    let _ = fs::remove_dir_all(job.staging.folder.join(CACHE));
    if outcome.succeeded {
        return Ok(());
    }
    let package = printable(&locked.name);
    let said = format!("{}\n{}", outcome.stdout, outcome.stderr);
    let message = format!(
        "an install script of {package} or of what it needs failed in the box:\n{}",
        last_lines(&said, 12)
    );
    let error = Error::setup(message);
    Err(match outcome.blocked.as_slice() {
        [] => error.hint("scripts write into the package's folder alone, and reach no host"),
        hosts => {
            let flags: Vec<String> = hosts
                .iter()
                .map(|host| format!("--allow {}", printable(host)))
                .collect();
            error.hint(format!(
                "it wanted to reach {}; if it may: mcp-sandbox prepare {} -- COMMAND",
                printable(hosts.join(", ")),
                flags.join(" ")
            ))
        }
    })
}

/// What npm needs to install exactly the same again; a lock file that came from elsewhere does without.
fn keep_record(job: &Job<'_>, locked: &Locked) {
    let kept = record_file(job, locked);
    let folder = &job.staging.folder;
    let copied = kept.parent().map(fs::create_dir_all).unwrap_or(Ok(()));
    let copied = copied
        .and_then(|()| fs::copy(folder.join("package-lock.json"), &kept))
        .and_then(|_| fs::copy(folder.join("package.json"), kept.with_extension("manifest")));
    if copied.is_err() {
        let _ = fs::remove_file(&kept);
    }
}

fn record_file(job: &Job<'_>, locked: &Locked) -> PathBuf {
    let folder = job.order.facts.profile.state_dir.join("resolved");
    folder.join(format!("npm-{}.json", locked.fingerprint()))
}

impl Settings {
    /// Asks npm, outside of every project: the settings of a folder are whoever's who made the folder.
    fn read(job: &Job<'_>) -> Result<Self, Error> {
        let npm = find_npm(job)?;
        let output = Command::new(&npm)
            .args(["config", "ls", "-l", "--json"])
            .current_dir(&job.staging.notes)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::setup(format!("cannot start {}: {}", quote(&npm), reason(&error))))?;
        let values = serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            Error::setup(format!(
                "npm does not tell its settings:\n{}",
                last_lines(&said, 6)
            ))
            .hint("does `npm config ls -l --json` work?")
        })?;
        Ok(Settings { values, npm })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    /// What every box of npm has.
    fn order(&self, job: &Job<'_>, folder: &Path, words: Vec<OsString>) -> boxed::Order {
        let set = |name: &str, value: &OsStr| (OsString::from(name), value.to_owned());
        boxed::Order {
            command: std::iter::once(self.npm.clone().into_os_string())
                .chain(words)
                .collect(),
            env: vec![
                set("npm_config_cache", folder.join(CACHE).as_os_str()),
                set("npm_config_userconfig", OsStr::new("/prepare/none")),
                set("npm_config_globalconfig", OsStr::new("/prepare/none-global")),
                set("npm_config_update_notifier", OsStr::new("false")),
            ],
            cwd: folder.to_owned(),
            notes: job.staging.notes.clone(),
            ..boxed::Order::default()
        }
    }

    /// Registries and how to get there, with the user's tokens. Only for a box that runs no code of packages.
    fn show(&self, job: &Job<'_>, order: &mut boxed::Order) -> Result<(), Error> {
        let mut named: Vec<String> = Vec::new();
        for (setting, file) in [("userconfig", "user"), ("globalconfig", "global")] {
            let Some(path) = self
                .text(setting)
                .map(PathBuf::from)
                .filter(|path| path.is_file())
            else {
                continue;
            };
            named.extend(variables(&fs::read_to_string(&path).unwrap_or_default()));
            show_file(order, &format!("npm_config_{setting}"), path, file);
        }
        if let Some(path) = self
            .text("cafile")
            .map(PathBuf::from)
            .filter(|path| path.is_file())
        {
            show_file(order, "npm_config_cafile", path, "ca.pem");
        }
        for (name, value) in std::env::vars_os() {
            let Some(text) = name.to_str() else { continue };
            if text == "NODE_EXTRA_CA_CERTS" && Path::new(&value).is_file() {
                show_file(order, text, value.into(), "extra.pem");
            } else if PROXIES.contains(&text) || named.iter().any(|named| named == text) || is_passed(text) {
                order.env.push((name, value));
            }
        }
        order.allow = self.hosts(job)?;
        Ok(())
    }

    /// The rules for every registry that the settings name, or for the proxy that leads there.
    fn hosts(&self, job: &Job<'_>) -> Result<Vec<String>, Error> {
        let registries = self.values.iter().filter_map(|(name, value)| {
            let scoped = name == "registry" || (name.starts_with('@') && name.ends_with(":registry"));
            Some((name.as_str(), value.as_str()?)).filter(|_| scoped)
        });
        let proxies = ["proxy", "https-proxy"].map(|name| Some((name, self.text(name)?)));
        let variables = PROXIES
            .into_iter()
            .filter(|name| !name.eq_ignore_ascii_case("no_proxy"))
            .map(|name| (name, std::env::var(name).unwrap_or_default()))
            .filter(|(_, value)| !value.is_empty())
            .collect::<Vec<_>>();
        let given = job
            .order
            .wanted
            .registry
            .iter()
            .map(|registry| ("--registry", registry.as_str()));
        let all = registries
            .chain(proxies.into_iter().flatten())
            .chain(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .chain(given);
        let mut rules = Vec::new();
        for (setting, address) in all {
            rules.extend(registry::rules(address, setting)?);
        }
        // Where a registry keeps its files elsewhere, the user says so.
        rules.extend(job.order.allow.iter().cloned());
        rules.sort();
        rules.dedup();
        Ok(rules)
    }
}

/// Shows a file of the user's at a place of the box, and says so to npm.
fn show_file(order: &mut boxed::Order, variable: &str, path: PathBuf, name: &str) {
    let at = Path::new(SETTINGS).join(name);
    order.env.retain(|(known, _)| known != variable);
    order.env.push((variable.into(), at.clone().into()));
    order.read.push((path, at));
}

/// The variables that a settings file takes values from: `${NAME}`.
fn variables(text: &str) -> Vec<String> {
    let named = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    named
        .map(|(name, _)| name.trim_end_matches('?').to_owned())
        .collect()
}

fn is_passed(variable: &str) -> bool {
    let lower = variable.to_ascii_lowercase();
    let Some(name) = lower.strip_prefix("npm_config_") else {
        return false;
    };
    let plain = name.replace('-', "_");
    name.starts_with(['@', '/']) || PASSED.contains(&plain.as_str())
}

/// The npm beside the launcher, else the one on the path.
fn find_npm(job: &Job<'_>) -> Result<PathBuf, Error> {
    let launcher = Path::new(&job.order.wanted.launcher);
    let beside = Some(launcher.with_file_name("npm")).filter(|npm| npm.is_absolute() && npm.is_file());
    let host = &job.order.facts.runtime;
    let found = beside.or_else(|| runtime::on_path(OsStr::new("npm"), host));
    found.ok_or_else(|| {
        let launcher = printable(launcher);
        Error::new(
            Kind::NotFound,
            format!("{launcher} needs npm, which was not found"),
        )
        .hint("install npm, or add its folder to PATH in the client's configuration")
    })
}

impl Record {
    fn read(modules: &Path) -> Result<Self, Error> {
        let file = modules.join(".package-lock.json");
        let text = fs::read(&file).map_err(|error| {
            Error::setup(format!("npm left no record {}: {}", quote(&file), reason(&error)))
                .hint("npm 7 or newer is needed")
        })?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::setup(format!("npm's record {} cannot be read: {error}", quote(&file))))
    }

    fn locked(&self, job: &Job<'_>) -> Result<Locked, Error> {
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
    fn programs(&self, job: &Job<'_>) -> (Option<String>, BTreeMap<String, PathBuf>) {
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

/// npm's error as one of ours, by its code.
fn failed(job: &Job<'_>, outcome: &Outcome) -> Error {
    let said = format!("{}\n{}", outcome.stdout, outcome.stderr);
    let code = said.lines().find_map(|line| {
        line.trim_start()
            .strip_prefix("npm error code ")
            .or(line.strip_prefix("npm ERR! code "))
    });
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("npm error") || line.starts_with("npm ERR!"))
        .filter(|line| !line.contains("A complete log of this run"))
        .collect();
    let lines = if lines.is_empty() {
        said.clone()
    } else {
        lines.join("\n")
    };
    let asked = printable(job.order.wanted.requested());
    let message = format!(
        "npm could not install {asked} in the box:\n{}",
        last_lines(&lines, 10)
    );
    let error = Error::setup(message);
    if !outcome.blocked.is_empty() {
        let hosts = printable(outcome.blocked.join(", "));
        return error.hint(format!(
            "npm wanted to reach {hosts}, which its settings do not name as a registry; if that is where the packages \
             are: mcp-sandbox prepare --allow HOST -- COMMAND"
        ));
    }
    error.hint(match code.unwrap_or_default().trim() {
        "E404" | "ETARGET" | "ENOVERSIONS" => "is the name and the version right? `npm config get registry` says who was asked",
        "E401" | "E403" | "ENEEDAUTH" => "the registry wants to know who asks: npm's own settings hold the token",
        "ENOSPC" | "EDQUOT" => "the disk is full: make room, or set XDG_CACHE_HOME to a folder on another one",
        "EINTEGRITY" => {
            "what came is not what its hash says: a damaged download, or a package that was changed; if you trust the new \
             one: mcp-sandbox prepare --upgrade -- COMMAND"
        }
        "ENOTFOUND" | "EAI_AGAIN" | "ECONNREFUSED" | "ECONNRESET" | "EHOSTUNREACH" | "ENETUNREACH" | "ETIMEDOUT" | "ERR_SOCKET_TIMEOUT"
        | "EIDLETIMEOUT" | "FETCH_ERROR" => {
            "the registry cannot be reached, and the first start needs it; later starts do not"
        }
        _ => "nothing was changed; the same may work later",
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes)
        .map_err(|error| Error::setup(format!("cannot write {}: {}", quote(path), reason(&error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_that_a_download_needs_are_passed() {
        for name in [
            "npm_config_registry",
            "NPM_CONFIG_REGISTRY",
            "npm_config_@scope:registry",
            "npm_config_//host/:_authToken",
            "npm_config_fetch-retries",
        ] {
            assert!(is_passed(name), "{name}");
        }
        for name in [
            "npm_config_cache",
            "npm_config_script_shell",
            "NODE_OPTIONS",
            "npm_config_userconfig",
        ] {
            assert!(!is_passed(name), "{name}");
        }
        assert_eq!(variables("//h/:_authToken=${TOKEN}\nx=${A?}"), ["TOKEN", "A"]);
    }
}
