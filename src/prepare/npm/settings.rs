//! What npm's own settings say: registries, how to get there, and who asks.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mcp_sandbox_platform::quote;
use serde_json::Value;

use super::CACHE;
use crate::error::{Error, Kind, printable, reason};
use crate::prepare::registry::{self, last_lines};
use crate::prepare::{Job, boxed};
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
pub(super) struct Settings {
    pub(super) values: serde_json::Map<String, Value>,
    /// npm itself.
    npm: PathBuf,
}

impl Settings {
    /// Asks npm, outside of every project: the settings of a folder are whoever's who made the folder.
    pub(super) fn read(job: &Job<'_>) -> Result<Self, Error> {
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
    pub(super) fn order(&self, job: &Job<'_>, folder: &Path, words: Vec<OsString>) -> boxed::Order {
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
    pub(super) fn show(&self, job: &Job<'_>, order: &mut boxed::Order) -> Result<(), Error> {
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

    /// The headers of Node.js, from which node-gyp(1) would otherwise be kept: it downloads them unless it is told where
    /// they lie. By npm's own setting, or beside the Node.js that runs npm.
    pub(super) fn show_headers(&self, job: &Job<'_>, order: &mut boxed::Order) {
        let headers = Path::new("include/node");
        let there = |prefix: &PathBuf| prefix.join(headers).join("node_version.h").is_file();
        let given = self.text("nodedir").map(PathBuf::from).filter(there);
        if let Some(given) = given.as_ref().filter(|given| !given.starts_with("/usr")) {
            let headers = given.join(headers);
            order.read.push((headers.clone(), headers));
        }
        let beside = || {
            let node = runtime::locate(
                self.npm.with_file_name("node").as_os_str(),
                &job.order.facts.runtime,
            )?;
            // Its whole prefix is in the box, or the system's is.
            node.parent()?.parent().map(Path::to_owned).filter(there)
        };
        if let Some(prefix) = given.or_else(beside) {
            order.env.push(("npm_config_nodedir".into(), prefix.into()));
        }
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
