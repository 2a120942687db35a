//! Where a runtime is installed: the directory its program lies in, told by what such an installation holds.
//!
//! A directory that holds more than one thing (a home, `~/.local`, `/usr/local`, a project) is never
//! shown whole; there the program's file and the runtime's own library directories are enough.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::elf::{Elf, MAX_DIRECTORIES, MAX_NEEDED};
use super::view::View;
use super::{Host, file as files, shims};

/// A runtime known by name.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    programs: &'static [&'static str],
    /// At least one of these exists in an installation.
    markers: &'static [&'static str],
    /// What is shown of a prefix that cannot be shown whole.
    parts: &'static [&'static str],
    /// Programs beside it that belong to it, shown if they are there.
    beside: &'static [&'static str],
    /// The variable that names the prefix to programs of this kind.
    pub variable: Option<&'static str>,
}

const PLAIN: Kind = Kind {
    name: "",
    programs: &[],
    markers: &[],
    parts: &[],
    beside: &[],
    variable: None,
};

const KINDS: &[Kind] = &[
    Kind {
        name: "node",
        programs: &["node", "nodejs"],
        markers: &["lib/node_modules", "include/node"],
        parts: &["lib/node_modules"],
        beside: &["npm", "npx", "corepack"],
        ..PLAIN
    },
    Kind {
        name: "java",
        programs: &["java", "javac", "jshell", "jar", "jlink", "keytool"],
        markers: &["lib/modules", "lib/rt.jar", "jre/lib/rt.jar"],
        variable: Some("JAVA_HOME"),
        ..PLAIN
    },
    Kind {
        name: "go",
        programs: &["go", "gofmt"],
        markers: &["pkg/tool"],
        parts: &["pkg", "src"],
        ..PLAIN
    },
    Kind {
        name: "rust",
        programs: &[
            "cargo",
            "rustc",
            "rustdoc",
            "rustfmt",
            "cargo-fmt",
            "cargo-clippy",
            "rust-analyzer",
        ],
        markers: &["lib/rustlib"],
        parts: &["lib/rustlib"],
        ..PLAIN
    },
    Kind {
        name: "ruby",
        programs: &["ruby"],
        markers: &["lib/ruby"],
        parts: &["lib/ruby"],
        ..PLAIN
    },
    Kind {
        name: "perl",
        programs: &["perl"],
        markers: &["lib/perl5"],
        parts: &["lib/perl5"],
        ..PLAIN
    },
    Kind {
        name: "php",
        programs: &["php"],
        markers: &["lib/php"],
        parts: &["lib/php"],
        ..PLAIN
    },
    Kind {
        name: "erlang",
        programs: &["erl", "escript"],
        markers: &["lib/erlang"],
        parts: &["lib/erlang"],
        ..PLAIN
    },
    Kind {
        name: "elixir",
        programs: &["elixir", "mix"],
        markers: &["lib/elixir"],
        parts: &["lib/elixir"],
        ..PLAIN
    },
    Kind {
        name: "R",
        programs: &["R", "Rscript"],
        markers: &["lib/R"],
        parts: &["lib/R"],
        ..PLAIN
    },
    Kind {
        name: "uv",
        programs: &["uv", "uvx"],
        beside: &["uv", "uvx"],
        ..PLAIN
    },
    Kind {
        name: "bun",
        programs: &["bun", "bunx"],
        beside: &["bun", "bunx"],
        ..PLAIN
    },
    Kind {
        name: "deno",
        programs: &["deno"],
        ..PLAIN
    },
];

/// Homebrew installs each package below `Cellar` and links the rest to it; `var` holds the user's data.
const HOMEBREW: &str = "/home/linuxbrew/.linuxbrew";
const HOMEBREW_PARTS: &[&str] = &[
    "Cellar",
    "opt",
    "lib",
    "bin",
    "share",
    "etc/ca-certificates",
    "etc/openssl@3",
];

/// Directories of a home that many programs share, and directories of the system of that sort.
const SHARED_IN_HOME: &[&str] = &[
    ".local",
    ".local/share",
    ".local/state",
    ".local/lib",
    ".cache",
    ".config",
    ".cargo",
    ".npm",
    ".bun",
    ".deno",
    ".dotnet",
    "bin",
    "lib",
    "go",
    "src",
    "opt",
    "Applications",
    "Desktop",
    "Documents",
    "Downloads",
];
const SHARED: &[&str] = &[
    "/usr/local",
    "/var/lib",
    "/var/tmp",
    "/var/cache",
    "/run/user",
    "/usr/src",
];

/// Shows the installation that the program `file` belongs to, and returns its kind and prefix if known.
pub fn show_program(file: &Path, view: &mut View, host: &Host) -> (Option<&'static Kind>, Option<PathBuf>) {
    let kind = kind_of(file);
    if kind.is_none_or(|kind| kind.variable.is_none()) && view.shows(file) {
        return (kind, None);
    }
    let prefix = above_bin(file);
    if let (Some(kind), Some(prefix)) = (kind, prefix)
        && kind.markers.iter().any(|marker| prefix.join(marker).exists())
    {
        if !view.shows(file) {
            show_tree(prefix, kind, file, view, host);
        }
        return (Some(kind), Some(prefix.to_owned()));
    }
    if let Some(root) = dotnet_root(file).filter(|root| !is_broad(root, host)) {
        view.mount(root, "dotnet");
        return (None, None);
    }
    if !show_installation(file, view, host) {
        show_file(file, view);
        if let Some(kind) = kind {
            show_beside(file, kind, view);
        }
    }
    (kind, None)
}

/// Shows the place that an installer keeps for the package `file` is of. False if there is none.
pub fn show_installation(file: &Path, view: &mut View, host: &Host) -> bool {
    if view.shows(file) {
        return true;
    }
    if let Some(prefix) = above_bin(file).filter(|prefix| prefix.join("conda-meta").is_dir())
        && !is_broad(prefix, host)
    {
        view.mount(prefix, "conda environment");
        return true;
    }
    if file.starts_with(HOMEBREW) {
        for part in HOMEBREW_PARTS.iter().map(|part| Path::new(HOMEBREW).join(part)) {
            show_if_there(&part, "homebrew", view);
        }
        return true;
    }
    match package_root(file, host) {
        Some(root) if !is_broad(&root, host) => {
            view.mount(&root, "installed package");
            true
        }
        _ => false,
    }
}

/// Shows one program and the libraries it brings from outside the system's directories.
pub fn show_file(file: &Path, view: &mut View) {
    if view.shows(file) {
        return;
    }
    view.mount(file, "program");
    let mut todo = vec![file.to_owned()];
    let mut inherited: Vec<PathBuf> = vec![PathBuf::from("/usr/local/lib")];
    let mut asked = BTreeSet::new();
    // A program of more libraries than this comes with an installation of its own.
    for round in 0..64 {
        let Some(elf) = todo.pop().and_then(|next| Elf::read(&next)) else {
            break;
        };
        // The kernel reads this of the program alone (execve(2)); what a library says there is nobody's wish.
        if let Some(loader) = elf
            .loader
            .filter(|loader| round == 0 && loader.is_absolute() && !view.shows(loader))
        {
            show_library(&loader, view);
        }
        inherited.splice(0..0, elf.search);
        inherited.truncate(MAX_DIRECTORIES);
        for name in elf.needed {
            // One name is looked up once, as the loader does; a program that asks for more is hostile.
            if asked.len() >= MAX_NEEDED || !asked.insert(name.clone()) {
                continue;
            }
            let found = inherited
                .iter()
                .map(|dir| dir.join(&name))
                .find(|path| path.is_file());
            if let Some(path) = found.filter(|path| !view.shows(path))
                && let Some(real) = show_library(&path, view)
            {
                todo.push(real);
            }
        }
    }
}

/// Whether a directory holds more than one installation, so that showing it would show the user's files.
pub fn is_broad(dir: &Path, host: &Host) -> bool {
    let cwd = fs::canonicalize(&host.cwd).unwrap_or_else(|_| host.cwd.clone());
    is_shared(dir, host) || cwd.starts_with(dir) || dir.join(".git").exists()
}

/// Whether a directory is one that many programs and projects share.
pub fn is_shared(dir: &Path, host: &Host) -> bool {
    let home = fs::canonicalize(&host.home).unwrap_or_else(|_| host.home.clone());
    dir.components().count() <= 2
        || home.starts_with(dir)
        || SHARED.iter().any(|shared| dir == Path::new(shared))
        || dir
            .strip_prefix(&home)
            .is_ok_and(|rest| SHARED_IN_HOME.iter().any(|shared| rest == Path::new(shared)))
}

/// `<prefix>` of `<prefix>/bin/program`.
pub fn above_bin(file: &Path) -> Option<&Path> {
    let dir = file.parent()?;
    dir.parent().filter(|_| dir.ends_with("bin"))
}

pub fn show_if_there(path: &Path, reason: &str, view: &mut View) {
    if let Ok(real) = fs::canonicalize(path) {
        view.mount(&real, reason);
        view.expose(path);
    }
}

fn show_tree(prefix: &Path, kind: &Kind, file: &Path, view: &mut View, host: &Host) {
    if !is_broad(prefix, host) {
        return view.mount(prefix, &format!("{} prefix", kind.name));
    }
    show_file(file, view);
    for part in kind.parts.iter().map(|part| prefix.join(part)) {
        show_if_there(&part, &format!("{} library", kind.name), view);
    }
    show_beside(file, kind, view);
}

fn show_beside(file: &Path, kind: &Kind, view: &mut View) {
    let Some(dir) = file.parent() else { return };
    for path in kind.beside.iter().map(|name| dir.join(name)) {
        match fs::read_link(&path) {
            Ok(target) if fs::canonicalize(&path).is_ok_and(|real| view.shows(&real)) => {
                view.link(&path, &target)
            }
            Err(_) if path.is_file() && !view.shows(&path) => view.mount(&path, "program"),
            _ => {}
        }
    }
}

/// Shows what the loader would map, which a program can name at any place: never a file that is not ELF.
fn show_library(path: &Path, view: &mut View) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok().filter(|real| files::is_elf(real))?;
    if !view.shows(&real) {
        view.mount(&real, "library");
    }
    view.expose(path);
    Some(real)
}

fn kind_of(file: &Path) -> Option<&'static Kind> {
    let name = file.file_name()?.to_str()?;
    // ruby3.2, node20, php8.3: the version is part of the name on some systems.
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    KINDS.iter().find(|kind| {
        kind.programs
            .iter()
            .any(|program| *program == name || *program == plain)
    })
}

/// dotnet lies at the top of its installation.
fn dotnet_root(file: &Path) -> Option<&Path> {
    file.parent()
        .filter(|dir| file.ends_with("dotnet") && dir.join("host/fxr").is_dir())
}

/// The directory of one version of one package, where installers keep such directories.
pub fn package_root(file: &Path, host: &Host) -> Option<PathBuf> {
    let stores = [
        (PathBuf::from("/opt"), 1),
        (shims::asdf::data_dir(host).join("installs"), 2),
        (shims::mise::data_dir(host).join("installs"), 2),
        (host.home.join(".sdkman/candidates"), 2),
        (host.dir("VOLTA_HOME", ".volta").join("tools/image/npm"), 1),
        (host.dir("VOLTA_HOME", ".volta").join("tools/image/yarn"), 1),
        (host.dir("VOLTA_HOME", ".volta").join("tools/image/pnpm"), 1),
        (host.dir("RUSTUP_HOME", ".rustup").join("toolchains"), 1),
    ];
    stores.iter().find_map(|(store, depth)| {
        let store = fs::canonicalize(store).ok()?;
        let rest = file.strip_prefix(&store).ok()?;
        // The file itself must lie below the package's directory.
        let parts: Vec<_> = rest.components().collect();
        (parts.len() > *depth).then(|| store.join(parts[..*depth].iter().collect::<PathBuf>()))
    })
}
