//! What paths are by their names: everything, somebody's home, folders of programs, sockets, files of secrets.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};

use crate::profile::Host;

/// Folders of the whole system or of a whole life: hier(7), and what desktops make in a home.
const BROAD: [&str; 34] = [
    "/Applications",
    "/Library",
    "/System",
    "/Volumes",
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/run",
    "/run/user",
    "/sbin",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/tmp",
    "~/.cache",
    "~/.config",
    "~/.local",
    "~/.local/share",
    "~/Desktop",
    "~/Documents",
    "~/Downloads",
    "~/Library",
];

/// Folders that programs are started or loaded from, wherever they lie.
const CODE: [&str; 17] = [
    ".asdf",
    ".bun",
    ".cargo",
    ".deno",
    ".npm",
    ".npm-global",
    ".nvm",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".venv",
    ".volta",
    "dist-packages",
    "node_modules",
    "site-packages",
    "venv",
    "virtualenv",
];

/// Folders of programs by their last name.
const PROGRAMS: [&str; 3] = ["bin", "sbin", "libexec"];

/// Endings of programs that an interpreter is given.
const SCRIPTS: [&str; 9] = ["cjs", "js", "mjs", "ts", "py", "rb", "sh", "jar", "wasm"];

/// Whether a path is a folder of the whole system or of a whole life.
pub fn is_broad(path: &Path, host: &Host) -> bool {
    BROAD.iter().any(|broad| path == placed(broad, host))
}

/// Whether programs are started or loaded from a folder.
pub fn holds_programs(path: &Path) -> bool {
    let code = |part: Component<'_>| CODE.iter().any(|name| part.as_os_str() == *name);
    let last = |name: &OsStr| PROGRAMS.iter().any(|one| name == *one);
    path.components().any(code) || path.file_name().is_some_and(last)
}

/// Whether a file is a program that an interpreter is given.
pub fn is_script(path: &Path) -> bool {
    has_ending(path, &SCRIPTS)
}

/// Why a path is everything, if it is.
pub fn whole(path: &Path, host: &Host) -> Option<&'static str> {
    if path == Path::new("/") {
        return Some("it is the whole disk");
    }
    if path == host.home {
        return Some("it is your whole home");
    }
    if host.home.starts_with(path) {
        return Some("your home lies in it");
    }
    let homes = ["/home", "/Users"];
    if homes.iter().any(|homes| path == Path::new(homes)) {
        return Some("every user's home lies in it");
    }
    let is_home = path
        .parent()
        .is_some_and(|parent| homes.iter().any(|homes| parent == Path::new(homes)));
    is_home.then_some("it is somebody's whole home")
}

fn placed(text: &str, host: &Host) -> PathBuf {
    match text.strip_prefix("~/") {
        Some(rest) => host.home.join(rest),
        None => text.into(),
    }
}

/// A path without `.` and `..`, as the kernel would walk it if there were no links; `/var/run` is one on every Linux.
pub fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    match clean.strip_prefix("/var/run") {
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => clean,
    }
}

/// By what it is, or by its name where it does not exist here.
pub fn is_socket(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(found) => found.file_type().is_socket(),
        Err(_) => has_ending(path, &["sock", "socket", "ipc"]),
    }
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| endings.contains(&ending))
}

/// Whether a pattern is for files that hold secrets by habit.
pub fn is_secret_file(pattern: &str) -> bool {
    const WORDS: [&str; 11] = [
        ".env",
        ".key",
        ".pem",
        ".p12",
        ".pfx",
        "id_",
        "secret",
        "credential",
        "password",
        "token",
        ".git/",
    ];
    let public = ["example", "sample", "template", "public", ".pub"];
    let lower = pattern.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word)) && !public.iter().any(|word| lower.contains(word))
}
