//! The new root, built through descriptors: no path string is resolved twice, no symbolic link is followed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, geteuid, symlinkat, unlinkat};

use super::sys::{self, Filesystem};
use crate::{Access, Bytes};

type Result<T> = nix::Result<T>;

/// A directory that every path of the plan is relative to.
pub struct Tree {
    root: OwnedFd,
    /// Directories of the root that hold targets, opened once.
    parents: RefCell<BTreeMap<PathBuf, Rc<OwnedFd>>>,
}

impl Tree {
    /// Mounts an empty tmpfs over `/`; it becomes visible by [`Tree::pivot`].
    pub fn mount(size: Bytes) -> Result<Self> {
        let root = tmpfs(size, 0o755)?;
        let slash = sys::openat2(sys::cwd(), c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
        sys::attach(root.as_fd(), slash.as_fd(), c"")?;
        Ok(Tree {
            root,
            parents: RefCell::default(),
        })
    }

    /// Attaches memory of `size` at `at`.
    pub fn tmpfs(&self, at: &Path, size: Bytes, mode: u32) -> Result<()> {
        self.attach_new(tmpfs(size, mode)?, at, SFlag::S_IFDIR)
    }

    /// Attaches a copy of the mount at `source`, with no way to gain rights or reach devices through it.
    pub fn bind(&self, source: &Source, at: &Path, access: Access, make_target: bool) -> Result<()> {
        let tree = sys::clone_tree(source.fd.as_fd(), c"")?;
        let read_only = if access == Access::Read {
            sys::MOUNT_ATTR_RDONLY
        } else {
            0
        };
        sys::set_mount_attributes(
            tree.as_fd(),
            sys::MOUNT_ATTR_NOSUID | sys::MOUNT_ATTR_NODEV | read_only,
            true,
        )?;
        if make_target {
            return self.attach_new(tree, at, source.kind);
        }
        let target = self.open_with(at, libc::O_PATH)?;
        check_kind(fstat(&target)?, source.kind)?;
        sys::attach(tree.as_fd(), target.as_fd(), c"")?;
        self.forget_below(at);
        Ok(())
    }

    /// Attaches the host's device `/dev/NAME` after checking that it is that device (CVE-2025-31133).
    pub fn device(&self, name: &str, major: u32, minor: u32) -> Result<()> {
        let path = Path::new("/dev").join(name);
        self.attach_new(device(&path, libc::makedev(major, minor))?, &path, SFlag::S_IFREG)
    }

    /// Attaches a new instance of devpts at `/dev/pts`.
    pub fn terminals(&self) -> Result<()> {
        let devpts = Filesystem::open(c"devpts")?;
        devpts.set(c"ptmxmode", Some(c"0666"))?;
        devpts.set(c"mode", Some(c"0620"))?;
        let mount = devpts.mount(sys::MOUNT_ATTR_NOSUID | sys::MOUNT_ATTR_NOEXEC)?;
        self.attach_new(mount, Path::new("/dev/pts"), SFlag::S_IFDIR)
    }

    /// Attaches the procfs of this PID namespace, read-only.
    ///
    /// # Errors
    /// EPERM where the host's own /proc is partly covered, as in most containers (mount_too_revealing).
    pub fn proc(&self) -> Result<()> {
        let attributes =
            sys::MOUNT_ATTR_RDONLY | sys::MOUNT_ATTR_NOSUID | sys::MOUNT_ATTR_NODEV | sys::MOUNT_ATTR_NOEXEC;
        self.attach_new(
            Filesystem::open(c"proc")?.mount(attributes)?,
            Path::new("/proc"),
            SFlag::S_IFDIR,
        )
    }

    /// Covers the file `at` with the null device; a file that does not exist needs no cover.
    pub fn mask(&self, at: &Path) -> Result<()> {
        let target = match self.open_with(at, libc::O_PATH) {
            Err(Errno::ENOENT) => return Ok(()),
            other => other?,
        };
        sys::attach(
            device(Path::new("/dev/null"), libc::makedev(1, 3))?.as_fd(),
            target.as_fd(),
            c"",
        )
    }

    /// Makes a folder, unless it is there.
    pub fn folder(&self, at: &Path) -> Result<()> {
        make_directories(self.root.as_fd(), at, 0o755).map(drop)
    }

    /// Makes a folder and mounts it onto itself.
    pub fn hold(&self, at: &Path) -> Result<()> {
        self.folder(at)?;
        let target = self.open_with(at, libc::O_PATH | libc::O_DIRECTORY)?;
        sys::attach(sys::clone_tree(target.as_fd(), c"")?.as_fd(), target.as_fd(), c"")?;
        self.forget_below(at);
        Ok(())
    }

    /// Makes a symbolic link, in place of another one that a persistent home kept from an earlier run.
    pub fn link(&self, at: &Path, target: &Path) -> Result<()> {
        let (parent, name) = self.parent(at)?;
        let make = || symlinkat(target, parent.as_fd(), name.as_c_str());
        match make() {
            Err(Errno::EEXIST) => match readlinkat(parent.as_fd(), name.as_c_str()) {
                Ok(found) if found == target.as_os_str() => Ok(()),
                Ok(_) => {
                    unlinkat(parent.as_fd(), name.as_c_str(), UnlinkatFlags::NoRemoveDir)?;
                    make()
                }
                Err(_) => Err(Errno::EEXIST),
            },
            made => made,
        }
    }

    /// Writes a new small file.
    pub fn file(&self, at: &Path, content: &[u8]) -> Result<()> {
        let (parent, name) = self.parent(at)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = nix::fcntl::openat(parent, name.as_c_str(), flags, Mode::from_bits_truncate(0o644))?;
        match nix::unistd::write(&file, content)? {
            written if written == content.len() => Ok(()),
            _ => Err(Errno::ENOSPC),
        }
    }

    /// Makes the tree the only root (pivot_root(2)) and read-only.
    pub fn pivot(&self) -> Result<()> {
        nix::unistd::fchdir(&self.root)?;
        // The old root lands on top of the new one and is detached from there: nothing of it needs a name.
        nix::unistd::pivot_root(".", ".")?;
        nix::mount::umount2(".", nix::mount::MntFlags::MNT_DETACH)?;
        nix::unistd::chdir("/")?;
        let attributes = sys::MOUNT_ATTR_RDONLY | sys::MOUNT_ATTR_NOSUID | sys::MOUNT_ATTR_NODEV;
        sys::set_mount_attributes(self.root.as_fd(), attributes, false)
    }

    /// Opens a file of the tree with the flags of open(2), following no symbolic link.
    pub fn open_with(&self, at: &Path, flags: i32) -> Result<OwnedFd> {
        sys::openat2(self.root.as_fd(), &inside(at)?, flags, sys::RESOLVE_NO_SYMLINKS)
    }

    /// Makes the target `at`, with its parents, and attaches the detached `mount` there. A symbolic link in its
    /// place is not followed: neither the walk to the parent nor move_mount(2) does.
    fn attach_new(&self, mount: OwnedFd, at: &Path, kind: SFlag) -> Result<()> {
        let (parent, name) = self.parent(at)?;
        let made = match kind {
            SFlag::S_IFDIR => mkdirat(parent.as_fd(), name.as_c_str(), Mode::from_bits_truncate(0o755)),
            _ => mknodat(
                parent.as_fd(),
                name.as_c_str(),
                SFlag::S_IFREG,
                Mode::from_bits_truncate(0o644),
                0,
            ),
        };
        match made {
            Err(Errno::EEXIST) => {
                let there = fstatat(parent.as_fd(), name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
                check_kind(there, kind)?;
            }
            other => other?,
        }
        sys::attach(mount.as_fd(), parent.as_fd(), &name)?;
        self.forget_below(at);
        Ok(())
    }

    /// The directory that holds `at`, made where missing, and the last name of `at`.
    fn parent(&self, at: &Path) -> Result<(Rc<OwnedFd>, CString)> {
        let name = cstring(Path::new(at.file_name().ok_or(Errno::EINVAL)?))?;
        let path = at.parent().ok_or(Errno::EINVAL)?;
        if let Some(known) = self.parents.borrow().get(path) {
            return Ok((known.clone(), name));
        }
        let parent = Rc::new(make_directories(self.root.as_fd(), path, 0o755)?);
        self.parents.borrow_mut().insert(path.into(), parent.clone());
        Ok((parent, name))
    }

    /// Directories that a new mount covers are not those that a path names now.
    fn forget_below(&self, at: &Path) {
        self.parents.borrow_mut().retain(|path, _| !path.starts_with(at));
    }
}

/// The source of a mount, opened without following a symbolic link anywhere.
pub struct Source {
    fd: OwnedFd,
    kind: SFlag,
    identity: (u64, u64),
}

impl Source {
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_fd(sys::openat2(
            sys::cwd(),
            &cstring(path)?,
            libc::O_PATH,
            sys::RESOLVE_NO_SYMLINKS,
        )?)
    }

    /// Makes the missing directories of an absolute host path, private to the user, and opens it. The last one is
    /// given to `owner`, whom the server runs as; those on the way to it stay the caller's.
    pub fn make(path: &Path, owner: Option<(u32, u32)>) -> Result<Self> {
        let root = sys::openat2(sys::cwd(), c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
        let made = make_directories(root.as_fd(), path, 0o700)?;
        if let Some((uid, gid)) = owner.filter(|(uid, _)| *uid != geteuid().as_raw()) {
            give(made.as_fd(), uid, gid)?;
        }
        Self::from_fd(made)
    }

    /// Whether both are the same object, by device and inode.
    pub fn is_same(&self, other: &Source) -> bool {
        self.identity == other.identity
    }

    fn from_fd(fd: OwnedFd) -> Result<Self> {
        let stat = fstat(&fd)?;
        let kind = SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT);
        Ok(Source {
            fd,
            kind,
            identity: (stat.st_dev, stat.st_ino),
        })
    }
}

fn make_directories(base: BorrowedFd, path: &Path, mode: u32) -> Result<OwnedFd> {
    let mut at = base.try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
    for part in path.components() {
        let name = match part {
            Component::Normal(name) => cstring(Path::new(name))?,
            Component::RootDir | Component::CurDir => continue,
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::EINVAL),
        };
        let open = || {
            let resolve = sys::RESOLVE_NO_SYMLINKS | sys::RESOLVE_BENEATH;
            sys::openat2(at.as_fd(), &name, libc::O_PATH | libc::O_DIRECTORY, resolve)
        };
        at = match open() {
            Err(Errno::ENOENT) => {
                make_directory(at.as_fd(), &name, mode)?;
                open()?
            }
            other => other?,
        };
    }
    Ok(at)
}

/// Gives a directory away, if it can only be the one just made: ours and empty. Whoever may write beside it
/// could have put another one in its place.
fn give(directory: BorrowedFd, uid: u32, gid: u32) -> Result<()> {
    let io = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let content = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let is_empty = std::fs::read_dir(content).map_err(io)?.next().is_none();
    if !is_empty || fstat(directory)?.st_uid != geteuid().as_raw() {
        return Err(Errno::ESTALE);
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    fchownat(directory, c"", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
}

fn make_directory(parent: BorrowedFd, name: &CStr, mode: u32) -> Result<()> {
    match mkdirat(parent, name, Mode::from_bits_truncate(mode)) {
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

/// A mount goes on a thing of its own kind. move_mount(2) says EINVAL to any other, as it does for much else; here a
/// symbolic link is ELOOP and the rest EEXIST.
fn check_kind(target: FileStat, kind: SFlag) -> Result<()> {
    match SFlag::from_bits_truncate(target.st_mode & libc::S_IFMT) {
        SFlag::S_IFLNK => Err(Errno::ELOOP),
        found if (found == SFlag::S_IFDIR) == (kind == SFlag::S_IFDIR) => Ok(()),
        _ => Err(Errno::EEXIST),
    }
}

/// A detached mount of one device file of the host. Read-only stops nobody from writing to the device, but a server
/// that runs as root from changing the mode, owner and times of the host's own node.
fn device(path: &Path, device: libc::dev_t) -> Result<OwnedFd> {
    let tree = sys::clone_tree(sys::cwd(), &cstring(path)?)?;
    let stat = fstat(&tree)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFCHR || stat.st_rdev != device {
        return Err(Errno::ENODEV);
    }
    let attributes = sys::MOUNT_ATTR_RDONLY | sys::MOUNT_ATTR_NOSUID | sys::MOUNT_ATTR_NOEXEC;
    sys::set_mount_attributes(tree.as_fd(), attributes, false)?;
    Ok(tree)
}

fn tmpfs(size: Bytes, mode: u32) -> Result<OwnedFd> {
    let tmpfs = Filesystem::open(c"tmpfs")?;
    tmpfs.set(c"size", Some(&number(&size.0.to_string())?))?;
    // One inode per 4 KiB of size: what the kernel's own default gives, bound to the size we promise.
    tmpfs.set(c"nr_inodes", Some(&number(&(size.0 / 4096).max(64).to_string())?))?;
    tmpfs.set(c"mode", Some(&number(&format!("{mode:o}"))?))?;
    tmpfs.mount(sys::MOUNT_ATTR_NOSUID | sys::MOUNT_ATTR_NODEV)
}

/// `/a/b` as `a/b`, for a look-up relative to the root.
fn inside(at: &Path) -> Result<CString> {
    let relative = at.strip_prefix("/").map_err(|_| Errno::EINVAL)?;
    cstring(if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    })
}

fn cstring(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn number(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Errno::EINVAL)
}
