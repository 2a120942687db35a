//! Writes down what the server uses, for whoever makes a profile of it.
//!
//! This decides nothing and bounds nothing: mounts, Landlock, the filter and the rest of the broker do, as without it. So
//! it may look at arguments that the server changes meanwhile, and what cannot be read is left out.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use nix::unistd::Pid;

use super::super::notify::Notification;
use super::super::numbers::number;
use super::super::sys;
use super::super::uses::{Shown, USES, What};
use super::caller;
use super::files::{path_of, text};
use super::identity::Identity;
use crate::net::Name;
use crate::observed::{Act, Observed};

/// Who sees every call that names a file or program.
pub struct Observer {
    observed: Observed,
    /// The table's rows by the numbers of their calls.
    rows: Vec<(i64, &'static Shown)>,
    root: Option<OwnedFd>,
    /// The server's own process, the first that calls.
    server: Option<Pid>,
    /// Threads of it that have called.
    threads: HashSet<Pid>,
    /// There was a process beside it.
    children: bool,
}

/// Made by the box, and the same in every one.
const OF_THE_BOX: [&str; 3] = ["/proc", "/dev", "/sys"];

/// How many threads are remembered.
const MOST_THREADS: usize = 4096;

impl Observer {
    pub fn new(observed: Observed) -> Self {
        let rows = USES.iter().filter_map(|shown| Some((number(shown.call)?, shown)));
        Observer {
            observed,
            rows: rows.collect(),
            root: None,
            server: None,
            threads: HashSet::new(),
            children: false,
        }
    }

    /// Records what a call uses.
    pub fn see(&mut self, notification: &Notification, identity: &Identity) {
        self.see_thread(notification.thread);
        let rows = self.rows.iter().filter(|(call, _)| *call == notification.call);
        let rows: Vec<&Shown> = rows.map(|(_, shown)| *shown).collect();
        for shown in rows {
            // What cannot be read fails in the kernel too, or is not there any more.
            let _ = self.see_path(notification, shown, identity);
        }
    }

    pub fn name(&self, name: &Name, port: u16) {
        self.observed.host(name, port);
    }

    pub fn host(&self, to: SocketAddr) {
        match to.ip().to_canonical() {
            ip if ip.is_loopback() || ip.is_unspecified() => self.observed.host("localhost", to.port()),
            ip => self.observed.host(ip, to.port()),
        }
    }

    pub fn own_loopback(&self, port: u16) {
        self.observed.loopback(port);
    }

    fn see_thread(&mut self, thread: Pid) {
        if self.children || self.threads.contains(&thread) || self.threads.len() >= MOST_THREADS {
            return;
        }
        let Ok(process) = caller::process_of(thread) else {
            return;
        };
        self.threads.insert(thread);
        if *self.server.get_or_insert(process) != process {
            self.children = true;
            self.observed.child();
        }
    }

    fn see_path(
        &mut self,
        notification: &Notification,
        shown: &Shown,
        identity: &Identity,
    ) -> nix::Result<()> {
        let Notification {
            thread, arguments, ..
        } = *notification;
        let path = text(notification, arguments[usize::from(shown.path)])?.into_bytes();
        if path.is_empty() {
            return Ok(());
        }
        let folder = shown
            .folder
            .map_or(libc::AT_FDCWD, |index| arguments[usize::from(index)] as i32);
        let base = match (path[0], folder) {
            (b'/', _) => PathBuf::new(),
            (_, libc::AT_FDCWD) => link(&format!("/proc/{thread}/cwd"))?,
            (_, number) => link(&format!("/proc/{thread}/fd/{number}"))?,
        };
        let path = base.join(std::ffi::OsString::from_vec(path));
        if !path.is_absolute() || OF_THE_BOX.iter().any(|own| path.starts_with(own)) {
            return Ok(());
        }
        let flags = match shown.act {
            What::Open(index) => Some(OFlag::from_bits_retain(arguments[usize::from(index)] as i32)),
            What::Does(_) => None,
        };
        let follow = match shown.act {
            What::Open(_) => !flags.is_some_and(|flags| flags.contains(OFlag::O_NOFOLLOW)),
            What::Does(Act::Change | Act::MakeFolder) => false,
            What::Does(_) => true,
        };
        let root = match &self.root {
            Some(root) => root,
            None => self.root.insert(caller::root(thread)?),
        };
        let found = identity.assumed(|| find(root.as_fd(), &path, follow));
        let is_folder = found.as_ref().is_ok_and(|(_, is_folder)| *is_folder);
        let act = match (shown.act, flags) {
            (What::Does(act), _) => act,
            (_, Some(flags)) => opening(flags, is_folder, found.is_ok()),
            (_, None) => Act::Read,
        };
        match found {
            Ok((path, _)) => self.observed.path(&path, act, true),
            Err(_) => self.observed.path(&normal(&path), act, false),
        }
        Ok(())
    }
}

fn opening(flags: OFlag, is_folder: bool, there: bool) -> Act {
    let temporary = flags.bits() & libc::O_TMPFILE == libc::O_TMPFILE;
    let writes = flags & OFlag::O_ACCMODE != OFlag::O_RDONLY || flags.contains(OFlag::O_TRUNC) || temporary;
    match flags.contains(OFlag::O_PATH) {
        true => Act::Look,
        false if writes || flags.contains(OFlag::O_CREAT) && !there => Act::Change,
        false if is_folder => Act::List,
        false => Act::Read,
    }
}

fn link(path: &str) -> nix::Result<PathBuf> {
    fs::read_link(path).map_err(|_| Errno::ENOENT)
}

/// The path, free of links, of what a path leads to in the box, and whether that is a folder.
fn find(root: std::os::fd::BorrowedFd, path: &Path, follow: bool) -> nix::Result<(PathBuf, bool)> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let last = if follow { 0 } else { libc::O_NOFOLLOW };
    let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    let fd = sys::openat2_for_server(root, &path, libc::O_PATH | last, resolve)?;
    let is_folder = fstat(&fd)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
    Ok((path_of(fd.as_fd())?.into(), is_folder))
}

/// The path without `.` and `..`, which is what it would mean if no part of it were a link.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::Normal(name) => normal.push(name),
            _ => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_open_does_stands_in_its_flags() {
        let (read, write, create) = (OFlag::O_RDONLY, OFlag::O_WRONLY, OFlag::O_CREAT);
        for (flags, is_folder, there, act) in [
            (read, false, true, Act::Read),
            (read | OFlag::O_CLOEXEC, false, false, Act::Read),
            (read, true, true, Act::List),
            (OFlag::O_DIRECTORY, true, true, Act::List),
            (OFlag::O_PATH | OFlag::O_DIRECTORY, true, true, Act::Look),
            (write, false, true, Act::Change),
            (OFlag::O_RDWR | create, false, false, Act::Change),
            (read | create, false, true, Act::Read),
            (read | create, false, false, Act::Change),
            (read | OFlag::O_TRUNC, false, true, Act::Change),
            (
                OFlag::from_bits_retain(libc::O_TMPFILE) | OFlag::O_RDWR,
                true,
                true,
                Act::Change,
            ),
        ] {
            assert_eq!(opening(flags, is_folder, there), act, "{flags:?}");
        }
    }

    #[test]
    fn paths_lose_their_dots() {
        for (path, expected) in [
            ("/a/./b//c", "/a/b/c"),
            ("/a/../b", "/b"),
            ("/../..", "/"),
            ("/a/b/..", "/a"),
        ] {
            assert_eq!(normal(Path::new(path)), Path::new(expected));
        }
    }
}
