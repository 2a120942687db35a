//! The few wrappers every attack uses.

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// How a child ended.
pub enum End {
    Exited(i32),
    Killed(i32),
}

/// -1 as the errno.
pub fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// A raw system call of up to six arguments.
pub fn call(number: libc::c_long, arguments: &[u64]) -> io::Result<libc::c_long> {
    let mut six = [0; 6];
    six[..arguments.len()].copy_from_slice(arguments);
    let [a, b, c, d, e, f] = six;
    // SAFETY: whatever the arguments are, they are what the attack is about; pointers among them are NULL,
    // unmapped on purpose, or to memory that outlives the call.
    check(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}

/// Like [`call`], owning the descriptor it returns.
pub fn descriptor(number: libc::c_long, arguments: &[u64]) -> io::Result<OwnedFd> {
    let fd = call(number, arguments)?;
    // SAFETY: the call succeeded and has made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

pub fn c_string(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// A parent that ignores SIGCHLD makes its children ignore it, and wait(2) then finds none.
pub fn expect_children() {
    // SAFETY: the default disposition runs no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Runs `work` in a child process and waits for its end.
pub fn in_child(work: impl FnOnce() -> i32) -> io::Result<End> {
    // SAFETY: this process has one thread.
    match check(unsafe { libc::fork() }.into())? {
        0 => {
            let code = work();
            // SAFETY: ends this process without running anything of the parent's.
            unsafe { libc::_exit(code) }
        }
        child => wait(child as i32),
    }
}

fn wait(child: i32) -> io::Result<End> {
    let mut status = 0;
    // SAFETY: status is a valid place for an int.
    check(unsafe { libc::waitpid(child, &raw mut status, 0) }.into())?;
    if libc::WIFSIGNALED(status) {
        return Ok(End::Killed(libc::WTERMSIG(status)));
    }
    Ok(End::Exited(libc::WEXITSTATUS(status)))
}

/// Address and length of a value for [`call`].
pub fn address<T>(value: &T) -> u64 {
    std::ptr::from_ref(value) as u64
}

/// The name of an errno; its number when it has none here.
pub fn name_of(error: &io::Error) -> String {
    const NAMES: [(i32, &str); 40] = [
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::EINTR, "EINTR"),
        (libc::EIO, "EIO"),
        (libc::ENXIO, "ENXIO"),
        (libc::EBADF, "EBADF"),
        (libc::ECHILD, "ECHILD"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::EACCES, "EACCES"),
        (libc::EFAULT, "EFAULT"),
        (libc::EBUSY, "EBUSY"),
        (libc::EEXIST, "EEXIST"),
        (libc::EXDEV, "EXDEV"),
        (libc::ENODEV, "ENODEV"),
        (libc::ENOTDIR, "ENOTDIR"),
        (libc::EISDIR, "EISDIR"),
        (libc::EINVAL, "EINVAL"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::ETXTBSY, "ETXTBSY"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::EROFS, "EROFS"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::ELOOP, "ELOOP"),
        (libc::ENOTSOCK, "ENOTSOCK"),
        (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
        (libc::ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
        (libc::EOPNOTSUPP, "EOPNOTSUPP"),
        (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (libc::ENETUNREACH, "ENETUNREACH"),
        (libc::EISCONN, "EISCONN"),
        (libc::ENOTCONN, "ENOTCONN"),
        (libc::ETIMEDOUT, "ETIMEDOUT"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
        (libc::EHOSTUNREACH, "EHOSTUNREACH"),
        (libc::ENOKEY, "ENOKEY"),
        (libc::EUSERS, "EUSERS"),
        (libc::EILSEQ, "EILSEQ"),
        (libc::EOVERFLOW, "EOVERFLOW"),
    ];
    let number = error.raw_os_error().unwrap_or(0);
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| number.to_string(), |(_, name)| (*name).into())
}
