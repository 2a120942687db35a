//! System calls that nix does not wrap, each behind one small typed function.
//!
//! Numbers and structures come from the kernel's uapi headers through libc. Nothing here decides
//! anything; the `unsafe` of the Linux back end is in this file, in `clone.rs`, in `wipe.rs`, for
//! descriptors that arrive in `report.rs`, for notifications and sockets in `notify.rs` and `sockets.rs`, and for the
//! host's resolver in `names/host.rs`.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::Pid;

type Result<T> = nix::Result<T>;

/// Turns the kernel's -1 into the errno.
fn check(result: libc::c_long) -> Result<libc::c_long> {
    Errno::result(result)
}

/// Takes ownership of a descriptor the kernel has just made.
fn owned(result: libc::c_long) -> Result<OwnedFd> {
    let fd = check(result)? as RawFd;
    // SAFETY: the call succeeded and returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

// ---- files --------------------------------------------------------------------------------------

pub const RESOLVE_NO_SYMLINKS: u64 = libc::RESOLVE_NO_SYMLINKS;
pub const RESOLVE_BENEATH: u64 = libc::RESOLVE_BENEATH;

/// openat2(2) with `O_CLOEXEC`. Retries the EAGAIN that a concurrent rename causes.
pub fn openat2(dir: BorrowedFd, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd> {
    loop {
        match openat2_once(dir, path, flags, resolve) {
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            other => return other,
        }
    }
}

/// The same, tried a few times at most: a server that renames all the time must not hold us.
pub fn openat2_for_server(dir: BorrowedFd, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd> {
    const TIMES: u32 = 32;
    let mut result = openat2_once(dir, path, flags, resolve);
    for _ in 1..TIMES {
        match result {
            Err(Errno::EAGAIN | Errno::EINTR) => result = openat2_once(dir, path, flags, resolve),
            other => return other,
        }
    }
    result
}

fn openat2_once(dir: BorrowedFd, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd> {
    // SAFETY: open_how is plain data for which all zeroes is valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: path is NUL-terminated, how lives across the call and its size is given.
    owned(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            dir.as_raw_fd(),
            path.as_ptr(),
            &how as *const libc::open_how,
            size_of::<libc::open_how>(),
        )
    })
}

/// The number of the mount that an open object is seen through, statx(2) of Linux 5.8.
pub fn mount_of(fd: BorrowedFd) -> Result<u64> {
    let mut found = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is NUL-terminated and found has the size that the kernel fills.
    check(unsafe {
        libc::syscall(
            libc::SYS_statx,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_MNT_ID,
            found.as_mut_ptr(),
        )
    })?;
    // SAFETY: all zeroes is a valid statx, and the kernel has filled it.
    let found = unsafe { found.assume_init() };
    match found.stx_mask & libc::STATX_MNT_ID {
        0 => Err(Errno::ENOSYS),
        _ => Ok(found.stx_mnt_id),
    }
}

/// An extended attribute of at most 16 bytes, getxattr(2).
pub fn attribute(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let path = CString::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())).ok()?;
    let name = CString::new(name).ok()?;
    let mut value = [0_u8; 16];
    // SAFETY: both strings are NUL-terminated, and value is as long as is said.
    let length = unsafe {
        libc::getxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    Some(value.get(..usize::try_from(length).ok()?)?.to_vec())
}

/// close_range(2) from `first` to the last possible descriptor.
pub fn close_from(first: RawFd) -> Result<()> {
    // SAFETY: takes three numbers; the caller gives up every descriptor from `first` up.
    check(unsafe { libc::syscall(libc::SYS_close_range, first as u32, u32::MAX, 0) }).map(drop)
}

/// Marks every descriptor from `first` up close-on-exec (close_range(2), Linux 5.11).
pub fn cloexec_from(first: RawFd) -> Result<()> {
    // SAFETY: takes three numbers and closes nothing.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first as u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })
    .map(drop)
}

/// Gives `fd` the number `number`, in whose place something else may be, closed on exec (dup3(2)). In a table of
/// descriptors that only this thread uses, so nobody owns what was there.
pub fn duplicate_to(fd: BorrowedFd, number: RawFd) -> Result<()> {
    if fd.as_raw_fd() == number {
        return Ok(());
    }
    // SAFETY: takes three numbers; see above for what is closed.
    check(unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) }.into()).map(drop)
}

/// Registers the descriptor `number`, epoll_ctl(2).
pub fn epoll_add(epoll: BorrowedFd, number: RawFd, events: u32, data: u64) -> Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: the kernel reads one event, which lives across the call.
    let result = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, number, &raw mut event) };
    check(result.into()).map(drop)
}

// ---- mounts (mount API of Linux 5.2 and 5.12) ------------------------------------------------------

pub const MOUNT_ATTR_RDONLY: u64 = 0x1;
pub const MOUNT_ATTR_NOSUID: u64 = 0x2;
pub const MOUNT_ATTR_NODEV: u64 = 0x4;
pub const MOUNT_ATTR_NOEXEC: u64 = 0x8;

const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// A file system being configured, fsopen(2).
pub struct Filesystem(OwnedFd);

impl Filesystem {
    pub fn open(kind: &CStr) -> Result<Self> {
        // SAFETY: kind is NUL-terminated.
        owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) }).map(Filesystem)
    }

    /// Sets `key=value`, or the bare flag `key` when the value is `None`.
    pub fn set(&self, key: &CStr, value: Option<&CStr>) -> Result<()> {
        let command = if value.is_some() {
            FSCONFIG_SET_STRING
        } else {
            FSCONFIG_SET_FLAG
        };
        self.config(
            command,
            key.as_ptr(),
            value.map_or(std::ptr::null(), CStr::as_ptr),
        )
    }

    /// Creates the superblock and returns a detached mount of it with `attributes`.
    pub fn mount(self, attributes: u64) -> Result<OwnedFd> {
        self.config(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        // SAFETY: takes a descriptor and two numbers.
        owned(unsafe { libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) })
    }

    fn config(&self, command: u32, key: *const libc::c_char, value: *const libc::c_char) -> Result<()> {
        // SAFETY: key and value are NULL or NUL-terminated strings that live across the call.
        check(unsafe { libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, key, value, 0) })
            .map(drop)
    }
}

/// A detached, recursive copy of the mount at `path` below `dir`, or at `dir` itself when `path` is empty
/// (open_tree(2)). A symbolic link is not followed.
pub fn clone_tree(dir: BorrowedFd, path: &CStr) -> Result<OwnedFd> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE | libc::AT_SYMLINK_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the path is NUL-terminated.
    owned(unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            dir.as_raw_fd(),
            path.as_ptr(),
            OPEN_TREE_CLONE | flags as u32,
        )
    })
}

/// Sets `attributes` on the mount at `fd` and, if `recursive`, on every mount below, mount_setattr(2).
pub fn set_mount_attributes(fd: BorrowedFd, attributes: u64, recursive: bool) -> Result<()> {
    mount_setattr(fd, attributes, 0, recursive)
}

/// Makes every mount of this namespace private, so that nothing propagates in or out.
pub fn make_mounts_private() -> Result<()> {
    let root = openat2(cwd(), c"/", libc::O_PATH, 0)?;
    mount_setattr(root.as_fd(), 0, libc::MS_PRIVATE, true)
}

fn mount_setattr(fd: BorrowedFd, set: u64, propagation: u64, recursive: bool) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: set,
        attr_clr: 0,
        propagation,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: attributes lives across the call and its size is given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &attributes as *const libc::mount_attr,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches the detached mount `mount` on `name` below `dir`, or on `dir` itself when `name` is empty
/// (move_mount(2)). A symbolic link is not followed.
pub fn attach(mount: BorrowedFd, dir: BorrowedFd, name: &CStr) -> Result<()> {
    let onto_itself = if name.is_empty() {
        MOVE_MOUNT_T_EMPTY_PATH
    } else {
        0
    };
    // SAFETY: both paths are NUL-terminated.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            dir.as_raw_fd(),
            name.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | onto_itself,
        )
    })
    .map(drop)
}

/// The current directory as a base for relative paths.
pub fn cwd() -> BorrowedFd<'static> {
    // SAFETY: AT_FDCWD is not a descriptor that anybody closes.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
}

// ---- processes ------------------------------------------------------------------------------------

/// Joins a new anonymous session keyring, keyctl(2) KEYCTL_JOIN_SESSION_KEYRING.
///
/// A kernel without keyrings answers ENOSYS; there is then nothing to leak.
pub fn join_new_session_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a NULL name asks for an anonymous keyring.
    match check(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<u8>(),
        )
    }) {
        Ok(_) | Err(Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Sends a signal to the process behind a pidfd, pidfd_send_signal(2).
pub fn signal_pidfd(pidfd: BorrowedFd, signal: i32) -> Result<()> {
    // SAFETY: a NULL siginfo lets the kernel fill it in as kill(2) does.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<u8>(),
            0,
        )
    })
    .map(drop)
}

/// A descriptor that becomes readable when the process ends, pidfd_open(2).
pub fn open_pidfd(pid: nix::unistd::Pid) -> Result<OwnedFd> {
    // SAFETY: takes two numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })
}

/// A descriptor of one thread, pidfd_open(2) with PIDFD_THREAD.
///
/// # Errors
/// EINVAL before Linux 6.9.
pub fn open_thread_pidfd(thread: nix::unistd::Pid) -> Result<OwnedFd> {
    // SAFETY: takes two numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, thread.as_raw(), libc::PIDFD_THREAD) })
}

/// A duplicate of a descriptor of another process, closed on exec, pidfd_getfd(2).
pub fn pidfd_getfd(pidfd: BorrowedFd, number: RawFd) -> Result<OwnedFd> {
    // SAFETY: takes a descriptor and two numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })
}

/// Sets the effective user and group of this thread alone; the C library's functions would set those of all (setresuid(2),
/// "C library/kernel differences").
pub fn set_effective_ids(uid: u32, gid: u32) -> Result<()> {
    const SAME: libc::uid_t = libc::uid_t::MAX;
    // With an effective user of 0 the group can be changed, so root comes first and leaves last.
    let set_group = || {
        // SAFETY: takes three numbers.
        check(unsafe { libc::syscall(libc::SYS_setresgid, SAME, gid, SAME) }).map(drop)
    };
    let set_user = || {
        // SAFETY: takes three numbers.
        check(unsafe { libc::syscall(libc::SYS_setresuid, SAME, uid, SAME) }).map(drop)
    };
    if uid == 0 {
        set_user()?;
        set_group()
    } else {
        set_group()?;
        set_user()
    }
}

/// Whether the kernel started us with more rights than our caller has (setuid, setgid, file capabilities).
pub fn started_privileged() -> bool {
    // SAFETY: getauxval takes a number and returns one.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Keeps other processes of the user from looking into this one, and its memory out of core files
/// (PR_SET_DUMPABLE(2const)). A failure is impossible: 0 is a valid value.
pub fn hide_memory() {
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// Installs a compiled filter on this thread, seccomp(2) SECCOMP_SET_MODE_FILTER without flags.
pub fn install_filter(program: &[seccompiler::sock_filter]) -> Result<()> {
    set_filter(program, 0).map(drop)
}

/// The same, and returns the listener where calls that wait for an answer arrive (SECCOMP_FILTER_FLAG_NEW_LISTENER).
///
/// # Errors
/// EBUSY where a filter with a listener holds this process already.
pub fn install_filter_with_listener(program: &[seccompiler::sock_filter]) -> Result<OwnedFd> {
    owned(set_filter(program, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?)
}

fn set_filter(program: &[seccompiler::sock_filter], flags: libc::c_ulong) -> Result<libc::c_long> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: sock_filter of seccompiler and of libc are the same #[repr(C)] struct of the uapi; the
    // kernel only reads it, and it lives across the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &program as *const libc::sock_fprog,
        )
    })
}

/// The newest Landlock ABI of this kernel; 0 when Landlock is absent or switched off at boot.
pub fn landlock_abi() -> u32 {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: NULL and size 0 with the VERSION flag ask for the ABI number only.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(abi).unwrap_or(0)
}

/// Brings the loopback interface of this network namespace up (netdevice(7)).
pub fn loopback_up() -> Result<()> {
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let mut request = interface_request(b"lo");
    request.ifr_ifru.ifru_flags = flags;
    interface_ioctl(libc::SIOCSIFFLAGS, &request).map(drop)
}

/// Gives the loopback interface another address, alone in its net (netdevice(7), "interface aliases"). Returns the socket
/// that it was done with, which belongs to this network namespace.
pub fn loopback_alias(address: std::net::Ipv4Addr) -> Result<OwnedFd> {
    let request = |address: [u8; 4]| {
        let mut request = interface_request(b"lo:1");
        let mut bytes = [0; 14];
        bytes[2..6].copy_from_slice(&address);
        request.ifr_ifru.ifru_addr = libc::sockaddr {
            sa_family: libc::AF_INET as libc::sa_family_t,
            sa_data: bytes.map(|byte| byte as libc::c_char),
        };
        request
    };
    let _ = interface_ioctl(libc::SIOCSIFADDR, &request(address.octets()))?;
    interface_ioctl(libc::SIOCSIFNETMASK, &request([255; 4]))
}

fn interface_request(name: &[u8]) -> libc::ifreq {
    // SAFETY: ifreq is plain data for which all zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name) {
        *place = *byte as libc::c_char;
    }
    request
}

fn interface_ioctl(call: libc::Ioctl, request: &libc::ifreq) -> Result<OwnedFd> {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: the calls read one ifreq, which lives across them.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), call, request as *const libc::ifreq) };
    check(result.into()).map(|_| socket)
}

/// Whether a child has ended, and waits to be collected (waitid(2)).
pub fn has_ended(child: nix::unistd::Pid) -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(child), flags).is_ok_and(|status| status != WaitStatus::StillAlive)
}

/// Replaces this process, execve(2). Returns only on failure.
pub fn execve(program: &CStr, argv: &[CString], env: &[CString]) -> Errno {
    match nix::unistd::execve(program, argv, env) {
        Ok(never) => match never {},
        Err(errno) => errno,
    }
}

/// Descriptors 0 and 1, in a process that has put something of its own there.
pub fn first_two() -> (BorrowedFd<'static>, BorrowedFd<'static>) {
    // SAFETY: init has just moved its two descriptors there and never closes them.
    unsafe { (BorrowedFd::borrow_raw(0), BorrowedFd::borrow_raw(1)) }
}

/// Collects one child that has ended, with its wait status (wait(2)); nothing if there is none.
pub fn reap_any() -> Option<(nix::unistd::Pid, i32)> {
    let mut status = 0;
    // SAFETY: status is a valid place for an int.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then(|| (nix::unistd::Pid::from_raw(pid), status))
}

/// Ends this process at once, without running anything of the parent's.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Gives SIGCHLD its default disposition. A client that ignores it makes its children ignore it, and the kernel
/// then neither tells of ended processes nor keeps them to be waited for (wait(2)).
pub fn expect_children() {
    // SAFETY: an all-zero sigaction is SIG_DFL with an empty mask; it lives across the call, which cannot fail.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGCHLD, &default, std::ptr::null_mut());
    }
}

/// What [`interrupt`] sends. Nothing else sends it to us, and nobody else's is blocked or passed on.
const INTERRUPTION: Signal = Signal::SIGURG;

/// Lets [`interrupt`] end a call of this thread that waits, with EINTR.
///
/// # Errors
/// Those of sigaction(2), which are not expected.
pub fn let_interrupt() -> Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, and nobody else handles this signal.
    unsafe { sigaction(INTERRUPTION, &action) }?;
    SigSet::from_iter([INTERRUPTION]).thread_unblock()
}

/// Interrupts what a thread of this process waits for, if it waits (tgkill(2)).
pub fn interrupt(thread: Pid) {
    // SAFETY: takes three numbers.
    unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            libc::getpid(),
            thread.as_raw(),
            INTERRUPTION as libc::c_int,
        )
    };
}

/// Ignores SIGXFSZ, which kills by default: a write beyond the largest file then fails with EFBIG (setrlimit(2)).
pub fn ignore_file_size_signal() -> Result<()> {
    // SAFETY: SIG_IGN is no function of ours, so nothing can run in the wrong place.
    unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.map(drop)
}

/// Gives every signal its default disposition and unblocks all (what execve(2) would inherit otherwise).
///
/// Past the C library, which keeps signals 32 and 33 for itself: a client may have ignored those as well.
pub fn reset_signals() -> Result<()> {
    const SIGNALS: libc::c_int = 64;
    const SET_SIZE: usize = 8;
    // The kernel's own struct sigaction: SIG_DFL, no flags, no restorer, an empty mask.
    let default = [0_u64; 4];
    for signal in 1..=SIGNALS {
        let nowhere = std::ptr::null_mut::<u64>();
        // SAFETY: default lives across the call and is as large as the kernel's struct. SIGKILL and SIGSTOP
        // answer EINVAL, which is what we want of them.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                nowhere,
                SET_SIZE,
            )
        };
    }
    nix::sys::signal::SigSet::empty().thread_set_mask()
}

// ---- terminals --------------------------------------------------------------------------------------

nix::ioctl_write_ptr_bad!(unlock, libc::TIOCSPTLCK, libc::c_int);
nix::ioctl_write_int_bad!(open_peer, libc::TIOCGPTPEER);
nix::ioctl_write_int_bad!(set_controlling, libc::TIOCSCTTY);
nix::ioctl_read_bad!(read_size, libc::TIOCGWINSZ, libc::winsize);
nix::ioctl_write_ptr_bad!(write_size, libc::TIOCSWINSZ, libc::winsize);

/// Unlocks the pseudo-terminal behind `master` and opens its other side, without a name (ioctl_tty(2) TIOCGPTPEER).
pub fn open_terminal_peer(master: BorrowedFd) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the first reads one int, which lives across the call; the second takes flags of open(2).
    let peer = unsafe {
        unlock(master.as_raw_fd(), &0)?;
        open_peer(master.as_raw_fd(), flags)?
    };
    owned(peer.into())
}

/// Makes `terminal` that of this session, unless it is another's already (ioctl_tty(2) TIOCSCTTY).
pub fn set_controlling_terminal(terminal: BorrowedFd) -> Result<()> {
    // SAFETY: takes a number; 0 means not to steal it.
    unsafe { set_controlling(terminal.as_raw_fd(), 0) }.map(drop)
}

/// Rows and columns of a terminal, ioctl_tty(2) TIOCGWINSZ.
pub fn terminal_size(terminal: BorrowedFd) -> Result<libc::winsize> {
    // SAFETY: winsize is plain data for which all zeroes is valid.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes exactly one winsize, which lives across it.
    unsafe { read_size(terminal.as_raw_fd(), &raw mut size) }?;
    Ok(size)
}

/// Gives a terminal this size, ioctl_tty(2) TIOCSWINSZ.
pub fn set_terminal_size(terminal: BorrowedFd, size: &libc::winsize) -> Result<()> {
    // SAFETY: the call reads exactly one winsize.
    unsafe { write_size(terminal.as_raw_fd(), size) }.map(drop)
}

// ---- our own memory ---------------------------------------------------------------------------------

unsafe extern "C" {
    /// Set by the linker: where the program begins, and where its code ends.
    static __executable_start: u8;
    static etext: u8;
}

/// Gives the pages of our code and constants back to the page cache (madvise(2), MADV_DONTNEED).
///
/// Most of the program has done its work when the server runs; what the wait still needs is mapped again
/// when it is touched. A failure costs memory and nothing else.
pub fn release_code() {
    const PAGE: usize = 4096;
    let start = &raw const __executable_start as usize;
    let end = (&raw const etext as usize) & !(PAGE - 1);
    // SAFETY: the linker lays the read-only part of the program between these symbols. Its pages are those of
    // the file, never written to, so they come back unchanged.
    unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
}

/// A file of /proc. The name of a process, which stands in some of them, may hold any bytes (PR_SET_NAME of prctl(2)).
pub fn read_proc(path: impl AsRef<std::path::Path>) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// Processor time of this thread: on a busy machine far less than the time that passes.
pub fn own_time() -> std::time::Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(std::time::Duration::ZERO, From::from)
}

/// The clock of the processor time of a thread (pthread_getcpuclockid(3)); nothing when it has ended.
pub fn clock_of<T>(thread: &std::thread::JoinHandle<T>) -> Option<nix::time::ClockId> {
    use std::os::unix::thread::JoinHandleExt as _;
    let mut clock = 0;
    // SAFETY: the handle keeps the number of the thread valid, and the clock is ours to write to.
    let refused = unsafe { libc::pthread_getcpuclockid(thread.as_pthread_t(), &raw mut clock) };
    (refused == 0).then(|| nix::time::ClockId::from_raw(clock))
}

/// What an errno means, in lower case and without its number.
pub fn describe(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
