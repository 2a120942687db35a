//! The settings of one source, as written. Layers form a monoid under [`Layer::over`]: laying them over each
//! other gives the same result in whichever grouping, so a base can be merged before or after its child.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use mcp_sandbox_platform::files::Pattern;
use mcp_sandbox_platform::net::{Dns, Inspect};
use mcp_sandbox_platform::{Access, Bytes};

use super::origin::{Located, Origin};
use super::resources::Resources;
use crate::error::Diagnostic;
use crate::net::{self, HostPattern};

/// One profile file, read and checked, its bases not yet looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawProfile {
    /// The file it was read from; built-in profiles have none.
    pub file: Option<PathBuf>,
    pub description: Option<Located<String>>,
    /// Names or paths of the bases, in order.
    pub extends: Vec<Located<String>>,
    /// `command.match`: the packages and programs this profile is for.
    pub matches: Vec<Located<String>>,
    pub layer: Layer,
    /// `contexts.NAME`. Their lists replace.
    pub contexts: BTreeMap<String, Layer>,
}

/// Settings that merge: absent ones keep what lies below.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layer {
    pub run: Option<Located<Vec<Located<String>>>>,
    pub cwd: Option<Located<PathText>>,
    pub mounts: List<Mount>,
    pub path_args: Option<Located<PathArgs>>,
    pub home: Option<Located<HomeMode>>,
    pub tmp: Option<Located<Bytes>>,
    /// Names of built-in patterns; see [`crate::policy::protected`].
    pub writable_sensitive: List<String>,
    pub allow: List<HostPattern>,
    pub block: List<HostPattern>,
    pub dns: Option<Located<Dns>>,
    pub inspect: Option<Located<Inspect>>,
    pub spawn: Option<Located<bool>>,
    pub user: Option<Located<User>>,
    pub capabilities: List<String>,
    pub env_pass: List<OsString>,
    pub env_set: BTreeMap<OsString, Located<OsString>>,
    pub resources: Resources,
}

/// A list setting. Absent is `replaces: false` and no items; a given empty list replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    /// Whether what lies below is dropped.
    pub replaces: bool,
    pub items: Vec<Located<T>>,
}

/// One entry of `filesystem.mounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub path: Located<PathText>,
    /// The same place as on the host when absent.
    pub at: Option<Located<PathText>>,
    pub access: Access,
    pub create: bool,
    /// In the order of the list: the last one that matches wins.
    pub exclude: Vec<Pattern>,
}

/// A path as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathText {
    /// From a profile: may hold variables and a leading `~`, and must be absolute after expansion.
    Template(String),
    /// From a flag: taken as it is, relative to the current folder.
    Literal(PathBuf),
}

/// What happens to paths among the command's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathArgs {
    None,
    Read,
    Write,
}

/// The server's home directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HomeMode {
    /// Memory that goes away with the box.
    Ephemeral,
    /// A private directory per profile.
    Persistent,
}

/// Who the server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// Whoever started us.
    Inherit,
    Name(String),
    Uid(u32),
}

/// The flags of `run` that lie over the profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    /// `--read PATH[:AT]`
    pub read: Vec<(PathBuf, Option<PathBuf>)>,
    /// `--write PATH[:AT]`
    pub write: Vec<(PathBuf, Option<PathBuf>)>,
    /// `--allow HOST[:PORTS]`
    pub allow: Vec<String>,
    /// `--env NAME[=VALUE]`: with a value it sets, without it passes.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// `--cwd`
    pub cwd: Option<PathBuf>,
    /// The folder that `learn` shows read-only by itself, and what it leaves out of it.
    pub ceiling: Option<(PathBuf, Vec<Pattern>)>,
}

/// Where the mount of [`Flags::ceiling`] comes from, as its reason tells it.
pub const CEILING: &str = "the ceiling of learn";

impl Layer {
    /// This layer laid over a lower one.
    pub fn over(self, lower: Layer) -> Layer {
        let mut env_set = lower.env_set;
        env_set.extend(self.env_set);
        Layer {
            run: self.run.or(lower.run),
            cwd: self.cwd.or(lower.cwd),
            mounts: self.mounts.over(lower.mounts, Mount::same),
            path_args: self.path_args.or(lower.path_args),
            home: self.home.or(lower.home),
            tmp: self.tmp.or(lower.tmp),
            writable_sensitive: self.writable_sensitive.over(lower.writable_sensitive, String::eq),
            allow: self.allow.over(lower.allow, HostPattern::same),
            block: self.block.over(lower.block, HostPattern::same),
            dns: self.dns.or(lower.dns),
            inspect: self.inspect.or(lower.inspect),
            spawn: self.spawn.or(lower.spawn),
            user: self.user.or(lower.user),
            capabilities: self.capabilities.over(lower.capabilities, String::eq),
            env_pass: self.env_pass.over(lower.env_pass, OsString::eq),
            env_set,
            resources: self.resources.over(lower.resources),
        }
    }

    /// The same settings with every given list replacing what lies below, as contexts have it.
    pub fn replacing(mut self) -> Layer {
        self.mounts.replaces |= !self.mounts.items.is_empty();
        self.writable_sensitive.replaces |= !self.writable_sensitive.items.is_empty();
        self.allow.replaces |= !self.allow.items.is_empty();
        self.block.replaces |= !self.block.items.is_empty();
        self.capabilities.replaces |= !self.capabilities.items.is_empty();
        self.env_pass.replaces |= !self.env_pass.items.is_empty();
        self
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List {
            replaces: false,
            items: Vec::new(),
        }
    }
}

impl<T> List<T> {
    /// A list as a file gives it: an empty one empties what it inherits.
    pub fn given(items: Vec<Located<T>>) -> Self {
        List {
            replaces: items.is_empty(),
            items,
        }
    }

    fn over(self, lower: List<T>, same: impl Fn(&T, &T) -> bool) -> List<T> {
        if self.replaces {
            return self;
        }
        let mut merged = lower;
        for item in self.items {
            if !merged.items.iter().any(|known| same(&known.value, &item.value)) {
                merged.items.push(item);
            }
        }
        merged
    }
}

impl Mount {
    /// Whether two entries mean the same, wherever they were written.
    fn same(&self, other: &Mount) -> bool {
        let at = match (&self.at, &other.at) {
            (Some(one), Some(two)) => same_path(one, two),
            (None, None) => true,
            _ => false,
        };
        let texts = |mount: &Mount| -> Vec<String> {
            mount.exclude.iter().map(|pattern| pattern.text.clone()).collect()
        };
        at && same_path(&self.path, &other.path)
            && (self.access, self.create) == (other.access, other.create)
            && texts(self) == texts(other)
    }
}

/// The same text means another path in another folder when it holds `${profile_dir}`.
fn same_path(one: &Located<PathText>, two: &Located<PathText>) -> bool {
    let local = matches!(&one.value, PathText::Template(text) if text.contains("${profile_dir}"));
    one.value == two.value && (!local || one.origin.profile_dir() == two.origin.profile_dir())
}

impl Flags {
    /// The flags as a layer.
    ///
    /// # Errors
    /// A finding for each `--allow` that is no host and each `--env` that does not name a variable.
    pub fn layer(&self) -> Result<Layer, Vec<Diagnostic>> {
        let cwd = self.cwd.clone();
        let read = self
            .read
            .iter()
            .map(|given| flag_mount("--read", given, Access::Read));
        let write = self
            .write
            .iter()
            .map(|given| flag_mount("--write", given, Access::Write));
        let mut layer = Layer {
            cwd: cwd.map(|path| Origin::flag("--cwd").at(PathText::Literal(path))),
            ..Layer::default()
        };
        layer.mounts.items = read.chain(write).chain(self.ceiling_mount()).collect();
        let mut found = self.allow_into(&mut layer);
        let origin = Origin::flag("--env");
        for (name, value) in &self.env {
            if let Err(message) = valid_env_name(&name.to_string_lossy()) {
                found.push(origin.diagnostic(message, "write --env NAME or --env NAME=VALUE"));
            }
            match value {
                Some(value) => drop(layer.env_set.insert(name.clone(), origin.at(value.clone()))),
                None => layer.env_pass.items.push(origin.at(name.clone())),
            }
        }
        if found.is_empty() { Ok(layer) } else { Err(found) }
    }

    fn ceiling_mount(&self) -> Option<Located<Mount>> {
        let (path, exclude) = self.ceiling.clone()?;
        let mut mount = flag_mount(CEILING, &(path, None), Access::Read);
        mount.value.exclude = exclude;
        Some(mount)
    }

    fn allow_into(&self, layer: &mut Layer) -> Vec<Diagnostic> {
        let origin = Origin::flag("--allow");
        let mut found = Vec::new();
        for text in &self.allow {
            match HostPattern::parse(text, net::List::Allow) {
                Ok(pattern) => layer.allow.items.push(origin.at(pattern)),
                Err((message, hint)) => found.push(origin.diagnostic(message, hint)),
            }
        }
        found
    }
}

fn flag_mount(flag: &str, (path, at): &(PathBuf, Option<PathBuf>), access: Access) -> Located<Mount> {
    let origin = Origin::flag(flag);
    let literal = |path: &PathBuf| origin.at(PathText::Literal(path.clone()));
    origin.at(Mount {
        path: literal(path),
        at: at.as_ref().map(literal),
        access,
        create: false,
        exclude: Vec::new(),
    })
}

/// Says what keeps a text from being the name of an environment variable (POSIX: no `=`, no NUL). Blanks
/// and control characters are refused too: no program asks for such a name, and they hide in a terminal.
pub fn valid_env_name(name: &str) -> Result<(), String> {
    let why = match name {
        "" => "is empty",
        _ if name.contains('=') => "holds \"=\"",
        _ if name.contains(|c: char| c.is_control() || c.is_whitespace()) => {
            "holds a blank or control character"
        }
        _ => return Ok(()),
    };
    let name = mcp_sandbox_platform::quote(name);
    Err(format!(
        "{name} is not the name of an environment variable: it {why}"
    ))
}
