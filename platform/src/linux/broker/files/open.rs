//! open(2) and truncate(2) for the server: first the object without opening it, then the rules, then that very object.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::asked::{Base, Name};
use super::find::{self, Found, Root};
use super::missed::Outcome;
use super::{Deed, Desk, Done, with_umask_of};
use crate::files::{Act, What};

/// `__O_TMPFILE` of the uapi, without the folder flag that goes with it.
const TEMPORARY: OFlag = OFlag::from_bits_retain(libc::O_TMPFILE & !libc::O_DIRECTORY);

impl Desk {
    pub(super) fn open(&mut self, root: &Root, name: Name, flags: OFlag, mode: u32, thread: Pid) -> Done {
        let exclusive = flags.contains(OFlag::O_CREAT | OFlag::O_EXCL);
        let follow = !flags.contains(OFlag::O_NOFOLLOW) && !exclusive;
        if matches!(name.base, Base::Descriptor(_)) && !follow {
            return Ok(Deed::Kernels);
        }
        let again = name.copy();
        match find::named_object(root, name, follow) {
            Ok(found) => self.open_found(&found, flags, mode, thread),
            Err(Errno::ENOENT) if flags.contains(OFlag::O_CREAT) => match again {
                Some(name) => self.create(root, name, flags, mode, thread),
                None => Ok(Deed::Kernels),
            },
            Err(_) => self.kernels_open(flags),
        }
    }

    fn open_found(&mut self, found: &Found, flags: OFlag, mode: u32, thread: Pid) -> Done {
        let temporary = flags.contains(TEMPORARY);
        let changes =
            temporary || flags.contains(OFlag::O_TRUNC) || flags & OFlag::O_ACCMODE != OFlag::O_RDONLY;
        let ours = self
            .place(&found.path)
            .is_some_and(|place| place.brokered.reads || changes && place.brokered.writes);
        if !ours {
            return self.kernels_open(flags);
        }
        match found.kind() {
            // Whose content nobody keeps from the server: names may be seen.
            libc::S_IFDIR if !temporary => return Ok(Deed::Kernels),
            libc::S_IFDIR | libc::S_IFREG | libc::S_IFIFO => {}
            libc::S_IFLNK => return Err(Errno::ELOOP),
            // Sockets cannot be opened, and no mount shows a device.
            _ => return Ok(Deed::Kernels),
        }
        if flags.contains(OFlag::O_CREAT | OFlag::O_EXCL) {
            return Err(Errno::EEXIST);
        }
        if flags.contains(OFlag::O_DIRECTORY) && !temporary {
            return Err(Errno::ENOTDIR);
        }
        self.judge_object(found, Act::Read)?;
        if changes {
            self.judge_object(found, Act::Change)?;
        }
        let fd = match temporary {
            true => with_umask_of(thread, || found.make_temporary(flags, mode)),
            false => found.open_waiting_for_nobody(flags),
        }?;
        Ok(Deed::Done(opened(fd, flags, temporary)))
    }

    fn create(&mut self, root: &Root, name: Name, flags: OFlag, mode: u32, thread: Pid) -> Done {
        let Some(entry) = self.entry(root, name)? else {
            return Ok(Deed::Kernels);
        };
        // A name with a slash behind it is a folder's, which open(2) makes none.
        if self.place(&entry.path).is_none() || entry.name.as_bytes().ends_with(b"/") {
            return self.kernels_open(flags);
        }
        self.judge(&entry.path, What::File, Act::Change)?;
        let flags_of_new = flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(mode);
        let made = with_umask_of(thread, || {
            openat(entry.folder.fd.as_fd(), entry.name.as_c_str(), flags_of_new, mode)
        });
        match made {
            Ok(fd) => Ok(Deed::Done(opened(fd, flags, true))),
            // A link that leads nowhere: what it would make there is not followed. Or somebody was faster.
            Err(Errno::EEXIST) if !flags.contains(OFlag::O_EXCL) => Err(Errno::EACCES),
            Err(errno) => Err(errno),
        }
    }

    /// A call that is the kernel's. Before its ABI 3 Landlock lets what is open for reading be truncated.
    fn kernels_open(&self, flags: OFlag) -> Done {
        let truncates = flags.contains(OFlag::O_TRUNC) && flags & OFlag::O_ACCMODE == OFlag::O_RDONLY;
        match truncates && !self.truncation {
            true => Err(Errno::EACCES),
            false => Ok(Deed::Kernels),
        }
    }

    /// All of them, wherever they are: see [`Desk::kernels_open`]. What is not brokered has its mount to say whether it can
    /// be changed.
    pub(super) fn truncate(&mut self, root: &Root, name: Name, length: i64, thread: Pid) -> Done {
        let found = match find::named_object(root, name, true) {
            Ok(found) => found,
            Err(_) if self.truncation => return Ok(Deed::Kernels),
            Err(errno) => return Err(errno),
        };
        if !self.writes(&found.path) && self.truncation {
            return Ok(Deed::Kernels);
        }
        match found.kind() {
            libc::S_IFDIR => return Err(Errno::EISDIR),
            libc::S_IFREG => {}
            _ => return Err(Errno::EINVAL),
        }
        if length < 0 {
            return Err(Errno::EINVAL);
        }
        if length > largest_file(thread)? {
            return Err(Errno::EFBIG);
        }
        self.judge_object(&found, Act::Read)?;
        self.judge_object(&found, Act::Change)?;
        let fd = found.open_waiting_for_nobody(OFlag::O_WRONLY)?;
        nix::unistd::ftruncate(fd, length)?;
        Ok(Deed::Done(Outcome::Changed))
    }
}

impl Name {
    /// For a second look-up; nothing for an open file, which exists.
    fn copy(&self) -> Option<Name> {
        let base = match &self.base {
            Base::Root => Base::Root,
            Base::Folder(fd) => Base::Folder(fd.try_clone().ok()?),
            Base::Descriptor(_) => return None,
        };
        let path = self.path.clone();
        Some(Name { base, path })
    }
}

impl Found {
    /// A pipe without its other side, or a file that another program has leased (fcntl(2)), would keep us waiting. So a
    /// pipe is opened as if its other side were there already, and O_NONBLOCK is taken back where it was not asked for.
    fn open_waiting_for_nobody(&self, flags: OFlag) -> nix::Result<OwnedFd> {
        let of_names = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY;
        let fd = self.open(flags.difference(of_names) | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
        if !flags.contains(OFlag::O_NONBLOCK) {
            let open = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
            fcntl(&fd, FcntlArg::F_SETFL(open.difference(OFlag::O_NONBLOCK)))?;
        }
        Ok(fd)
    }

    fn make_temporary(&self, flags: OFlag, mode: u32) -> nix::Result<OwnedFd> {
        let mode = Mode::from_bits_truncate(mode);
        openat(self.fd.as_fd(), c".", flags | OFlag::O_CLOEXEC, mode)
    }
}

/// RLIMIT_FSIZE of the thread, which the kernel would hold it to (proc_pid_limits(5)).
fn largest_file(thread: Pid) -> nix::Result<i64> {
    let limits = std::fs::read_to_string(format!("/proc/{thread}/limits")).map_err(|_| Errno::ESRCH)?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file size"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => Ok(i64::MAX),
        Some(number) => Ok(number.parse().unwrap_or(i64::MAX)),
        None => Err(Errno::ESRCH),
    }
}

pub fn opened(fd: OwnedFd, flags: OFlag, made: bool) -> Outcome {
    Outcome::Opened {
        fd,
        close_on_exec: flags.contains(OFlag::O_CLOEXEC),
        made,
    }
}
