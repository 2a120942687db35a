//! The one place where a process is made that shares nothing it should not.

use std::mem::size_of;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;

/// Every namespace of the box (namespaces(7)); time namespaces hide nothing and are left out.
pub const NAMESPACES: [(&str, i32); 7] = [
    ("user", libc::CLONE_NEWUSER),
    ("mount", libc::CLONE_NEWNS),
    ("pid", libc::CLONE_NEWPID),
    ("network", libc::CLONE_NEWNET),
    ("ipc", libc::CLONE_NEWIPC),
    ("uts", libc::CLONE_NEWUTS),
    ("cgroup", libc::CLONE_NEWCGROUP),
];

/// include/uapi/linux/sched.h; libc has it as a type that cannot hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of the clone we are on.
pub enum Side {
    Parent { child: Pid, pidfd: OwnedFd },
    Child,
}

/// clone3(2) into new namespaces with a pidfd.
///
/// # Errors
/// As those of [`clone_into`].
pub fn clone(namespaces: i32) -> nix::Result<Side> {
    clone_into(namespaces, None)
}

/// clone3(2) into new namespaces with a pidfd, and into the control group `group` (CLONE_INTO_CGROUP, Linux 5.7).
///
/// # Errors
/// EPERM, ENOSPC or EUSERS where user namespaces are forbidden or exhausted; ENOSYS before Linux 5.3.
pub fn clone_into(namespaces: i32, group: Option<BorrowedFd>) -> nix::Result<Side> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain data for which all zeroes is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64 | libc::CLONE_PIDFD as u64;
    if let Some(group) = group {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child gets its own copy of our memory, as with fork(2). The process has
    // one thread here, so no lock of the C library can be held by a thread that does not exist in the child.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    let pid = Errno::result(result)?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has put a new descriptor into pidfd for the parent.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent {
        child: Pid::from_raw(pid as i32),
        pidfd,
    })
}

/// fork(2), for children that stay in our namespaces; nothing for the child. The process has one thread.
pub fn fork() -> nix::Result<Option<Pid>> {
    // SAFETY: as above: no lock of the C library can be held by a thread that does not exist in the child.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => Ok(None),
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plan_names_what_is_made() {
        let names = super::NAMESPACES.map(|(name, _)| name);
        assert_eq!(names, crate::linux::plan::NAMESPACES);
    }
}
