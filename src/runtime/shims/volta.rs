//! Volta's shims: links to `volta-shim`, which picks by the name it was started with.
//!
//! Rules: volta-core's `platform` (project pin, then user default) and `run` modules.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;
use serde_json::Value;

use super::versions::{is_plain, program_in};
use super::{Target, unresolved};
use crate::error::Error;
use crate::runtime::Host;
use crate::runtime::file;

/// Versions of the tools that Volta manages, and where they were read.
#[derive(Debug, Default)]
struct Platform {
    node: Option<String>,
    npm: Option<String>,
    pnpm: Option<String>,
    yarn: Option<String>,
    from: String,
}

/// The program of the version that Volta would pick here.
pub fn target(path: &Path, name: &OsStr, host: &Host) -> Result<Target, Error> {
    let tools = host.dir("VOLTA_HOME", ".volta").join("tools");
    let (platform, program) = match name.to_str() {
        Some(own @ ("node" | "npm" | "npx" | "pnpm" | "pnpx" | "yarn" | "yarnpkg" | "corepack")) => {
            let platform = project(host).or_else(|| user(&tools)).unwrap_or_default();
            let program = platform.own(own, &tools);
            (platform, program)
        }
        _ => package(&tools, name).unwrap_or_default(),
    };
    let image = platform.image("node", platform.node.as_deref(), &tools);
    match program {
        Some(path) => {
            let front = image.map(|image| image.join("bin")).into_iter().collect();
            Ok(Target {
                front,
                ..Target::new("volta", path)
            })
        }
        None => Err(unresolved(path, "volta", &platform.why(name))),
    }
}

impl Platform {
    fn of(value: &Value, from: &Path) -> Self {
        let version = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Platform {
            node: version("node"),
            npm: version("npm"),
            pnpm: version("pnpm"),
            yarn: version("yarn"),
            from: quote(from),
        }
    }

    /// What this one leaves open is taken from another.
    fn or(self, other: Platform) -> Self {
        Platform {
            node: self.node.or(other.node),
            npm: self.npm.or(other.npm),
            pnpm: self.pnpm.or(other.pnpm),
            yarn: self.yarn.or(other.yarn),
            from: self.from,
        }
    }

    fn own(&self, name: &str, tools: &Path) -> Option<PathBuf> {
        let node = self.image("node", self.node.as_deref(), tools)?;
        let image = match name {
            "npm" | "npx" => self.image("npm", self.npm.as_deref(), tools),
            "pnpm" | "pnpx" => self.image("pnpm", self.pnpm.as_deref(), tools),
            "yarn" | "yarnpkg" => self.image("yarn", self.yarn.as_deref(), tools),
            _ => None,
        };
        program_in(&image.unwrap_or(node), OsStr::new(name))
    }

    fn image(&self, tool: &str, version: Option<&str>, tools: &Path) -> Option<PathBuf> {
        let version = version.filter(|version| is_plain(version))?;
        Some(tools.join("image").join(tool).join(version))
    }

    fn why(&self, name: &OsStr) -> String {
        match (&self.node, self.from.is_empty()) {
            (_, true) => format!(
                "no package.json and no user default says which version has {}",
                quote(name)
            ),
            (None, _) => format!("{} sets no version of node", self.from),
            (Some(node), _) => format!(
                "no {} for node {}, which {} asks for",
                quote(name),
                quote(node),
                self.from
            ),
        }
    }
}

/// The `volta` key of the nearest package.json, which may extend another file.
fn project(host: &Host) -> Option<Platform> {
    let path = host
        .upward()
        .map(|dir| dir.join("package.json"))
        .find(|path| path.is_file())?;
    let platform = pinned(&path, 0)?;
    platform.node.is_some().then_some(platform)
}

fn pinned(path: &Path, depth: usize) -> Option<Platform> {
    let value = json(path)?;
    let volta = value.get("volta")?;
    let platform = Platform::of(volta, path);
    match volta.get("extends").and_then(Value::as_str) {
        Some(base) if depth < 8 => match pinned(&path.parent()?.join(base), depth + 1) {
            Some(base) => Some(platform.or(base)),
            None => Some(platform),
        },
        _ => Some(platform),
    }
}

/// `tools/user/platform.json`, written by `volta install`.
fn user(tools: &Path) -> Option<Platform> {
    let path = tools.join("user/platform.json");
    json(&path).map(|value| saved(&value, &path))
}

/// A package installed by `volta install`: its program, and the platform it was installed with.
fn package(tools: &Path, name: &OsStr) -> Option<(Platform, Option<PathBuf>)> {
    let file = tools.join("user/bins").join(format!("{}.json", name.to_str()?));
    let value = json(&file)?;
    let package = value
        .get("package")?
        .as_str()
        .filter(|package| !package.contains("..") && !package.starts_with('/'))?;
    let program = program_in(&tools.join("image/packages").join(package), name);
    Some((saved(value.get("platform")?, &file), program))
}

/// The platform as Volta saves it: node's version has npm's beside it.
fn saved(value: &Value, path: &Path) -> Platform {
    let mut platform = Platform::of(value, path);
    let node = value.get("node");
    let version = |key: &str| {
        node.and_then(|node| node.get(key))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    platform.node = version("runtime").or(platform.node);
    platform.npm = version("npm").or(platform.npm);
    platform
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&file::read(path).ok()?).ok()
}
