//! asdf's shims: a script with a line `# asdf-plugin: NAME VERSION` for each version that has the program.
//!
//! The text is the same from the first releases in bash to those in Go (internal/shims).

use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;

use super::versions::{self, Wanted};
use super::{Target, unresolved};
use crate::error::Error;
use crate::runtime::Host;
use crate::runtime::file;
use crate::runtime::find::{self, Search};

/// Where asdf keeps installs and shims.
pub fn data_dir(host: &Host) -> PathBuf {
    match host
        .var("ASDF_DATA_DIR")
        .or(host.var("ASDF_DIR"))
        .map(PathBuf::from)
    {
        Some(dir) if dir.is_absolute() => dir,
        _ => host.home.join(".asdf"),
    }
}

/// The plugins that have the program; empty if the script is not a shim of asdf.
pub fn plugins(text: &[u8]) -> Vec<String> {
    let mut plugins: Vec<String> = String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| {
            line.strip_prefix("# asdf-plugin: ")?
                .split_whitespace()
                .next()
                .map(str::to_owned)
        })
        .filter(|plugin| versions::is_plain(plugin))
        .collect();
    plugins.dedup();
    plugins.truncate(versions::MAX_WANTED);
    plugins
}

/// The program of the version that asdf would pick here.
pub fn target(path: &Path, place: &Path, plugins: &[String], host: &Host) -> Result<Target, Error> {
    let name = path.file_name().unwrap_or_default();
    let shims = place.parent().unwrap_or(Path::new("/"));
    let data = shims
        .parent()
        .map(Path::to_owned)
        .unwrap_or_else(|| data_dir(host));
    let mut asked = Vec::new();
    for plugin in plugins {
        for wanted in wanted(plugin, host) {
            let program = match wanted.version.as_str() {
                "system" => beside(name, shims, host),
                version if versions::is_plain(version) => {
                    versions::program_in(&data.join("installs").join(plugin).join(version), name)
                }
                _ => None,
            };
            match program {
                Some(program) => return Ok(Target::new("asdf", program)),
                None => asked.push(format!(
                    "{plugin} {} (from {})",
                    quote(&wanted.version),
                    wanted.from
                )),
            }
        }
    }
    let why = match asked.is_empty() {
        true => format!("no .tool-versions sets a version of {}", plugins.join(" or ")),
        false => format!("{} does not have {}", asked.join(", "), quote(name)),
    };
    Err(unresolved(path, "asdf", &why))
}

/// The versions asked for, in asdf's order: the variable, `.tool-versions` upward, the one at home.
fn wanted(plugin: &str, host: &Host) -> Vec<Wanted> {
    let variable = format!("ASDF_{}_VERSION", plugin.to_uppercase().replace('-', "_"));
    if let Some(value) = host.var(&variable) {
        return list(&value.to_string_lossy(), &variable);
    }
    let files = host.upward().map(|dir| dir.join(".tool-versions"));
    for path in files.chain([host.home.join(".tool-versions")]) {
        let text = file::text(&path).unwrap_or_default();
        if let Some(versions) = in_tool_versions(&text, plugin) {
            return list(versions, &quote(&path));
        }
    }
    Vec::new()
}

/// The versions one line of `.tool-versions` gives a tool.
pub fn in_tool_versions<'a>(text: &'a str, tool: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (name, versions) = line.split_once([' ', '\t'])?;
        (name == tool).then_some(versions)
    })
}

fn list(text: &str, from: &str) -> Vec<Wanted> {
    let wanted = |version: &str| Wanted {
        version: version.to_owned(),
        from: from.to_owned(),
    };
    text.split_whitespace()
        .take(versions::MAX_WANTED)
        .map(wanted)
        .collect()
}

fn beside(name: &std::ffi::OsStr, shims: &Path, host: &Host) -> Option<PathBuf> {
    let others: Vec<PathBuf> = find::directories(host)
        .into_iter()
        .filter(|dir| fs::canonicalize(dir).is_ok_and(|dir| dir != shims))
        .collect();
    match find::along(name, &others) {
        Search::Found(path) => Some(path),
        _ => None,
    }
}
