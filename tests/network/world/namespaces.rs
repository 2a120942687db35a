//! Namespaces: those of this program, entered before it has a second thread, and one for the internet.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;

/// Run by the C library before `main`: a process that has threads cannot enter a user namespace.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = leave_the_machine;

/// A network without anything and mounts that nobody else sees. Who is not root gets a user namespace to make them in,
/// and stays who he is.
extern "C" fn leave_the_machine() {
    // SAFETY: this process has one thread; the calls take flags and numbers.
    let done = unsafe {
        let (uid, gid) = (libc::getuid(), libc::getgid());
        let own = libc::CLONE_NEWNET | libc::CLONE_NEWNS;
        let flags = if libc::geteuid() == 0 {
            own
        } else {
            own | libc::CLONE_NEWUSER
        };
        raise_the_limit_of_open_files();
        libc::unshare(flags) == 0 && (uid == 0 || map(uid, gid).is_ok())
    };
    if !done || mount(None, "/", libc::MS_REC | libc::MS_PRIVATE).is_err() {
        // What follows would meet the network of the machine.
        eprintln!("no namespaces for the tests: {}", io::Error::last_os_error());
        std::process::exit(101);
    }
}

fn map(uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))
}

/// Thousands of connections have their other ends here.
fn raise_the_limit_of_open_files() {
    // SAFETY: both calls use a valid structure.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max.min(1 << 16);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// A network namespace with nobody in it; it lives as long as its descriptor, and as sockets in it.
pub fn new_network() -> File {
    let make = || {
        // SAFETY: takes flags, and moves this thread alone.
        let made = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        assert_eq!(made, 0, "{}", io::Error::last_os_error());
        File::open("/proc/thread-self/ns/net").expect("our own namespace")
    };
    thread::spawn(make).join().expect("no panic")
}

/// Moves this thread into a network namespace.
pub fn join(namespace: RawFd) -> io::Result<()> {
    // SAFETY: takes two numbers.
    match unsafe { libc::setns(namespace, libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets a command run in a network namespace.
pub fn enter(command: &mut Command, namespace: &File) {
    let namespace = namespace.try_clone().expect("a descriptor");
    // SAFETY: setns is safe between fork and exec; the descriptor lives as long as the closure.
    unsafe { command.pre_exec(move || join(namespace.as_raw_fd())) };
}

/// Lets a command keep the capabilities of this program's user namespace, which executing would take from an ordinary
/// user (capabilities(7)).
pub fn capable(command: &mut Command) {
    // SAFETY: the calls are safe between fork and exec and use memory of the closure's own.
    unsafe {
        command.pre_exec(|| {
            // _LINUX_CAPABILITY_VERSION_3 for this thread.
            let header: [u32; 2] = [0x2008_0522, 0];
            // Effective, permitted, inheritable: the low words, then the high ones.
            let mut sets = [0_u32; 6];
            if libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            (sets[2], sets[5]) = (sets[1], sets[4]);
            if libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            // CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_SYS_ADMIN.
            for capability in [10_u64, 12, 21] {
                libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0);
            }
            Ok(())
        })
    };
}

/// Shows `file` at `place`, to this program and what it starts.
pub fn bind(file: &Path, place: &str) {
    let bound = mount(Some(file), place, libc::MS_BIND);
    bound.unwrap_or_else(|error| panic!("{place}: {error}"));
}

/// Shows an empty folder at `place`, if there is a folder.
pub fn hide(place: &str) {
    if Path::new(place).is_dir() {
        let empty = tempfile::tempdir().expect("a temporary folder");
        bind(empty.path(), place);
    }
}

fn mount(source: Option<&Path>, target: &str, flags: libc::c_ulong) -> io::Result<()> {
    let text = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes()).map_err(io::Error::other);
    let source = source.map(text).transpose()?;
    let source = source.as_ref().map_or(std::ptr::null(), |source| source.as_ptr());
    let target = text(Path::new(target))?;
    // SAFETY: the strings live across the call; these operations take no data.
    match unsafe { libc::mount(source, target.as_ptr(), std::ptr::null(), flags, std::ptr::null()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
