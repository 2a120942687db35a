//! A command's file: the symbolic links that lead to it, and what kind of program it is.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use mcp_sandbox_platform::quote;

use super::file;
use crate::error::{Error, Kind, reason};

/// The kernel follows 40 links in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// Enough for every `#!` line and every shim; a script is looked at no further.
const SCRIPT_BYTES: u64 = 32 * 1024;
const HEAD_BYTES: usize = 512;

/// The way from a name to a regular file.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Each file name on the way, its directory free of links; the last one is the file itself.
    pub hops: Vec<PathBuf>,
    /// The path each hop was reached by, as the user or the link before it wrote it.
    pub named: Vec<PathBuf>,
}

/// What execve(2) would make of a file.
#[derive(Debug)]
pub enum Image {
    Elf,
    /// A `#!` script: the beginning of its text.
    Script(Vec<u8>),
}

impl Chain {
    /// Follows `path`, which is absolute and exists.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = fs::canonicalize(path).map_err(|error| cannot_follow(path, &error))?;
        let mut chain = Chain {
            hops: Vec::new(),
            named: Vec::new(),
        };
        let mut next = path.to_owned();
        for _ in 0..MAX_LINKS {
            if next == file {
                chain.push(file.clone(), next);
                return Ok(chain);
            }
            let hop = real_parent(&next).map_err(|error| cannot_follow(path, &error))?;
            chain.push(hop.clone(), next);
            if hop == file {
                return Ok(chain);
            }
            let target = fs::read_link(&hop).map_err(|error| cannot_follow(path, &error))?;
            next = normal(&hop.parent().unwrap_or(Path::new("/")).join(target));
        }
        Err(cannot_follow(
            path,
            &io::Error::from_raw_os_error(nix::libc::ELOOP),
        ))
    }

    fn push(&mut self, hop: PathBuf, named: PathBuf) {
        self.hops.push(hop);
        self.named.push(named);
    }

    /// The regular file at the end.
    pub fn file(&self) -> &Path {
        self.hops.last().expect("a chain ends in a file")
    }

    /// The first name, its directory free of links.
    pub fn first(&self) -> &Path {
        self.hops.first().expect("a chain begins with a name")
    }
}

impl Image {
    /// Reads the beginning of a program.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let cannot = |error: io::Error| {
            Error::new(
                Kind::NotExecutable,
                format!("{} cannot be read: {}", quote(path), reason(&error)),
            )
            .hint("what the command needs is found by reading its file; make it readable for this user")
        };
        let mut file = file::open(path).map_err(cannot)?;
        let mut head = vec![0; HEAD_BYTES];
        let length = file.read(&mut head).map_err(cannot)?;
        head.truncate(length);
        if head.starts_with(b"\x7fELF") {
            return Ok(Image::Elf);
        }
        if !head.starts_with(b"#!") {
            return Err(unknown_format(path, &head));
        }
        if length == HEAD_BYTES {
            file.take(SCRIPT_BYTES).read_to_end(&mut head).map_err(cannot)?;
        }
        Ok(Image::Script(head))
    }
}

/// `path` with its directory free of links; the last name stays as it is.
pub fn real_parent(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
        _ => fs::canonicalize(path),
    }
}

/// Removes `.` and `..` from a path whose beginning is free of links, as link targets are written.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

fn cannot_follow(path: &Path, error: &io::Error) -> Error {
    Error::new(
        Kind::NotExecutable,
        format!("{} cannot be followed: {}", quote(path), reason(error)),
    )
}

fn unknown_format(path: &Path, head: &[u8]) -> Error {
    let error = Error::new(
        Kind::NotExecutable,
        format!("{} is neither an ELF program nor a #! script", quote(path)),
    );
    match head {
        [] => error.hint("the file is empty"),
        [b'P', b'K', ..] => {
            error.hint("this looks like an archive; start it with its runtime, as in `java -jar`")
        }
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => error.hint("this is a program for macOS"),
        [b'M', b'Z', ..] => error.hint("this is a program for Windows"),
        _ => error.hint(
            "give a script its interpreter: `#!/bin/sh` as the first line, or `sh FILE` as the command",
        ),
    }
}
