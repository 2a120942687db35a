//! seccomp user notification: system calls of the box that wait for our answer (seccomp_unotify(2)).
//!
//! The listener is the supervisor's; whoever waits in the box holds nothing of it. When the last descriptor of the
//! listener is closed, every waiting and every later call gets ENOSYS.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;

mod call {
    nix::ioctl_readwrite!(receive, b'!', 0, libc::seccomp_notif);
    nix::ioctl_readwrite!(send, b'!', 1, libc::seccomp_notif_resp);
    nix::ioctl_write_ptr!(id_valid, b'!', 2, u64);
    nix::ioctl_write_ptr!(add_descriptor, b'!', 3, libc::seccomp_notif_addfd);
    nix::ioctl_write_int_bad!(set_flags, nix::request_code_write!(b'!', 4, size_of::<u64>()));
}

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` of the uapi, Linux 6.6.
const SYNC_WAKE_UP: i32 = 1;

/// Where the waiting calls arrive.
pub struct Listener {
    fd: OwnedFd,
    threads: Threads,
}

/// How many threads call, as far as the last calls tell.
struct Threads {
    last: Option<Pid>,
    /// How many calls came from that one since another called, up to [`Threads::ROW`].
    row: u32,
}

/// One call that waits.
#[derive(Debug, Clone, Copy)]
pub struct Notification {
    pub id: u64,
    /// The thread that waits, as our PID namespace numbers it.
    pub thread: Pid,
    /// The number of the call.
    pub call: i64,
    pub arguments: [u64; 6],
}

impl Listener {
    /// Takes the listener that came out of the box.
    pub fn new(fd: OwnedFd) -> Self {
        let threads = Threads::new();
        let listener = Listener { fd, threads };
        listener.wake_on_one_processor(true);
        listener
    }

    /// Lets a caller and the broker wake each other on one processor, as is best while one of the two sleeps at any time,
    /// or on any, as is best while other threads run as well.
    fn wake_on_one_processor(&self, one: bool) {
        let flags = if one { SYNC_WAKE_UP } else { 0 };
        // SAFETY: the request takes a number. A kernel before Linux 6.6 answers EINVAL, and wakes as it always did.
        let _ = unsafe { call::set_flags(self.fd.as_raw_fd(), flags) };
    }

    /// The next call that waits; nothing if it was interrupted before we could look, or once nobody is left who could
    /// call, which poll(2) tells by POLLHUP.
    ///
    /// # Errors
    /// Those of the ioctl; EINTR and ENOENT count as nothing.
    pub fn receive(&mut self) -> nix::Result<Option<Notification>> {
        // SAFETY: seccomp_notif is plain data, and the kernel wants it all zeroes.
        let mut notif: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the call fills exactly one seccomp_notif, which lives across it.
        match unsafe { call::receive(self.fd.as_raw_fd(), &raw mut notif) } {
            Err(Errno::EINTR | Errno::ENOENT) => return Ok(None),
            other => other?,
        };
        let thread = Pid::from_raw(notif.pid as i32);
        if let Some(one) = self.threads.called(thread) {
            self.wake_on_one_processor(one);
        }
        Ok(Some(Notification {
            id: notif.id,
            thread,
            call: notif.data.nr.into(),
            arguments: notif.data.args,
        }))
    }

    /// Whether the call still waits. What was read through the number of its thread before that was its own.
    pub fn waits(&self, id: u64) -> bool {
        // SAFETY: the request reads one u64, which lives across the call.
        uninterrupted(|| unsafe { call::id_valid(self.fd.as_raw_fd(), &raw const id) }).is_ok()
    }

    /// Lets the call return, with success or an errno.
    ///
    /// # Errors
    /// ENOENT when it does not wait any more.
    pub fn answer(&self, id: u64, result: nix::Result<()>) -> nix::Result<()> {
        self.send(id, result.err().map_or(0, |errno| -(errno as i32)), 0)
    }

    /// Lets the kernel carry the call out. Its arguments can have changed since they were judged, so this is no decision
    /// about them: only for calls whose effect other layers bound.
    pub fn carry_out(&self, id: u64) -> nix::Result<()> {
        self.send(id, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32)
    }

    fn send(&self, id: u64, error: i32, flags: u32) -> nix::Result<()> {
        let mut response = libc::seccomp_notif_resp {
            id,
            val: 0,
            error,
            flags,
        };
        // SAFETY: the request reads one response, which lives across the call.
        uninterrupted(|| unsafe { call::send(self.fd.as_raw_fd(), &raw mut response) })
    }

    /// Puts `fd` in the place of the caller's descriptor `number`, as dup2(2) would.
    ///
    /// # Errors
    /// ENOENT when the call does not wait any more, EBADF when the number is past the caller's limit.
    pub fn replace(&self, id: u64, fd: BorrowedFd, number: RawFd, close_on_exec: bool) -> nix::Result<()> {
        let request = libc::seccomp_notif_addfd {
            id,
            flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
            srcfd: fd.as_raw_fd() as u32,
            newfd: number as u32,
            newfd_flags: if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        self.add_descriptor(&request)
    }

    /// Lets the call return a new descriptor of the caller's that is `fd`.
    ///
    /// # Errors
    /// ENOENT when the call does not wait any more; EMFILE and the like of the caller, which is then still to be answered.
    pub fn give(&self, id: u64, fd: BorrowedFd, close_on_exec: bool) -> nix::Result<()> {
        let request = libc::seccomp_notif_addfd {
            id,
            flags: libc::SECCOMP_ADDFD_FLAG_SEND as u32,
            srcfd: fd.as_raw_fd() as u32,
            newfd: 0,
            newfd_flags: if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        self.add_descriptor(&request)
    }

    fn add_descriptor(&self, request: &libc::seccomp_notif_addfd) -> nix::Result<()> {
        // SAFETY: the request reads one structure, which lives across the call.
        uninterrupted(|| unsafe { call::add_descriptor(self.fd.as_raw_fd(), request) })
    }
}

/// Makes a request again that was interrupted: the kernel has then taken it back whole.
fn uninterrupted(mut request: impl FnMut() -> nix::Result<libc::c_int>) -> nix::Result<()> {
    loop {
        match request() {
            Err(Errno::EINTR) => continue,
            result => return result.map(drop),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Threads {
    /// How many calls of one thread say that no other calls.
    const ROW: u32 = 16;

    /// Until another calls there is one.
    fn new() -> Self {
        Threads {
            last: None,
            row: Self::ROW,
        }
    }

    /// A thread has called; whether one calls now, if that has changed.
    fn called(&mut self, thread: Pid) -> Option<bool> {
        let had = self.row;
        self.row = match self.last.replace(thread) {
            Some(last) if last != thread => 0,
            _ => Self::ROW.min(self.row + 1),
        };
        let one = self.row == Self::ROW;
        (one != (had == Self::ROW)).then_some(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_that_calls_is_told_from_several() {
        let [one, other] = [1, 2].map(Pid::from_raw);
        let mut threads = Threads::new();
        assert!((0..40).all(|_| threads.called(one).is_none()));
        assert_eq!(threads.called(other), Some(false));
        for _ in 0..40 {
            assert_eq!([one, one, other].map(|thread| threads.called(thread)), [None; 3]);
        }
        assert!((1..Threads::ROW).all(|_| threads.called(other).is_none()));
        assert_eq!(threads.called(other), Some(true));
    }
}
