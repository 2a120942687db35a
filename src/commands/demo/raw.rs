//! The system calls a hostile server would make, and the few our side of the stage needs.
//!
//! Everything the demo does with `unsafe` is here. Each `*_nonsense` function makes the same call with arguments
//! that no kernel accepts: the kernel names the bad argument, while a filter answers before it looks at one.
//! That difference is how the demo tells a filter from a kernel that refuses by itself.

use std::ffi::CStr;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

type Result<T> = nix::Result<T>;

/// A pointer that is never mapped.
const NOWHERE: usize = 8;

/// syscall(2).
///
/// # Safety
/// The arguments must be what the call of this number may be given.
unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> Result<i64> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the caller answers for the arguments.
    Errno::result(unsafe { libc::syscall(number, a, b, c, d, e) })
}

/// The descriptor that a call has just made, closed at once: to have got it is proof enough.
fn close(fd: i64) {
    // SAFETY: the call returned a new descriptor that nothing else owns.
    drop(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
}

/// What a call answered, as a number: 0 for success.
fn answer<T>(result: Result<T>) -> i32 {
    result.err().map_or(0, |errno| errno as i32)
}

/// Runs `act` in a child that shares nothing with us, and takes its errno.
pub fn in_child(act: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: the server has one thread, so the child is a full copy that may go on in any code.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => {
            let errno = answer(act());
            // SAFETY: takes a number and does not return.
            unsafe { libc::_exit(errno) }
        }
        ForkResult::Parent { child } => wait(child),
    }
}

fn wait(child: Pid) -> Result<()> {
    match waitpid(child, None)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(_, errno) => Err(Errno::from_raw(errno)),
        _ => Err(Errno::EINTR),
    }
}

// ---- processes ------------------------------------------------------------------------------------

/// Reads `length` bytes of another process, process_vm_readv(2).
pub fn read_memory(pid: i32, address: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let local = IoSliceMut::new(&mut bytes);
    let remote = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: length,
    };
    // SAFETY: IoSliceMut has the layout of iovec; both vectors live across the call.
    let read = unsafe { libc::process_vm_readv(pid, (&raw const local).cast(), 1, &raw const remote, 1, 0) };
    Errno::result(read)?;
    Ok(bytes)
}

pub fn read_memory_nonsense() -> i32 {
    let none = std::ptr::null();
    // SAFETY: no vector is given, so no memory is touched; the last argument is a flag that does not exist.
    answer(Errno::result(unsafe {
        libc::process_vm_readv(1, none, 0, none, 0, 1)
    }))
}

/// Attaches to a child of our own as a debugger does, ptrace(2) PTRACE_SEIZE.
pub fn trace_child() -> Result<()> {
    // SAFETY: the server has one thread; the child only sleeps.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => loop {
            nix::unistd::pause();
        },
        ForkResult::Parent { child } => {
            // SAFETY: PTRACE_SEIZE takes numbers only.
            let traced = unsafe { call(libc::SYS_ptrace, [0x4206, child.as_raw() as usize, 0, 0, 0]) };
            let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
            traced.map(drop)
        }
    }
}

pub fn trace_nonsense() -> i32 {
    // SAFETY: no such request exists, and no memory is named.
    answer(unsafe {
        call(
            libc::SYS_ptrace,
            [0x7fff, nix::unistd::getpid().as_raw() as usize, 0, 0, 0],
        )
    })
}

// ---- namespaces and mounts ----------------------------------------------------------------------------

/// unshare(2), for the child of [`in_child`].
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: takes a number.
    Errno::result(unsafe { libc::unshare(flags) }).map(drop)
}

pub fn unshare_nonsense() -> i32 {
    // CLONE_NEWUSER, and a bit that is no flag of unshare.
    answer(unshare(libc::CLONE_NEWUSER | 1))
}

/// clone3(2) into a new user namespace; the child ends at once.
pub fn clone3_user() -> Result<()> {
    // SAFETY: clone_args is plain data for which all zeroes is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = libc::CLONE_NEWUSER as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    let size = size_of::<libc::clone_args>();
    // SAFETY: the arguments live across the call; without CLONE_VM the child has a copy of our memory.
    match unsafe { call(libc::SYS_clone3, [&raw const arguments as usize, size, 0, 0, 0]) }? {
        // SAFETY: takes a number and does not return.
        0 => unsafe { libc::_exit(0) },
        child => wait(Pid::from_raw(child as i32)),
    }
}

pub fn clone3_nonsense() -> i32 {
    // SAFETY: a size of 0 is refused before the pointer is read.
    answer(unsafe { call(libc::SYS_clone3, [0; 5]) })
}

/// A mount namespace whose mounts propagate nowhere, for the child of [`in_child`]; with a user namespace if
/// we have no right to one without.
pub fn unshare_mounts() -> Result<()> {
    unshare(libc::CLONE_NEWNS).or_else(|_| unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS))?;
    let none = std::ptr::null();
    // SAFETY: the target is NUL-terminated; a change of propagation reads nothing else.
    let private = unsafe {
        libc::mount(
            none,
            c"/".as_ptr(),
            none,
            libc::MS_REC | libc::MS_PRIVATE,
            none.cast(),
        )
    };
    Errno::result(private).map(drop)
}

/// Mounts an empty tmpfs at `target`, mount(2).
pub fn mount_tmpfs(target: &CStr) -> Result<()> {
    let kind = c"tmpfs".as_ptr();
    // SAFETY: every string is NUL-terminated; no data is given.
    Errno::result(unsafe { libc::mount(kind, target.as_ptr(), kind, 0, std::ptr::null()) }).map(drop)
}

pub fn mount_nonsense() -> i32 {
    // SAFETY: the type is a pointer to nowhere, which the kernel reports as EFAULT.
    answer(unsafe { call(libc::SYS_mount, [0, 0, NOWHERE, 0, 0]) })
}

// ---- rarely used parts of the kernel --------------------------------------------------------------------

/// Makes an array map, bpf(2) BPF_MAP_CREATE.
pub fn bpf() -> Result<()> {
    // union bpf_attr: map_type = ARRAY, key_size, value_size, max_entries.
    let attributes: [u32; 4] = [2, 4, 4, 1];
    let size = size_of_val(&attributes);
    // SAFETY: the attributes live across the call and their size is given.
    unsafe { call(libc::SYS_bpf, [0, &raw const attributes as usize, size, 0, 0]) }.map(close)
}

pub fn bpf_nonsense() -> i32 {
    // SAFETY: a size beyond one page is refused before the pointer is read.
    answer(unsafe { call(libc::SYS_bpf, [0, NOWHERE, 1 << 20, 0, 0]) })
}

/// Makes a ring of one entry, io_uring_setup(2).
pub fn io_uring() -> Result<()> {
    // struct io_uring_params, all zeroes.
    let mut parameters = [0u64; 15];
    // SAFETY: the parameters live across the call, which writes at most their 120 bytes.
    unsafe {
        call(
            libc::SYS_io_uring_setup,
            [1, &raw mut parameters as usize, 0, 0, 0],
        )
    }
    .map(close)
}

pub fn io_uring_nonsense() -> i32 {
    // SAFETY: the parameters are a pointer to nowhere, which the kernel reports as EFAULT.
    answer(unsafe { call(libc::SYS_io_uring_setup, [1, NOWHERE, 0, 0, 0]) })
}

/// Counts nanoseconds of our own process, perf_event_open(2).
pub fn perf() -> Result<()> {
    // struct perf_event_attr of version 0: type SOFTWARE, size 64, config CPU_CLOCK, and the bits
    // exclude_kernel and exclude_hv.
    let mut attributes = [0u64; 8];
    attributes[0] = 1 | 64 << 32;
    attributes[5] = 1 << 5 | 1 << 6;
    let none = -1isize as usize;
    // SAFETY: the attributes live across the call and carry their size.
    unsafe {
        call(
            libc::SYS_perf_event_open,
            [&raw const attributes as usize, 0, none, none, 0],
        )
    }
    .map(close)
}

pub fn perf_nonsense() -> i32 {
    // SAFETY: unknown flags are refused before the pointer is read.
    answer(unsafe { call(libc::SYS_perf_event_open, [NOWHERE, 0, 0, 0, 1 << 20]) })
}

const UFFD_USER_MODE_ONLY: usize = 1;

/// userfaultfd(2) for faults of user mode, which needs no right since Linux 5.11.
pub fn userfaultfd() -> Result<()> {
    // SAFETY: takes a number.
    unsafe { call(libc::SYS_userfaultfd, [UFFD_USER_MODE_ONLY, 0, 0, 0, 0]) }.map(close)
}

pub fn userfaultfd_nonsense() -> i32 {
    // SAFETY: takes a number; the second bit is no flag.
    answer(unsafe { call(libc::SYS_userfaultfd, [UFFD_USER_MODE_ONLY | 2, 0, 0, 0, 0]) })
}

// ---- keys -----------------------------------------------------------------------------------------------

const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
const KEYCTL_READ: usize = 11;
const KEY_SPEC_SESSION_KEYRING: isize = -3;

/// Puts a key into a session keyring of our own, which goes away with our processes (add_key(2)).
pub fn plant_key(payload: &[u8]) -> Result<i64> {
    let keyring = KEY_SPEC_SESSION_KEYRING as usize;
    let (kind, name) = (c"user".as_ptr() as usize, c"mcp-sandbox-demo".as_ptr() as usize);
    // SAFETY: NULL asks for an anonymous keyring.
    unsafe { call(libc::SYS_keyctl, [KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0]) }?;
    // SAFETY: the strings are NUL-terminated, the payload's length is given.
    unsafe {
        call(
            libc::SYS_add_key,
            [kind, name, payload.as_ptr() as usize, payload.len(), keyring],
        )
    }
}

/// Reads a key by its number, keyctl(2) KEYCTL_READ.
pub fn read_key(key: i64) -> Result<Vec<u8>> {
    let mut payload = vec![0; 256];
    let place = payload.as_mut_ptr() as usize;
    // SAFETY: the kernel writes at most the given length.
    let length = unsafe {
        call(
            libc::SYS_keyctl,
            [KEYCTL_READ, key as usize, place, payload.len(), 0],
        )
    }?;
    payload.truncate(length as usize);
    Ok(payload)
}

pub fn key_nonsense() -> i32 {
    // SAFETY: no such operation exists.
    answer(unsafe { call(libc::SYS_keyctl, [0xffff, 0, 0, 0, 0]) })
}

// ---- devices, sockets, terminals ----------------------------------------------------------------------------

/// Makes a node for the null device, mknod(2).
pub fn make_device(path: &CStr) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    Errno::result(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3)) }).map(drop)
}

pub fn device_nonsense() -> i32 {
    // SAFETY: the path is a pointer to nowhere, which the kernel reports as EFAULT.
    answer(unsafe { call(libc::SYS_mknodat, [libc::AT_FDCWD as usize, NOWHERE, 0, 0, 0]) })
}

/// A socket that sees every packet of its protocol, raw(7).
pub fn raw_socket() -> Result<()> {
    let (family, kind, protocol) = (
        libc::AF_INET as usize,
        libc::SOCK_RAW as usize,
        libc::IPPROTO_ICMP as usize,
    );
    // SAFETY: takes three numbers.
    unsafe { call(libc::SYS_socket, [family, kind, protocol, 0, 0]) }.map(close)
}

pub fn socket_nonsense() -> i32 {
    // SAFETY: takes three numbers; no such kind of socket exists.
    answer(unsafe { call(libc::SYS_socket, [libc::AF_INET as usize, 0xf, 0, 0, 0]) })
}

/// Types one character into a terminal as if its user had, ioctl_tty(2) TIOCSTI.
pub fn type_into(terminal: BorrowedFd) -> Result<()> {
    let letter = b'#';
    // SAFETY: the request reads one byte, which lives across the call.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSTI, &raw const letter) }).map(drop)
}

pub fn type_nonsense() -> i32 {
    // SAFETY: there is no such descriptor, so nothing is read.
    answer(Errno::result(unsafe { libc::ioctl(-1, libc::TIOCSTI, NOWHERE) }))
}

/// Reads an inherited descriptor that the server was not told about.
pub fn read_descriptor(number: RawFd) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 256];
    let buffer = bytes.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most the given length, and takes any number for a descriptor.
    let read = Errno::result(unsafe { libc::pread(number, buffer, bytes.len(), 0) })?;
    bytes.truncate(read as usize);
    Ok(bytes)
}

// ---- our own side -----------------------------------------------------------------------------------------

/// What a server is started with: the terminal on stderr as its own, and an end together with us. For
/// [`std::os::unix::process::CommandExt::pre_exec`], so only system calls.
pub fn become_session_with_terminal() -> std::io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    nix::unistd::setsid()?;
    // SAFETY: takes two numbers. Without a terminal on stderr it fails, and the server then has none.
    unsafe { libc::ioctl(2, libc::TIOCSCTTY, 0) };
    Ok(())
}

/// Lets `command` run [`become_session_with_terminal`] in the new process.
pub fn with_own_session(command: &mut std::process::Command) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the function makes three system calls and allocates nothing.
    unsafe { command.pre_exec(become_session_with_terminal) }
}

/// Children are waited for, whatever disposition our caller has left us.
pub fn wait_for_children() {
    // SAFETY: the default disposition runs no code.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// A number for a descriptor that a child shall inherit; see [`super::stage`].
pub fn leak(fd: &impl AsRawFd) -> Result<OwnedFd> {
    // SAFETY: the descriptor is open, and the kernel returns a new one that nothing else owns.
    let copy = Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD, 9) })?;
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
