//! The common case: a file that is only read, by a path without links. One openat2(2) finds and opens it.
//!
//! What the path says is then what the object is called, so it is judged before anything is opened: names below a brokered
//! mount change through this thread alone as far as the server goes. Whatever is not plain, not allowed or not there is
//! left to the long way, which starts anew.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::fstat;

use super::super::super::sys;
use super::Desk;
use super::asked::{Base, Name};
use super::find::path_of;
use super::missed::Outcome;
use super::open::opened;

/// What a plain open may ask for besides reading.
const PLAIN: OFlag = OFlag::O_CLOEXEC
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_NOFOLLOW)
    .union(LARGE);
/// O_LARGEFILE as programs of all libraries pass it; libc says 0 where the kernel adds it by itself.
const LARGE: OFlag = OFlag::from_bits_retain(0o100_000);

/// The folder that was found last about which no rule says anything, nor about those around it.
#[derive(Default)]
pub struct Clear(RefCell<OsString>);

impl Desk {
    /// The file, open; nothing if it takes more to tell.
    ///
    /// Whether the call still waited when its path was read need not be known: nothing was changed, and the kernel gives the
    /// file to nobody else.
    pub(super) fn open_plain(&mut self, name: &Name, flags: OFlag) -> Option<Outcome> {
        if !PLAIN.contains(flags) || !is_plain(name.path.as_bytes()) {
            return None;
        }
        let root = self.root.as_ref()?;
        let written = Path::new(OsStr::from_bytes(name.path.as_bytes()));
        let from_folder;
        let (folder, path) = match &name.base {
            Base::Root => (root.fd.as_fd(), written),
            Base::Folder(folder) if root.holds(folder.as_fd()) => {
                from_folder = Path::new(&path_of(folder.as_fd()).ok()?).join(written);
                (folder.as_fd(), from_folder.as_path())
            }
            Base::Folder(_) | Base::Descriptor(_) => return None,
        };
        if !self.may_be_read(path) {
            return None;
        }
        let within = match name.base {
            Base::Root => libc::RESOLVE_IN_ROOT,
            _ => libc::RESOLVE_BENEATH,
        };
        // Nothing that a pipe or a lease would make us wait for.
        let wanted = (flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        let fd =
            sys::openat2_for_server(folder, &name.path, wanted, within | libc::RESOLVE_NO_SYMLINKS).ok()?;
        let stat = fstat(&fd).ok()?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG || stat.st_nlink != 1 {
            return None;
        }
        if !flags.contains(OFlag::O_NONBLOCK) {
            fcntl(&fd, FcntlArg::F_SETFL(flags)).ok()?;
        }
        Some(opened(fd, flags, false))
    }

    /// Whether a name of the box lies where reading is brokered, and no rule says anything about it.
    fn may_be_read(&self, path: &Path) -> bool {
        let Some(place) = self.files.place_of(path).filter(|place| place.brokered.reads) else {
            return false;
        };
        let Some(host) = place.host_path(path) else {
            return false;
        };
        let Some(folder) = host.parent() else { return false };
        let Ok(rules) = self.rules() else { return false };
        if *self.clear.0.borrow() != folder.as_os_str() {
            if !rules.silent_around(folder) {
                return false;
            }
            self.clear.0.replace(folder.as_os_str().to_owned());
        }
        rules.silent(&host, false)
    }
}

/// Whether every part of a path is a name.
fn is_plain(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let mut parts = path.split(|byte| *byte == b'/');
    parts.all(|part| !matches!(part, b"" | b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn plain_paths_have_nothing_but_names() {
        for path in ["/a", "/a/b.c", "a", "a/.b", "a/..b", "/a/..."] {
            assert!(is_plain(path.as_bytes()), "{path}");
        }
        for path in [
            "", "/", "//a", "/a/", "/a//b", ".", "./a", "a/.", "a/../b", "..", "/..",
        ] {
            assert!(!is_plain(path.as_bytes()), "{path}");
        }
    }
}
