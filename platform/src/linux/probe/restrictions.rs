//! What a process gives up by itself: rights, system calls, files; and what ties processes together.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, Scope,
};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use super::super::clone::{Side, clone, fork};
use super::super::places::Brokered;
use super::super::{compile, sys};
use super::child::{Trouble, in_child, readable, refused, sleep};
use super::{Ability, required};

pub const ALL: &[Ability] = &[
    required(
        "handles on processes (pidfd)",
        "a signal could reach another process with a used number",
        pidfd,
    ),
    required(
        "death signal",
        "a box would outlive a supervisor that is killed",
        death_signal,
    ),
    required(
        "session keyring",
        "the server could read the user's keys",
        keyring,
    ),
    required(
        "no_new_privs",
        "set-user-ID programs would give rights back",
        no_new_privileges,
    ),
    required(
        "system-call filter (seccomp)",
        "the server could make every call of the kernel",
        filter,
    ),
    required(
        "Landlock: files",
        "an open descriptor would lead to files that no mount shows",
        files,
    ),
    optional(
        "Landlock: TCP connect",
        "a TCP socket given as a standard stream could be connected elsewhere",
        connect,
    ),
    optional(
        "Landlock: abstract sockets",
        "the network namespace alone keeps the host's abstract sockets away",
        abstract_sockets,
    ),
];

/// A second layer: `run` works without.
pub const fn optional(
    name: &'static str,
    cost: &'static str,
    prove: fn() -> Result<&'static str, Trouble>,
) -> Ability {
    Ability {
        required: false,
        ..required(name, cost, prove)
    }
}

/// Made by clone3(2), as init is.
fn pidfd() -> Result<&'static str, Trouble> {
    let (child, pidfd) = match clone(0)? {
        Side::Child => sleep(),
        Side::Parent { child, pidfd } => (child, pidfd),
    };
    let sent = sys::signal_pidfd(pidfd.as_fd(), libc::SIGUSR1);
    if sent.is_err() {
        let _ = kill(child, Signal::SIGKILL);
    }
    let ended = waitpid(child, None)?;
    sent?;
    match ended {
        WaitStatus::Signaled(_, Signal::SIGUSR1, _) => Ok("a process was signalled through one"),
        _ => Err(Trouble::Died),
    }
}

/// A process whose parent ends must end: the pipe that it alone holds is closed then.
fn death_signal() -> Result<&'static str, Trouble> {
    let (alive, held) = pipe2(OFlag::O_CLOEXEC)?;
    let (told, tell) = pipe2(OFlag::O_CLOEXEC)?;
    in_child(|| match fork()? {
        None => {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            nix::unistd::write(&tell, b"!")?;
            sleep()
        }
        Some(child) => {
            nix::unistd::read(&told, &mut [0])?;
            nix::unistd::write(&held, &child.as_raw().to_ne_bytes())?;
            Ok(())
        }
    })?;
    drop((held, tell));
    let mut orphan = [0; size_of::<i32>()];
    nix::unistd::read(&alive, &mut orphan)?;
    match readable(alive.as_fd()) {
        true => Ok("an orphan was killed by it"),
        false => {
            let _ = kill(Pid::from_raw(i32::from_ne_bytes(orphan)), Signal::SIGKILL);
            Err(Trouble::NotRefused)
        }
    }
}

fn keyring() -> Result<&'static str, Trouble> {
    in_child(|| Ok(sys::join_new_session_keyring()?))?;
    Ok("an empty one was joined")
}

fn no_new_privileges() -> Result<&'static str, Trouble> {
    in_child(|| {
        prctl::set_no_new_privs()?;
        match prctl::get_no_new_privs()? {
            true => Ok(()),
            false => Err(Trouble::NotRefused),
        }
    })?;
    Ok("set")
}

/// The very filter that servers get.
fn filter() -> Result<&'static str, Trouble> {
    in_child(|| {
        let filter = compile::server(true, false, Brokered::default()).map_err(|_| Errno::EINVAL)?;
        prctl::set_no_new_privs()?;
        sys::install_filter(&filter)?;
        refused(clone(0).map(drop), Errno::ENOSYS)?;
        // Without the filter it is ENOENT, whoever asks.
        refused(mount_nowhere(), Errno::EPERM)
    })?;
    Ok("installed, and refuses mount and clone3")
}

fn mount_nowhere() -> nix::Result<()> {
    let none: Option<&str> = None;
    nix::mount::mount(
        none,
        "/mcp-sandbox-doctor",
        none,
        nix::mount::MsFlags::empty(),
        none,
    )
}

fn files() -> Result<&'static str, Trouble> {
    if sys::landlock_abi() == 0 {
        return Err(Trouble::Failed(Errno::EOPNOTSUPP));
    }
    in_child(|| {
        let probe = "/proc/self/status";
        File::open(probe)?;
        enforce(Ruleset::default().handle_access(AccessFs::from_all(ABI::V1)))?;
        refused(open(probe), Errno::EACCES)
    })?;
    Ok("a file without a rule was refused")
}

fn connect() -> Result<&'static str, Trouble> {
    if sys::landlock_abi() < 4 {
        return Err(Trouble::Absent("needs Landlock ABI 4, which came with Linux 6.7"));
    }
    in_child(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        TcpStream::connect(address)?;
        enforce(Ruleset::default().handle_access(AccessNet::ConnectTcp))?;
        refused(TcpStream::connect(address).map_err(errno), Errno::EACCES)
    })?;
    Ok("a connection without a rule was refused")
}

fn abstract_sockets() -> Result<&'static str, Trouble> {
    if sys::landlock_abi() < 6 {
        return Err(Trouble::Absent(
            "needs Landlock ABI 6, which came with Linux 6.12",
        ));
    }
    in_child(|| {
        let name = format!("mcp-sandbox-doctor-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name)?;
        let _listener = UnixListener::bind_addr(&address)?;
        UnixStream::connect_addr(&address)?;
        enforce(Ruleset::default().scope(Scope::AbstractUnixSocket))?;
        refused(UnixStream::connect_addr(&address).map_err(errno), Errno::EPERM)
    })?;
    Ok("a socket from outside was refused")
}

/// Restricts this process, to nothing of what the ruleset handles.
fn enforce(ruleset: Result<Ruleset, landlock::RulesetError>) -> Result<(), Trouble> {
    let create = |ruleset: Ruleset| ruleset.set_compatibility(CompatLevel::HardRequirement).create();
    let restrict = |ruleset: RulesetCreated| ruleset.no_new_privs(true).restrict_self();
    ruleset
        .and_then(create)
        .and_then(restrict)
        .map(drop)
        .map_err(|_| Errno::EOPNOTSUPP.into())
}

fn open(path: &str) -> nix::Result<Vec<u8>> {
    fs::read(path).map_err(errno)
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
