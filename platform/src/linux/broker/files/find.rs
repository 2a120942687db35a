//! From a path of the caller to the object it names, and from the object to the name it has.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlink};
use nix::sys::stat::{FileStat, fstat, fstatat};
use nix::unistd::Pid;

use super::super::super::sys;
use super::super::caller;
use super::super::duplicate::Duplicate;
use super::asked::{Base, Name};
use crate::files::What;

/// The box's root, and the mounts that are seen from it: the same for all of the box, since nobody in it may change them.
pub struct Root {
    pub fd: OwnedFd,
    /// By their numbers (proc_pid_mountinfo(5)).
    mounts: HashSet<u64>,
}

impl Root {
    /// As the thread sees it.
    pub fn of(thread: Pid) -> nix::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{thread}/mountinfo")).map_err(|_| Errno::ESRCH)?;
        let number = |line: &str| line.split(' ').next()?.parse().ok();
        Ok(Root {
            fd: caller::root(thread)?,
            mounts: text.lines().filter_map(number).collect(),
        })
    }

    /// Whether an open folder or file is seen from here. One that came from elsewhere has a name too, of another root.
    pub fn holds(&self, fd: BorrowedFd) -> bool {
        sys::mount_of(fd).is_ok_and(|mount| self.mounts.contains(&mount))
    }
}

/// An object that was found, held open.
pub struct Found {
    pub fd: Held,
    /// In the box; with what the kernel adds when the name is gone.
    pub path: PathBuf,
    pub stat: FileStat,
}

pub enum Held {
    Own(OwnedFd),
    Caller(Duplicate),
}

/// A name in a folder that was found.
pub struct Entry {
    pub folder: Found,
    /// The name, with the slashes behind it.
    pub name: CString,
    /// In the box.
    pub path: PathBuf,
}

/// What the kernel adds to the path of an object whose name is gone (proc_pid_fd(5)).
pub const GONE: &str = " (deleted)";

/// The object that a name leads to. Links are followed inside the box's `root` alone, the last one if `follow`; the links
/// of /proc that lead to open files are not, since they would be ours.
///
/// # Errors
/// Those of openat2(2).
pub fn object(root: &Root, name: Name, follow: bool) -> nix::Result<Found> {
    let last = if follow { 0 } else { libc::O_NOFOLLOW };
    let fd = match name.base {
        Base::Descriptor(fd) => Held::Caller(fd),
        base => Held::Own(open(root, &base, &name.path, libc::O_PATH | last)?),
    };
    Found::of(fd)
}

/// The object that a name leads to, to be opened again. An open file of the caller's is looked up by the name it has: it may
/// have been opened outside of the box, where another mount would let it be changed.
///
/// # Errors
/// Those of openat2(2); ESTALE for an open file that is not what its name leads to.
pub fn named_object(root: &Root, name: Name, follow: bool) -> nix::Result<Found> {
    let of_caller = matches!(name.base, Base::Descriptor(_));
    let found = object(root, name, follow)?;
    if !of_caller {
        return Ok(found);
    }
    let path = CString::new(found.path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    if !found.path.is_absolute() {
        return Err(Errno::ESTALE);
    }
    let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS;
    let here = sys::openat2_for_server(root.fd.as_fd(), &path, libc::O_PATH, resolve)?;
    let here = Found::of(Held::Own(here))?;
    let same = (here.stat.st_dev, here.stat.st_ino) == (found.stat.st_dev, found.stat.st_ino);
    same.then_some(here).ok_or(Errno::ESTALE)
}

/// The folder that a name's last part lies in. Nothing for a name without one: `/`, `.`, `..`.
pub fn entry(root: &Root, name: Name) -> nix::Result<Option<Entry>> {
    let path = name.path.as_bytes();
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let start = path[..end]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    let last = &path[start..end];
    if last.is_empty() || last == b"." || last == b".." || matches!(name.base, Base::Descriptor(_)) {
        return Ok(None);
    }
    let folder: &[u8] = if start == 0 { b"." } else { &path[..start] };
    let folder = CString::new(folder).map_err(|_| Errno::EINVAL)?;
    let fd = open(root, &name.base, &folder, libc::O_PATH | libc::O_DIRECTORY)?;
    let folder = Found::of(Held::Own(fd))?;
    Ok(Some(Entry {
        path: folder.path.join(OsStr::from_bytes(last)),
        name: CString::new(&path[start..]).map_err(|_| Errno::EINVAL)?,
        folder,
    }))
}

/// The path of the box that a name spells, with links in it not followed and `.` and `..` as they stand; none for a
/// descriptor.
pub fn written(name: &Name) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(name.path.as_bytes()));
    match &name.base {
        Base::Descriptor(_) => None,
        Base::Folder(folder) => Some(Path::new(&path_of(folder.as_fd()).ok()?).join(path)),
        _ => Some(Path::new("/").join(path)),
    }
}

/// A relative path is first looked up below its folder alone. Where it leads out of that, by `..` or a link, it is looked up
/// from the root: what an absolute link means can be told from there only.
///
/// # Errors
/// Those of openat2(2); EXDEV for a folder that is not the box's.
fn open(root: &Root, base: &Base, path: &CStr, flags: i32) -> nix::Result<OwnedFd> {
    let in_root = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    let Base::Folder(folder) = base else {
        return sys::openat2_for_server(root.fd.as_fd(), path, flags, in_root);
    };
    if !root.holds(folder.as_fd()) {
        return Err(Errno::EXDEV);
    }
    let below = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    match sys::openat2_for_server(folder.as_fd(), path, flags, below) {
        Err(Errno::EXDEV) => {}
        other => return other,
    }
    let mut absolute = path_of(folder.as_fd())?.into_vec();
    absolute.push(b'/');
    absolute.extend_from_slice(path.to_bytes());
    let absolute = CString::new(absolute).map_err(|_| Errno::EINVAL)?;
    sys::openat2_for_server(root.fd.as_fd(), &absolute, flags, in_root)
}

/// The name of an object, relative to the root of the mount tree it lies in, which is the box's root.
pub fn path_of(fd: BorrowedFd) -> nix::Result<OsString> {
    readlink(our_name(fd).as_c_str())
}

/// A path of ours to an open descriptor of ours.
pub fn our_name(fd: BorrowedFd) -> CString {
    CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("a number holds no zero byte")
}

impl Found {
    /// # Errors
    /// Those of readlink(2) and fstat(2).
    pub fn of(fd: Held) -> nix::Result<Self> {
        let path = path_of(fd.as_fd())?.into();
        let stat = fstat(fd.as_fd())?;
        Ok(Found { fd, path, stat })
    }

    pub fn kind(&self) -> u32 {
        self.stat.st_mode & libc::S_IFMT
    }

    pub fn what(&self) -> What {
        what(&self.stat)
    }

    /// The names that the object is judged by: the one it has, and the one it had.
    pub fn names(&self) -> impl Iterator<Item = &Path> {
        let gone = self.path.as_os_str().as_bytes().strip_suffix(GONE.as_bytes());
        let gone = gone.map(|path| Path::new(OsStr::from_bytes(path)));
        gone.into_iter().chain([self.path.as_path()])
    }

    /// Opens the very object again.
    pub fn open(&self, flags: OFlag) -> nix::Result<OwnedFd> {
        let name = our_name(self.fd.as_fd());
        nix::fcntl::open(
            name.as_c_str(),
            flags | OFlag::O_CLOEXEC,
            nix::sys::stat::Mode::empty(),
        )
    }
}

impl Entry {
    /// What is there; nothing if there is nothing.
    pub fn what(&self) -> nix::Result<Option<What>> {
        let bytes = self.name.as_bytes();
        let end = bytes
            .iter()
            .rposition(|byte| *byte != b'/')
            .map_or(0, |at| at + 1);
        let name = CString::new(&bytes[..end]).map_err(|_| Errno::EINVAL)?;
        match fstatat(
            self.folder.fd.as_fd(),
            name.as_c_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) => Ok(Some(what(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

fn what(stat: &FileStat) -> What {
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => What::Folder,
        libc::S_IFLNK => What::Link,
        _ => What::File,
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Held::Own(fd) => fd.as_fd(),
            Held::Caller(fd) => fd.as_fd(),
        }
    }
}
