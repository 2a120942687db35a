//! pip, where there is no uv.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mcp_sandbox_platform::quote;
use serde::Deserialize;

use super::{
    CACHE, REQUIREMENTS, Requirement, SETTINGS, Tool, failed, order, passed, proxies, show_file, words,
};
use crate::error::{Error, reason};
use crate::prepare::registry::{self, last_lines};
use crate::prepare::wanted::normal_name;
use crate::prepare::{Job, boxed};

/// Asks pip where it looks when nothing says so, and what says so. The names are pip's own, in use since pip 10.
const ASK: &str = "\
import sys
from pip._internal.models.index import PyPI
print(PyPI.simple_url)
print('https://' + PyPI.file_storage_domain)
sys.stdout.flush()
try:
    from pip._internal.cli.main import main
except ImportError:
    from pip._internal import main
sys.exit(main(['config', 'list']))
";

/// Settings that are passed on as variables, beside those that name files or hosts.
const PLAIN: [&str; 6] = [
    "trusted-host",
    "no-index",
    "pre",
    "timeout",
    "default-timeout",
    "retries",
];

const REPORT: &str = "report.json";

pub struct Pip {
    python: PathBuf,
    /// `name` without the section, which wins as pip has it.
    settings: BTreeMap<String, String>,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    download_info: Download,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Download {
    archive_info: Option<Archive>,
}

#[derive(Deserialize)]
struct Archive {
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

impl Pip {
    pub fn new(job: &Job<'_>, python: PathBuf) -> Result<Self, Error> {
        // Outside of every project; -P and -I would also leave out the pip of the user's own site.
        let output = Command::new(&python)
            .args(["-c", ASK])
            .current_dir(&job.staging.notes)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::setup(format!("cannot start {}: {}", quote(&python), reason(&error))))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let why = last_lines(&String::from_utf8_lossy(&output.stderr), 4);
            return Err(
                Error::setup(format!("{} has no pip that works:\n{why}", quote(&python)))
                    .hint("install uv, or pip (python3-pip) and venv (python3-venv)"),
            );
        }
        let mut lines = said.lines();
        let defaults: Vec<&str> = lines.by_ref().take(2).collect();
        let mut settings: BTreeMap<String, String> = lines.filter_map(setting).collect();
        if let Some(given) = &job.order.wanted.registry {
            settings.insert("index-url".into(), given.clone());
        }
        let allow = hosts(job, &settings, &defaults)?;
        Ok(Pip {
            python,
            settings,
            allow,
        })
    }
}

impl Tool for Pip {
    fn resolve(&mut self, job: &Job<'_>) -> Result<Vec<Requirement>, Error> {
        let folder = &job.staging.folder;
        let report = folder.join(REPORT);
        let mut last = None;
        for wheels_only in [true, false] {
            let mut command = words([
                &self.python,
                &"-m",
                &"pip",
                &"install",
                &"--dry-run",
                &"--ignore-installed",
            ]);
            command.extend(words([&"--quiet", &"--report", &report]));
            command.extend(wheels_only.then_some("--only-binary=:all:").map(OsString::from));
            command.push("--".into());
            command.extend(job.order.wanted.packages.iter().map(OsString::from));
            let mut order = order(job, self, folder, command);
            self.show(&mut order);
            let outcome = job.boxes.run(&order)?;
            if outcome.succeeded {
                let found = requirements(&report);
                // It names the index, and is no part of the package.
                let _ = fs::remove_file(&report);
                return found;
            }
            // What failed for wheels tells more than what failed without them, but for a lack of wheels.
            if last.is_none() || outcome.blocked.is_empty() {
                last = Some(outcome);
            }
        }
        Err(failed(job, self, &last.expect("both ways were tried")))
    }

    fn find_index(&mut self, _job: &Job<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn install(&self, folder: &Path) -> Vec<(Vec<OsString>, bool)> {
        let python = folder.join("bin/python");
        let file = folder.join(REQUIREMENTS);
        let mut install = words([
            &self.python,
            &"-m",
            &"pip",
            &"--python",
            &python,
            &"install",
            &"--quiet",
        ]);
        install.extend(words([&"--require-hashes", &"--no-deps", &"-r", &file]));
        vec![
            (
                words([&self.python, &"-m", &"venv", &"--without-pip", &folder]),
                false,
            ),
            (install, true),
        ]
    }

    fn show(&self, order: &mut boxed::Order) {
        order.allow.clone_from(&self.allow);
        let variable = |name: &str| OsString::from(format!("PIP_{}", name.to_uppercase().replace('-', "_")));
        for (name, value) in &self.settings {
            match name.as_str() {
                "index-url" | "extra-index-url" | "proxy" => order.env.push((variable(name), value.into())),
                "cert" | "client-cert" if Path::new(value).is_file() => {
                    let at = variable(name);
                    show_file(order, &at.to_string_lossy(), Path::new(value), name);
                }
                "find-links" => {
                    let mut places = Vec::new();
                    for (number, place) in value.split_whitespace().enumerate() {
                        let at = Path::new(SETTINGS).join(format!("links-{number}"));
                        match Path::new(place).is_dir() {
                            true => {
                                order.read.push((place.into(), at.clone()));
                                places.push(at.to_string_lossy().into_owned());
                            }
                            false => places.push(place.to_owned()),
                        }
                    }
                    order.env.push((variable(name), places.join(" ").into()));
                }
                plain if PLAIN.contains(&plain) => order.env.push((variable(name), value.into())),
                _ => {}
            }
        }
        passed(order, |_| false);
    }

    fn variables(&self, folder: &Path) -> Vec<(OsString, OsString)> {
        let set = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        vec![
            ("PIP_CACHE_DIR".into(), folder.join(CACHE).into()),
            set("PIP_CONFIG_FILE", "/dev/null"),
            set("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            set("PIP_NO_INPUT", "1"),
            // Of the interpreter that resolves; nothing is installed for it.
            set("PIP_BREAK_SYSTEM_PACKAGES", "1"),
            set("PIP_ROOT_USER_ACTION", "ignore"),
        ]
    }

    fn name(&self) -> &'static str {
        "pip"
    }
}

/// `section.name='value'`, as `pip config list` prints it.
fn setting(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let (section, name) = name.rsplit_once('.')?;
    if !["global", "install", "download", ":env:"].contains(&section) {
        return None;
    }
    let quote = value.chars().next().filter(|c| "'\"".contains(*c))?;
    let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
    Some((name.to_owned(), inner.replace("\\n", " ").replace("\\\\", "\\")))
}

fn hosts(
    job: &Job<'_>,
    settings: &BTreeMap<String, String>,
    defaults: &[&str],
) -> Result<Vec<String>, Error> {
    let mut named: Vec<(&str, String)> = Vec::new();
    let mut of = |setting: &'static str| {
        let words = settings.get(setting).map(String::as_str).unwrap_or_default();
        named.extend(words.split_whitespace().map(|word| (setting, word.to_owned())));
    };
    ["index-url", "extra-index-url", "proxy"]
        .into_iter()
        .for_each(&mut of);
    of("find-links");
    named.retain(|(setting, word)| *setting != "find-links" || word.starts_with("http"));
    if !settings.contains_key("index-url") && !settings.contains_key("no-index") {
        named.extend(
            defaults
                .iter()
                .map(|address| ("pip's own index", (*address).to_owned())),
        );
    }
    named.extend(proxies());
    let mut rules = job.order.allow.to_vec();
    for (setting, address) in named {
        rules.extend(registry::rules(&address, setting)?);
    }
    rules.sort();
    rules.dedup();
    Ok(rules)
}

fn requirements(report: &Path) -> Result<Vec<Requirement>, Error> {
    let read = fs::read(report)
        .map_err(|error| reason(&error))
        .and_then(|text| serde_json::from_slice::<Report>(&text).map_err(|error| error.to_string()));
    let report: Report = read.map_err(|why| {
        Error::setup(format!("pip left no report: {why}")).hint("pip 22.2 or newer is needed")
    })?;
    let mut found: Vec<Requirement> = report
        .install
        .into_iter()
        .map(|item| {
            let hashes = item
                .download_info
                .archive_info
                .map(|archive| archive.hashes)
                .unwrap_or_default();
            Requirement {
                name: normal_name(&item.metadata.name),
                version: item.metadata.version,
                hashes: hashes
                    .iter()
                    .filter(|(kind, _)| kind.starts_with("sha"))
                    .map(|(kind, hash)| format!("{kind}:{hash}"))
                    .collect(),
            }
        })
        .collect();
    found.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn settings_as_pip_prints_them() {
        let of = |line| setting(line).map(|(name, value)| format!("{name} {value}"));
        assert_eq!(
            of("global.index-url='https://h/simple'").unwrap(),
            "index-url https://h/simple"
        );
        assert_eq!(
            of(":env:.extra-index-url='a\\nb'").unwrap(),
            "extra-index-url a b"
        );
        assert_eq!(of("freeze.timeout='1'"), None);
        assert_eq!(of("nothing"), None);
    }
}
