//! rustup's proxies: links to, or copies of, the rustup program under the names of a toolchain's programs.
//!
//! Order: <https://rust-lang.github.io/rustup/overrides.html>.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mcp_sandbox_platform::quote;

use super::versions::{self, Wanted};
use super::{Target, unresolved};
use crate::error::Error;
use crate::runtime::Host;
use crate::runtime::file;
use crate::runtime::find::is_program;

/// rustup's `TOOLS` and `DUP_TOOLS`.
const PROXIES: &[&str] = &[
    "cargo",
    "rustc",
    "rustdoc",
    "rust-gdb",
    "rust-gdbgui",
    "rust-lldb",
    "rls",
    "cargo-clippy",
    "clippy-driver",
    "cargo-miri",
    "rustfmt",
    "cargo-fmt",
    "rust-analyzer",
];

/// Whether a program is rustup under another name.
pub fn is_proxy(path: &Path, file: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    if !PROXIES.iter().any(|proxy| name == *proxy) {
        return false;
    }
    if file.ends_with("rustup") || file.ends_with("rustup-init") {
        return true;
    }
    // A hard link, or a copy where links are not to be had.
    let same =
        |a: fs::Metadata, b: fs::Metadata| a.dev() == b.dev() && a.ino() == b.ino() || a.len() == b.len();
    let rustup = fs::metadata(file.with_file_name("rustup"));
    rustup.is_ok_and(|rustup| fs::metadata(file).is_ok_and(|file| same(rustup, file)))
}

/// The program of the toolchain that rustup would pick here.
pub fn target(path: &Path, name: &OsStr, args: &[OsString], host: &Host) -> Result<Target, Error> {
    let home = host.dir("RUSTUP_HOME", ".rustup");
    let named = args.first().and_then(|arg| arg.to_str()?.strip_prefix('+'));
    let wanted = match named {
        Some(toolchain) => Some(wanted(toolchain, "the command line")),
        None => choice(&home, host),
    };
    let Some(wanted) = wanted else {
        return Err(unresolved(path, "rustup", "no default toolchain is set"));
    };
    let toolchains = home.join("toolchains");
    // A channel without its target means the host's: `stable` is `stable-x86_64-unknown-linux-gnu`.
    let full = format!("{}-{}-unknown-linux-gnu", wanted.version, std::env::consts::ARCH);
    let candidates = [wanted.version.clone(), full];
    let mut candidates = candidates.iter().filter(|version| versions::is_plain(version));
    let program = candidates.find_map(|version| {
        let program = toolchains.join(version).join("bin").join(name);
        is_program(&program).then_some(program)
    });
    let program = program.or_else(|| {
        let version = versions::best(&toolchains, &wanted.version, &[])?;
        Some(toolchains.join(version).join("bin").join(name)).filter(|program| is_program(program))
    });
    match program {
        Some(program) => Ok(Target {
            skip: usize::from(named.is_some()),
            ..Target::new("rustup", program)
        }),
        None => {
            let asked = quote(&wanted.version);
            let why = format!(
                "no {} in toolchain {asked}, which {} asks for",
                quote(name),
                wanted.from
            );
            Err(unresolved(path, "rustup", &why))
        }
    }
}

fn choice(home: &Path, host: &Host) -> Option<Wanted> {
    if let Some(value) = host.var("RUSTUP_TOOLCHAIN") {
        return Some(wanted(&value.to_string_lossy(), "RUSTUP_TOOLCHAIN"));
    }
    let saved = home.join("settings.toml");
    let settings = file::text(&saved)
        .ok()
        .and_then(|text| super::toml(&text))
        .unwrap_or_default();
    for dir in host.upward() {
        let set = dir.to_str().and_then(|dir| settings["overrides"][dir].as_str());
        if let Some(toolchain) = set {
            return Some(wanted(toolchain, &quote(&saved)));
        }
        for name in ["rust-toolchain.toml", "rust-toolchain"] {
            if let Some(toolchain) = in_file(&dir.join(name)) {
                return Some(wanted(&toolchain, &quote(dir.join(name))));
            }
        }
    }
    let default = settings["default_toolchain"].as_str()?;
    Some(wanted(default, &quote(&saved)))
}

/// Either a table with `toolchain.channel`, or, without the extension, one bare line.
fn in_file(path: &Path) -> Option<String> {
    let text = file::text(path).ok()?;
    match super::toml(&text) {
        Some(table) => table["toolchain"]["channel"].as_str().map(str::to_owned),
        None => text
            .lines()
            .next()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty()),
    }
}

fn wanted(version: &str, from: &str) -> Wanted {
    Wanted {
        version: version.to_owned(),
        from: from.to_owned(),
    }
}
