//! mise's shims: links to the mise program, which picks by the name it was started with.
//!
//! Rules: <https://mise.jdx.dev/configuration.html> and <https://mise.jdx.dev/dev-tools/shims.html>.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;
use serde_json::Value;

use super::versions::{self, Wanted};
use super::{Target, unresolved};
use crate::error::Error;
use crate::runtime::Host;
use crate::runtime::file;
use crate::runtime::find::{self, Search};

/// Files that name versions in one directory, those that win first.
const FILES: &[&str] = &[
    "mise.local.toml",
    ".mise.local.toml",
    "mise.toml",
    ".mise.toml",
    "mise/config.toml",
    ".mise/config.toml",
    ".config/mise.toml",
    ".config/mise/config.toml",
    ".tool-versions",
];

/// All files together: a person's global list of tools is longer than a project's.
const MAX_REQUESTS: usize = 8 * versions::MAX_WANTED;

/// A tool and what is asked of it.
type Request = (String, Wanted);

/// Where mise keeps installs and shims.
pub fn data_dir(host: &Host) -> PathBuf {
    match host.var("MISE_DATA_DIR").map(PathBuf::from) {
        Some(dir) if dir.is_absolute() => dir,
        _ => host.data_dir("mise"),
    }
}

/// The program of the version that mise would pick here.
pub fn target(path: &Path, name: &OsStr, host: &Host) -> Result<Target, Error> {
    let shims = path.parent().unwrap_or(Path::new("/"));
    let data = shims
        .parent()
        .filter(|_| shims.ends_with("shims"))
        .map(Path::to_owned);
    let installs = data.unwrap_or_else(|| data_dir(host)).join("installs");
    let requests = requests(host);
    for (tool, wanted) in &requests {
        if let Some(program) = program(&installs, tool, &wanted.version, name, shims, host) {
            return Ok(Target::new("mise", program));
        }
    }
    let asked: Vec<String> = requests
        .iter()
        .map(|(tool, wanted)| format!("{tool} {} ({})", quote(&wanted.version), wanted.from))
        .collect();
    let why = match asked.is_empty() {
        true => "no mise.toml or .tool-versions sets a version".to_owned(),
        false => format!("none of {} has {}", asked.join(", "), quote(name)),
    };
    Err(unresolved(path, "mise", &why))
}

fn program(
    installs: &Path,
    tool: &str,
    version: &str,
    name: &OsStr,
    shims: &Path,
    host: &Host,
) -> Option<PathBuf> {
    if version == "system" {
        let others: Vec<PathBuf> = find::directories(host)
            .into_iter()
            .filter(|dir| dir != shims)
            .collect();
        return match find::along(name, &others) {
            Search::Found(path) => Some(path),
            _ => None,
        };
    }
    let directory = installs.join(directory_of(tool)?);
    let version = versions::best(&directory, version.trim_start_matches("prefix:"), &["v"])?;
    versions::program_in(&directory.join(version), name)
}

/// `core:node` and `nodejs` are installed as `node`, `npm:@scope/x` as `npm-scope-x`.
fn directory_of(tool: &str) -> Option<String> {
    let tool = tool.strip_prefix("core:").unwrap_or(tool);
    let name = match tool {
        "nodejs" => "node".to_owned(),
        "golang" => "go".to_owned(),
        other => other.replace(['/', ':'], "-").replace("-@", "-"),
    };
    versions::is_plain(&name).then_some(name)
}

fn requests(host: &Host) -> Vec<Request> {
    let mut all = from_variables(host);
    let near = host
        .upward()
        .flat_map(|dir| FILES.iter().map(move |file| dir.join(file)));
    let global = [
        host.config_dir("mise").join("config.toml"),
        host.home.join(".tool-versions"),
    ];
    for path in near.chain(global) {
        let Ok(text) = file::text(&path) else {
            continue;
        };
        let found = match path.extension() {
            Some(_) => in_toml(&text),
            None => in_tool_versions(&text),
        };
        let from = quote(&path);
        for (tool, version) in found.into_iter().take(MAX_REQUESTS.saturating_sub(all.len())) {
            // What a nearer file said of the tool stands.
            if !all
                .iter()
                .any(|(known, wanted)| *known == tool && wanted.from != from)
            {
                all.push((
                    tool,
                    Wanted {
                        version,
                        from: from.clone(),
                    },
                ));
            }
        }
    }
    all
}

/// `MISE_NODE_VERSION=20`.
fn from_variables(host: &Host) -> Vec<Request> {
    host.env
        .iter()
        .filter_map(|(name, value)| {
            let tool = name.to_str()?.strip_prefix("MISE_")?.strip_suffix("_VERSION")?;
            let wanted = Wanted {
                version: value.to_str()?.to_owned(),
                from: name.to_str()?.to_owned(),
            };
            Some((tool.to_lowercase().replace('_', "-"), wanted))
        })
        .collect()
}

fn in_toml(text: &str) -> Vec<(String, String)> {
    let all = super::toml(text);
    let Some(tools) = all.as_ref().and_then(|all| all.get("tools")?.as_object()) else {
        return Vec::new();
    };
    tools
        .iter()
        .flat_map(|(tool, value)| of_value(value).into_iter().map(move |v| (tool.clone(), v)))
        .collect()
}

/// A version is a string, a table with `version`, or a list of both.
fn of_value(value: &Value) -> Vec<String> {
    match value {
        Value::String(version) => vec![version.clone()],
        Value::Object(table) => table.get("version").map(of_value).unwrap_or_default(),
        Value::Array(values) => values.iter().flat_map(of_value).collect(),
        _ => Vec::new(),
    }
}

fn in_tool_versions(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.split('#').next()?.trim().split_once([' ', '\t']))
        .flat_map(|(tool, all)| {
            all.split_whitespace()
                .map(move |version| (tool.to_owned(), version.to_owned()))
        })
        .collect()
}
