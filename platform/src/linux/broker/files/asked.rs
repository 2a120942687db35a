//! What a call on files asks for: its arguments read once, into memory of ours.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::super::super::notify::Notification;
use super::super::super::sys;
use super::super::caller::{self, Callers};
use super::super::duplicate::Duplicate;

/// A path, and the folder that it begins at.
pub struct Name {
    pub base: Base,
    pub path: CString,
}

pub enum Base {
    /// The path is absolute.
    Root,
    Folder(OwnedFd),
    /// The path is empty, or one that leads to a descriptor of the caller's own, this one.
    Descriptor(Duplicate),
}

/// One call.
pub enum Asked {
    Open { name: Name, flags: OFlag, mode: u32 },
    Truncate { name: Name, length: i64 },
    Folder { name: Name, mode: u32 },
    Node { name: Name, mode: u32 },
    Link { target: CString, name: Name },
    HardLink { from: Name, follow: bool, to: Name },
    Rename { from: Name, to: Name, flags: u32 },
    Remove { name: Name, folder: bool },
}

const HERE: u64 = libc::AT_FDCWD as u32 as u64;

impl Asked {
    /// Reads the arguments of a call; nothing for a call that is none on files.
    ///
    /// # Errors
    /// EFAULT, EBADF and the like, as the call itself would answer.
    pub fn read(notification: &Notification, callers: &mut Callers) -> nix::Result<Option<Self>> {
        let (call, [a, b, c, d, e]) = newest(notification);
        let mut name = |folder: u64, path: u64| Name::read(notification, folder, path, callers);
        Ok(Some(match call {
            libc::SYS_openat => Asked::Open {
                name: name(a, b)?,
                flags: OFlag::from_bits_retain(c as i32),
                mode: d as u32,
            },
            libc::SYS_mkdirat => Asked::Folder {
                name: name(a, b)?,
                mode: c as u32,
            },
            libc::SYS_mknodat => Asked::Node {
                name: name(a, b)?,
                mode: c as u32,
            },
            libc::SYS_symlinkat => Asked::Link {
                target: text(notification, a)?,
                name: name(b, c)?,
            },
            libc::SYS_linkat => hard_link(notification, [a, b, c, d], e as i32, callers)?,
            libc::SYS_renameat2 => Asked::Rename {
                from: name(a, b)?,
                to: name(c, d)?,
                flags: e as u32,
            },
            libc::SYS_unlinkat if c as i32 & !libc::AT_REMOVEDIR != 0 => return Err(Errno::EINVAL),
            libc::SYS_unlinkat => Asked::Remove {
                name: name(a, b)?,
                folder: c as i32 & libc::AT_REMOVEDIR != 0,
            },
            libc::SYS_truncate => Asked::Truncate {
                name: name(HERE, a)?,
                length: b as i64,
            },
            _ => return Ok(None),
        }))
    }
}

/// A call by its newest form, and the arguments that this has. Only some architectures have the older ones.
fn newest(notification: &Notification) -> (i64, [u64; 5]) {
    let [a, b, c, d, e, _] = notification.arguments;
    match notification.call {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => (libc::SYS_openat, [HERE, a, b, c, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat => {
            let flags = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64;
            (libc::SYS_openat, [HERE, a, flags, b, 0])
        }
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => (libc::SYS_mkdirat, [HERE, a, b, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mknod => (libc::SYS_mknodat, [HERE, a, b, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_symlink => (libc::SYS_symlinkat, [a, HERE, b, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_link => (libc::SYS_linkat, [HERE, a, HERE, b, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => (libc::SYS_renameat2, [HERE, a, HERE, b, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_renameat => (libc::SYS_renameat2, [a, b, c, d, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink => (libc::SYS_unlinkat, [HERE, a, 0, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rmdir => (libc::SYS_unlinkat, [HERE, a, libc::AT_REMOVEDIR as u64, 0, 0]),
        call => (call, [a, b, c, d, e]),
    }
}

fn hard_link(
    notification: &Notification,
    [from_folder, from, to_folder, to]: [u64; 4],
    flags: i32,
    callers: &mut Callers,
) -> nix::Result<Asked> {
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = text(notification, from)?;
    let of_descriptor = path.is_empty() && flags & libc::AT_EMPTY_PATH != 0;
    let from = match of_descriptor && from_folder as i32 != libc::AT_FDCWD {
        true => Name {
            base: Base::Descriptor(descriptor(notification, from_folder as RawFd, callers)?),
            path,
        },
        false => Name::of(notification, from_folder, path, callers)?,
    };
    Ok(Asked::HardLink {
        from,
        follow: flags & libc::AT_SYMLINK_FOLLOW != 0,
        to: Name::read(notification, to_folder, to, callers)?,
    })
}

impl Name {
    fn read(notification: &Notification, folder: u64, path: u64, callers: &mut Callers) -> nix::Result<Self> {
        Self::of(notification, folder, text(notification, path)?, callers)
    }

    fn of(
        notification: &Notification,
        folder: u64,
        path: CString,
        callers: &mut Callers,
    ) -> nix::Result<Self> {
        let thread = notification.thread;
        let base = match own_descriptor(path.as_bytes()) {
            Some(number) => Base::Descriptor(descriptor(notification, number, callers)?),
            None if path.is_empty() => return Err(Errno::ENOENT),
            None if path.as_bytes()[0] == b'/' => Base::Root,
            None if folder as i32 == libc::AT_FDCWD => {
                let cwd = CString::new(format!("/proc/{thread}/cwd")).map_err(|_| Errno::EINVAL)?;
                Base::Folder(sys::openat2(
                    sys::cwd(),
                    &cwd,
                    libc::O_PATH | libc::O_DIRECTORY,
                    0,
                )?)
            }
            None => {
                let fd = callers.descriptor(thread, folder as RawFd)?;
                let kind = nix::sys::stat::fstat(fd.as_fd())?.st_mode & libc::S_IFMT;
                if kind != libc::S_IFDIR {
                    // It may be a socket that closing waits for.
                    drop(Duplicate::new(fd));
                    return Err(Errno::ENOTDIR);
                }
                Base::Folder(fd)
            }
        };
        Ok(Name { base, path })
    }
}

fn descriptor(notification: &Notification, number: RawFd, callers: &mut Callers) -> nix::Result<Duplicate> {
    callers
        .descriptor(notification.thread, number)
        .map(Duplicate::new)
}

/// The number in a path that leads to an open file of whoever uses it (proc_pid_fd(5)).
fn own_descriptor(path: &[u8]) -> Option<RawFd> {
    match path {
        b"/dev/stdin" => return Some(0),
        b"/dev/stdout" => return Some(1),
        b"/dev/stderr" => return Some(2),
        _ => {}
    }
    let folders: [&[u8]; 3] = [b"/proc/self/fd/", b"/proc/thread-self/fd/", b"/dev/fd/"];
    let number = folders.iter().find_map(|folder| path.strip_prefix(*folder))?;
    let digits = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(number).ok()?.parse().ok())
        .flatten()
}

/// The string at an address, read no further than to the end of its page: what follows may not be there.
///
/// # Errors
/// EFAULT, and ENAMETOOLONG for what is longer than a path can be (path_resolution(7)).
pub fn text(notification: &Notification, address: u64) -> nix::Result<CString> {
    const PAGE: u64 = 4096;
    /// As long as most paths are.
    const FIRST: u64 = 256;
    let mut bytes = Vec::new();
    while bytes.len() < libc::PATH_MAX as usize {
        let at = address.checked_add(bytes.len() as u64).ok_or(Errno::EFAULT)?;
        let rest = PAGE - at % PAGE;
        let length = if bytes.is_empty() { rest.min(FIRST) } else { rest } as usize;
        let more = caller::memory(notification.thread, at, length)?;
        if let Some(end) = more.iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(&more[..end]);
            let fits = bytes.len() < libc::PATH_MAX as usize;
            return match fits {
                true => CString::new(bytes).map_err(|_| Errno::EINVAL),
                false => Err(Errno::ENAMETOOLONG),
            };
        }
        bytes.extend(more);
    }
    Err(Errno::ENAMETOOLONG)
}

#[cfg(test)]
mod tests {
    use super::own_descriptor;

    #[test]
    fn own_descriptors_are_known_by_their_paths() {
        for (path, number) in [
            ("/proc/self/fd/7", Some(7)),
            ("/dev/fd/0", Some(0)),
            ("/dev/stderr", Some(2)),
            ("/proc/self/fd/", None),
            ("/proc/self/fd/7/a", None),
            ("/proc/1/fd/7", None),
            ("/proc/self/fd/-1", None),
        ] {
            assert_eq!(own_descriptor(path.as_bytes()), number, "{path}");
        }
    }
}
