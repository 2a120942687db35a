//! The calls that tell which files and programs a server uses: one table, for the filter and for whoever records them.
//!
//! Only a server that is observed hands them over. Recording decides nothing, so it does not matter that the server can
//! change what an argument points to.

use crate::observed::Act;

/// A call that names a path.
pub struct Shown {
    pub call: &'static str,
    /// The argument that holds the folder a relative path begins at; without one it is the current folder.
    pub folder: Option<u8>,
    /// The argument that points to the path.
    pub path: u8,
    pub act: What,
}

/// What the call does with the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The flags in this argument say (open(2)).
    Open(u8),
    Does(Act),
}

const fn at(call: &'static str, folder: u8, path: u8, act: Act) -> Shown {
    Shown {
        call,
        folder: Some(folder),
        path,
        act: What::Does(act),
    }
}

const fn here(call: &'static str, path: u8, act: Act) -> Shown {
    Shown {
        call,
        folder: None,
        path,
        act: What::Does(act),
    }
}

/// Every such call; one that names two paths has two rows.
pub const USES: &[Shown] = &[
    Shown {
        call: "open",
        folder: None,
        path: 0,
        act: What::Open(1),
    },
    Shown {
        call: "openat",
        folder: Some(0),
        path: 1,
        act: What::Open(2),
    },
    here("execve", 0, Act::Execute),
    at("execveat", 0, 1, Act::Execute),
    here("stat", 0, Act::Look),
    here("lstat", 0, Act::Look),
    at("newfstatat", 0, 1, Act::Look),
    at("statx", 0, 1, Act::Look),
    here("access", 0, Act::Look),
    at("faccessat", 0, 1, Act::Look),
    at("faccessat2", 0, 1, Act::Look),
    here("chdir", 0, Act::Look),
    here("creat", 0, Act::Change),
    here("truncate", 0, Act::Change),
    here("mkdir", 0, Act::MakeFolder),
    at("mkdirat", 0, 1, Act::MakeFolder),
    here("mknod", 0, Act::Change),
    at("mknodat", 0, 1, Act::Change),
    here("symlink", 1, Act::Change),
    at("symlinkat", 1, 2, Act::Change),
    here("link", 1, Act::Change),
    at("linkat", 2, 3, Act::Change),
    here("rename", 0, Act::Change),
    here("rename", 1, Act::Change),
    at("renameat", 0, 1, Act::Change),
    at("renameat", 2, 3, Act::Change),
    at("renameat2", 0, 1, Act::Change),
    at("renameat2", 2, 3, Act::Change),
    here("unlink", 0, Act::Change),
    at("unlinkat", 0, 1, Act::Change),
    here("rmdir", 0, Act::Change),
];

/// Calls of the table that are about an open file with AT_EMPTY_PATH, and which argument holds their flags: fstat(2) of
/// C libraries, which nobody has to be told of.
pub const OF_DESCRIPTORS: [(&str, u8); 2] = [("newfstatat", 3), ("statx", 2)];
