//! uv.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;

use super::{REQUIREMENTS, Requirement, Tool, failed, order, passed, proxies, show_file, words, write};
use crate::error::{Error, reason};
use crate::prepare::wanted::normal_name;
use crate::prepare::{Job, boxed, registry};

/// Variables that name indexes.
const INDEXES: [&str; 5] = [
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
];

/// Other variables that a download depends on.
const PASSED: [&str; 8] = [
    "UV_HTTP_TIMEOUT",
    "UV_HTTP_RETRIES",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_PRERELEASE",
    "UV_EXCLUDE_NEWER",
];

/// How often uv is asked where it wants to go: its index, where that keeps the files, and one more.
const ROUNDS: usize = 3;

pub struct Uv {
    uv: PathBuf,
    /// The user's `uv.toml`.
    settings: Option<PathBuf>,
    python: Option<String>,
    registry: Option<String>,
    allow: Vec<String>,
    /// No setting names an index, and only uv knows its own.
    unnamed: bool,
    rounds: usize,
}

impl Uv {
    pub fn new(job: &Job<'_>, uv: PathBuf) -> Result<Self, Error> {
        let settings = settings_file(job);
        let text = match &settings {
            None => String::new(),
            Some(file) => fs::read_to_string(file)
                .map_err(|error| Error::setup(format!("cannot read {}: {}", quote(file), reason(&error))))?,
        };
        let mut named = of_file(&text);
        let mut default = named
            .iter()
            .any(|(setting, _)| setting == "index-url" || setting == "default index");
        for variable in INDEXES {
            let value = std::env::var(variable).unwrap_or_default();
            default |= !value.is_empty() && ["UV_DEFAULT_INDEX", "UV_INDEX_URL"].contains(&variable);
            // UV_INDEX may give names: NAME=ADDRESS.
            let addresses = value
                .split_whitespace()
                .map(|word| match word.split_once("=http") {
                    Some((_, rest)) => format!("http{rest}"),
                    None => word.to_owned(),
                });
            named.extend(
                addresses
                    .filter(|address| address.starts_with("http"))
                    .map(|address| (variable.to_owned(), address)),
            );
        }
        let wanted = job.order.wanted;
        default |= wanted.registry.is_some();
        named.extend(
            wanted
                .registry
                .iter()
                .map(|given| ("--index-url".to_owned(), given.clone())),
        );
        named.extend(
            proxies()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let mut allow = job.order.allow.to_vec();
        for (setting, address) in &named {
            allow.extend(registry::rules(address, setting)?);
        }
        Ok(Uv {
            uv,
            settings,
            python: wanted.python.clone(),
            registry: wanted.registry.clone(),
            allow,
            unnamed: !default,
            rounds: 0,
        })
    }

    fn compile(&self, wheels_only: bool, folder: &Path) -> Vec<OsString> {
        let (given, made) = (folder.join("requirements.in"), folder.join(REQUIREMENTS));
        let mut command = words([
            &self.uv,
            &"pip",
            &"compile",
            &"--quiet",
            &"--generate-hashes",
            &"--no-header",
        ]);
        command.extend(words([&"--no-annotate", &"--output-file", &made]));
        command.extend(wheels_only.then_some("--only-binary=:all:").map(OsString::from));
        command.extend(self.python.iter().flat_map(|python| words([&"--python", python])));
        command.push(given.into());
        command
    }
}

impl Tool for Uv {
    fn resolve(&mut self, job: &Job<'_>) -> Result<Vec<Requirement>, Error> {
        let folder = &job.staging.folder;
        write(
            &folder.join("requirements.in"),
            format!("{}\n", job.order.wanted.packages.join("\n")).as_bytes(),
        )?;
        let mut wheels_only = true;
        loop {
            let mut order = order(job, self, folder, self.compile(wheels_only, folder));
            self.show(&mut order);
            let outcome = job.boxes.run(&order)?;
            if outcome.succeeded {
                return requirements(&folder.join(REQUIREMENTS));
            }
            // With wheels alone nothing but uv runs in the box, so where it wants to go is its own index and what that
            // names.
            if self.unnamed && wheels_only && !outcome.blocked.is_empty() && self.rounds < ROUNDS {
                self.rounds += 1;
                self.allow
                    .extend(outcome.blocked.iter().map(|to| match to.contains(':') {
                        true => to.clone(),
                        false => format!("{to}:443"),
                    }));
                continue;
            }
            if !wheels_only || !outcome.blocked.is_empty() {
                return Err(failed(job, self, &outcome));
            }
            wheels_only = false;
        }
    }

    fn find_index(&mut self, job: &Job<'_>) -> Result<(), Error> {
        match self.unnamed {
            true => self.resolve(job).map(drop),
            false => Ok(()),
        }
    }

    fn install(&self, folder: &Path) -> Vec<(Vec<OsString>, bool)> {
        let python = folder.join("bin/python");
        let file = folder.join(REQUIREMENTS);
        let mut venv = words([&self.uv, &"venv", &"--quiet", &"--allow-existing"]);
        venv.extend(self.python.iter().flat_map(|python| words([&"--python", python])));
        venv.push(folder.into());
        let mut install = words([&self.uv, &"pip", &"install", &"--quiet", &"--python", &python]);
        install.extend(words([
            &"--require-hashes",
            &"--no-deps",
            &"--compile-bytecode",
            &"--link-mode=copy",
        ]));
        install.extend(words([&"-r", &file]));
        vec![(venv, false), (install, true)]
    }

    fn show(&self, order: &mut boxed::Order) {
        order.allow.clone_from(&self.allow);
        if let Some(settings) = &self.settings {
            order.env.retain(|(name, _)| name != "UV_NO_CONFIG");
            show_file(order, "UV_CONFIG_FILE", settings, "uv.toml");
        }
        if let Some(file) = std::env::var_os("SSL_CERT_FILE")
            .map(PathBuf::from)
            .filter(|file| file.is_file())
        {
            show_file(order, "SSL_CERT_FILE", &file, "ca.pem");
        }
        passed(order, |name| {
            INDEXES.contains(&name) || PASSED.contains(&name) || is_login(name)
        });
        if let Some(registry) = &self.registry {
            order.env.retain(|(name, _)| name != "UV_DEFAULT_INDEX");
            order.env.push(("UV_DEFAULT_INDEX".into(), registry.into()));
        }
        if self.unnamed && !order.env.iter().any(|(name, _)| name == "UV_HTTP_RETRIES") {
            // What the box refuses is refused again.
            order.env.push(("UV_HTTP_RETRIES".into(), "0".into()));
        }
    }

    fn variables(&self, _folder: &Path) -> Vec<(OsString, OsString)> {
        let set = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        vec![
            // uv keeps a file `.git` there, which a server may not make where others would find it.
            set("UV_CACHE_DIR", "/tmp/uv"),
            set("UV_NO_CONFIG", "1"),
            // A Python comes from elsewhere than the index.
            set("UV_PYTHON_DOWNLOADS", "never"),
            set("UV_NO_PROGRESS", "1"),
        ]
    }

    fn name(&self) -> &'static str {
        "uv"
    }
}

/// `UV_INDEX_NAME_USERNAME` and `UV_INDEX_NAME_PASSWORD`.
fn is_login(name: &str) -> bool {
    name.starts_with("UV_INDEX_") && (name.ends_with("_USERNAME") || name.ends_with("_PASSWORD"))
}

/// `$UV_CONFIG_FILE`, else the user's, else the system's.
fn settings_file(job: &Job<'_>) -> Option<PathBuf> {
    let given = std::env::var_os("UV_CONFIG_FILE").map(PathBuf::from);
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|base| base.is_absolute());
    let base = base.unwrap_or_else(|| job.order.facts.profile.home.join(".config"));
    let places = given
        .into_iter()
        .chain([base.join("uv/uv.toml"), PathBuf::from("/etc/uv/uv.toml")]);
    places.into_iter().find(|file| file.is_file())
}

/// The addresses in a `uv.toml`, each with its setting. What is not valid is uv's to tell.
fn of_file(text: &str) -> Vec<(String, String)> {
    let table: toml::Table = text.parse().unwrap_or_default();
    let pip = table
        .get("pip")
        .and_then(toml::Value::as_table)
        .cloned()
        .unwrap_or_default();
    let mut named = Vec::new();
    for table in [&table, &pip] {
        let mut add = |setting: &str, value: Option<&toml::Value>| {
            named.extend(
                value
                    .and_then(toml::Value::as_str)
                    .map(|address| (setting.to_owned(), address.to_owned())),
            );
        };
        add("index-url", table.get("index-url"));
        for more in table
            .get("extra-index-url")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
        {
            add("extra-index-url", Some(more));
        }
        for index in table
            .get("index")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
        {
            let is_default = index
                .get("default")
                .and_then(toml::Value::as_bool)
                .unwrap_or_default();
            add(
                if is_default { "default index" } else { "index" },
                index.get("url"),
            );
        }
    }
    named.retain(|(_, address)| address.starts_with("http"));
    named
}

fn requirements(file: &Path) -> Result<Vec<Requirement>, Error> {
    let text = fs::read_to_string(file)
        .map_err(|error| Error::setup(format!("uv left no requirements: {}", reason(&error))))?;
    Ok(parse(&text))
}

/// `name==version \` and then `--hash=sha256:… \`, as `uv pip compile` writes them.
fn parse(text: &str) -> Vec<Requirement> {
    let joined = text.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim());
    let mut found: Vec<Requirement> = lines
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '-']))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, version) = words.next()?.split_once("==")?;
            let name = name.split('[').next().unwrap_or(name);
            Some(Requirement {
                name: normal_name(name),
                version: version.trim_end_matches(';').to_owned(),
                hashes: words
                    .filter_map(|word| word.strip_prefix("--hash="))
                    .map(str::to_owned)
                    .collect(),
            })
        })
        .collect();
    found.sort_by(|one, two| one.name.cmp(&two.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_as_uv_writes_them() {
        let text = "anyio==4.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nMcp[cli]==1.0 ; python_version > '3' \\\n    --hash=sha256:cc\n";
        let found = parse(text);
        assert_eq!(found[0].entry(), "anyio 4.1 sha256:aa,sha256:bb");
        assert_eq!(found[1].entry(), "mcp 1.0 sha256:cc");
    }

    #[test]
    fn indexes_of_a_settings_file() {
        let text = "index-url = 'https://a/simple'\n[[index]]\nurl = 'https://b/simple'\n[pip]\nextra-index-url = ['https://c']\n";
        let found = of_file(text);
        let addresses: Vec<&str> = found.iter().map(|(_, address)| address.as_str()).collect();
        assert_eq!(addresses, ["https://a/simple", "https://b/simple", "https://c"]);
    }
}
