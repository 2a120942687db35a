//! Shims: small programs that version managers put on PATH and that pick the real one when they run.
//!
//! A shim is never run. Each manager's own rules say which version it would pick here; the files those
//! rules read may come from an untrusted project, so a version is a plain name, never a path.

pub mod asdf;
pub mod envs;
pub mod mise;
mod rustup;
pub mod versions;
mod volta;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::Host;
use super::image::Chain;
use crate::error::{Error, Kind};

/// What a shim stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The manager's name.
    pub by: String,
    pub path: PathBuf,
    /// Directories the manager puts before PATH, besides that of `path`.
    pub front: Vec<PathBuf>,
    /// How many of the user's arguments the shim takes for itself.
    pub skip: usize,
}

/// A shim that is a link to, or a copy of, the manager's own program.
pub fn linked(path: &Path, chain: &Chain, args: &[OsString], host: &Host) -> Result<Option<Target>, Error> {
    let name = path.file_name().unwrap_or_default();
    match chain.file().file_name().and_then(|name| name.to_str()) {
        Some("volta-shim") => volta::target(path, name, host).map(Some),
        Some("mise" | "rtx") if name != "mise" && name != "rtx" => mise::target(path, name, host).map(Some),
        Some("snap") if name != "snap" => Err(snap(path)),
        _ if rustup::is_proxy(path, chain.file()) => rustup::target(path, name, args, host).map(Some),
        _ => Ok(None),
    }
}

/// A shim that is a shell script.
pub fn scripted(path: &Path, chain: &Chain, text: &[u8], host: &Host) -> Result<Option<Target>, Error> {
    match asdf::plugins(text) {
        plugins if plugins.is_empty() => envs::target(path, chain.first(), text, host),
        plugins => asdf::target(path, chain.first(), &plugins, host).map(Some),
    }
}

impl Target {
    fn new(by: impl Into<String>, path: PathBuf) -> Self {
        Target {
            by: by.into(),
            path,
            front: Vec::new(),
            skip: 0,
        }
    }
}

/// The error for a shim that stands for nothing here.
fn unresolved(shim: &Path, by: &str, why: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("{} is a shim of {by} that leads nowhere: {why}", quote(shim)),
    )
    .hint(format!(
        "install that version with {by}, or put the full path of the program in the client's config"
    ))
}

fn snap(path: &Path) -> Error {
    Error::new(
        Kind::NotExecutable,
        format!("{} is a snap, which only snapd can start", quote(path)),
    )
    .hint("install the program from the distribution or its own site")
}

/// A TOML file in the shape of JSON, which is what Volta's files are in; None if it does not parse.
fn toml(text: &str) -> Option<Value> {
    fn value(from: &DeValue) -> Value {
        match from {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => Value::String(number.as_str().to_owned()),
            DeValue::Float(number) => Value::String(number.as_str().to_owned()),
            DeValue::Array(all) => all.iter().map(|item| value(item.get_ref())).collect(),
            DeValue::Table(all) => table(all),
            DeValue::Boolean(_) | DeValue::Datetime(_) => Value::Null,
        }
    }
    fn table(from: &DeTable) -> Value {
        from.iter()
            .map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref())))
            .collect()
    }
    DeTable::parse(text).ok().map(|all| table(all.get_ref()))
}
