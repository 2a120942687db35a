//! Whoever waits for an answer: its memory, its descriptors, its root.
//!
//! Everything is read through the number of the waiting thread. The number cannot be another's while the call waits, so
//! one look whether it still waits, after all reading, vouches for everything that was read.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::super::sys;

/// Threads that have called before.
#[derive(Default)]
pub struct Callers(HashMap<Pid, Caller>);

/// What is kept of a thread.
struct Caller {
    pidfd: OwnedFd,
    /// `/proc/THREAD/fdinfo/NUMBER` of the number that was asked for last. The kernel looks the number up whenever the file
    /// is read; it stays this thread's, and tells nothing when the thread has ended.
    flags: Option<(RawFd, File)>,
    /// Its numbers of epoll instances, and when they were looked for.
    epolls: Option<(Instant, Vec<RawFd>)>,
}

/// How long after it was told of, an epoll instance may still be in the making.
const MAKING: Duration = Duration::from_millis(100);

/// How many are kept; all are dropped when there are more. Each takes two descriptors of ours.
const MOST_KEPT: usize = 64;

impl Callers {
    /// A duplicate of a descriptor of the thread, pidfd_getfd(2).
    ///
    /// # Errors
    /// EBADF when it has none of that number, ESRCH when it is gone.
    pub fn descriptor(&mut self, thread: Pid, number: RawFd) -> nix::Result<OwnedFd> {
        if let Some(caller) = self.0.get(&thread) {
            match sys::pidfd_getfd(caller.pidfd.as_fd(), number) {
                // A thread of the same number that has ended since.
                Err(Errno::ESRCH) => drop(self.0.remove(&thread)),
                other => return other,
            }
        }
        let pidfd = open_thread(thread)?;
        let fd = sys::pidfd_getfd(pidfd.as_fd(), number);
        if self.0.len() >= MOST_KEPT {
            self.0.clear();
        }
        let caller = Caller {
            pidfd,
            flags: None,
            epolls: None,
        };
        self.0.insert(thread, caller);
        fd
    }

    /// The thread's numbers of epoll instances, as `look` finds them. Looking takes time in a process with many descriptors,
    /// so it is done again only when an instance was `made` since.
    pub fn epolls(&mut self, thread: Pid, made: Instant, look: impl Fn(Pid) -> Vec<RawFd>) -> Vec<RawFd> {
        let Some(caller) = self.0.get_mut(&thread) else {
            return look(thread);
        };
        match &caller.epolls {
            Some((at, numbers)) if *at > made + MAKING => numbers.clone(),
            _ => {
                let now = Instant::now();
                let (_, numbers) = caller.epolls.insert((now, look(thread)));
                numbers.clone()
            }
        }
    }

    /// All flags of a descriptor, its own and those of what is open (proc_pid_fdinfo(5)); nothing where the table cannot be
    /// read: that of a process that is not dumpable, by an ordinary user.
    pub fn flags(&mut self, thread: Pid, number: RawFd) -> Option<OFlag> {
        let caller = self.0.get_mut(&thread)?;
        let file = match caller.flags.take() {
            Some((of, file)) if of == number => file,
            _ => File::open(format!("/proc/{thread}/fdinfo/{number}")).ok()?,
        };
        let mut bytes = [0; 128];
        let length = file.read_at(&mut bytes, 0).ok()?;
        caller.flags = Some((number, file));
        let text = std::str::from_utf8(&bytes[..length]).ok()?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
        Some(OFlag::from_bits_retain(flags))
    }
}

/// Whether a descriptor with these flags closes when its owner executes another program.
///
/// One whose flags are unknown does, as nearly all do: a program that is never given it loses less than a program that is
/// given it by mistake.
pub fn closes_on_exec(flags: Option<OFlag>) -> bool {
    flags.is_none_or(|flags| flags.contains(OFlag::O_CLOEXEC))
}

/// A descriptor of the thread itself; before Linux 6.9 of its process, which has the same descriptors unless the thread
/// has unshared them. The broker then acts on the process' descriptor: another socket of the same box, judged the same.
fn open_thread(thread: Pid) -> nix::Result<OwnedFd> {
    match sys::open_thread_pidfd(thread) {
        Err(Errno::EINVAL) => sys::open_pidfd(process_of(thread)?),
        other => other,
    }
}

/// The process that a thread belongs to (`Tgid` of proc_pid_status(5)).
pub fn process_of(thread: Pid) -> nix::Result<Pid> {
    let status = sys::read_proc(format!("/proc/{thread}/status")).map_err(|_| Errno::ESRCH)?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    let number = line.and_then(|number| number.trim().parse().ok());
    number.map(Pid::from_raw).ok_or(Errno::ESRCH)
}

/// Reads `length` bytes at `address`, process_vm_readv(2).
///
/// # Errors
/// EFAULT when not all of them can be read, as the call itself would answer.
pub fn memory(thread: Pid, address: u64, length: usize) -> nix::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let remote = [RemoteIoVec {
        base: usize::try_from(address).map_err(|_| Errno::EFAULT)?,
        len: length,
    }];
    match process_vm_readv(thread, &mut [IoSliceMut::new(&mut bytes)], &remote) {
        Ok(read) if read == length => Ok(bytes),
        Ok(_) | Err(Errno::EFAULT) => Err(Errno::EFAULT),
        Err(errno) => Err(errno),
    }
}

/// The root that the thread's paths begin at, which is the same for all of the box: nobody in it may change it.
pub fn root(thread: Pid) -> nix::Result<OwnedFd> {
    let path = CString::new(format!("/proc/{thread}/root")).map_err(|_| Errno::EINVAL)?;
    sys::openat2(sys::cwd(), &path, libc::O_PATH | libc::O_DIRECTORY, 0)
}

/// Where the paths of a thread begin. Taken while its call waits for certain; what is found from there is the box's.
pub struct Place {
    root: OwnedFd,
    /// The current folder, relative to the root of the mount tree it lies in, which is the box's root.
    folder: PathBuf,
}

impl Place {
    pub fn of(thread: Pid) -> nix::Result<Self> {
        Ok(Place {
            root: root(thread)?,
            folder: std::fs::read_link(format!("/proc/{thread}/cwd")).map_err(|_| Errno::ENOENT)?,
        })
    }

    /// Opens what a path names, without following a link out of the root.
    ///
    /// # Errors
    /// Those of openat2(2); ELOOP for the links of /proc that lead to open files, since they would be ours.
    pub fn open(&self, path: &[u8]) -> nix::Result<OwnedFd> {
        let mut absolute = Vec::new();
        if !path.starts_with(b"/") {
            absolute.extend_from_slice(self.folder.as_os_str().as_encoded_bytes());
            absolute.push(b'/');
        }
        absolute.extend_from_slice(path);
        let absolute = CString::new(absolute).map_err(|_| Errno::EINVAL)?;
        let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
        sys::openat2_for_server(self.root.as_fd(), &absolute, libc::O_PATH, resolve)
    }
}
