//! A throw-away child for one trial: it reports by a pipe, and it never outlives its time.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getgid, getuid, pipe2};

use super::super::clone::{Side, clone};
use super::super::{launch, sys};
use super::{Act, told};

/// How long one trial may take, in milliseconds. The slowest takes a hundredth of it.
const PATIENCE: u16 = 5000;

/// Why an ability could not be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The namespaces could not be made.
    Clone(Errno),
    /// The id maps could not be written.
    Map(Errno),
    /// The user namespace is there, but its capabilities do not work.
    Powerless(Errno),
    /// The act itself failed.
    Failed(Errno),
    /// What should have been refused was not.
    NotRefused,
    /// The kernel does not have it.
    Absent(&'static str),
    Hangs,
    Died,
}

impl Trouble {
    /// The act that failed, if it is not the one that was to be tried.
    pub fn act(self) -> Option<Act> {
        match self {
            Trouble::Clone(_) => Some(Act::MakeUserNamespace),
            Trouble::Map(_) => Some(Act::MapIds),
            Trouble::Powerless(_) => Some(Act::UseCapability),
            _ => None,
        }
    }

    pub fn errno(self) -> Option<Errno> {
        match self {
            Trouble::Clone(errno)
            | Trouble::Map(errno)
            | Trouble::Powerless(errno)
            | Trouble::Failed(errno) => Some(errno),
            _ => None,
        }
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Trouble::Failed(errno)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Trouble::Failed(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Clone(errno) => write!(f, "cannot be made, {}", told(*errno)),
            Trouble::Map(errno) => write!(f, "made, but no id can be mapped, {}", told(*errno)),
            Trouble::Powerless(errno) => {
                write!(f, "made, but its capabilities do not work, {}", told(*errno))
            }
            Trouble::Failed(errno) => f.write_str(&told(*errno)),
            Trouble::NotRefused => f.write_str("it is there, but does not refuse what it must"),
            Trouble::Absent(why) => f.write_str(why),
            Trouble::Hangs => f.write_str("no answer within five seconds"),
            Trouble::Died => f.write_str("the trial was killed"),
        }
    }
}

/// What must be refused, with exactly this errno.
pub fn refused<T>(result: nix::Result<T>, expected: Errno) -> Result<(), Trouble> {
    match result {
        Ok(_) => Err(Trouble::NotRefused),
        Err(errno) if errno == expected => Ok(()),
        Err(errno) => Err(Trouble::Failed(errno)),
    }
}

/// Runs `act` in a child.
pub fn in_child(act: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    in_namespaces(0, act)
}

/// Runs `act` in a child in these new namespaces (CLONE_NEW*); with a user namespace among them, once our own
/// ids are mapped in it.
pub fn in_namespaces(flags: i32, act: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    let (result, report) = pipe2(OFlag::O_CLOEXEC)?;
    let (gate, release) = pipe2(OFlag::O_CLOEXEC)?;
    match clone(flags).map_err(Trouble::Clone)? {
        Side::Child => {
            drop((result, release));
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            // The end of the gate says that the maps are written, or that our parent has died.
            let opened = nix::unistd::read(&gate, &mut [0]);
            if opened == Ok(1) {
                let _ = nix::unistd::write(&report, &encode(act()));
            }
            sys::exit_now(0)
        }
        Side::Parent { child, pidfd } => {
            drop((report, gate));
            let _end = End { child, pidfd };
            if flags & libc::CLONE_NEWUSER != 0 {
                launch::write_maps(child, getuid().as_raw(), getgid().as_raw()).map_err(Trouble::Map)?;
            }
            let _ = nix::unistd::write(&release, &[1]);
            receive(result.as_fd())
        }
    }
}

/// The child goes away with its trial, whatever it is doing.
struct End {
    child: Pid,
    pidfd: OwnedFd,
}

impl Drop for End {
    fn drop(&mut self) {
        if sys::signal_pidfd(self.pidfd.as_fd(), libc::SIGKILL).is_err() {
            let _ = kill(self.child, Signal::SIGKILL);
        }
        let _ = waitpid(self.child, None);
    }
}

fn receive(result: BorrowedFd) -> Result<(), Trouble> {
    if !readable(result) {
        return Err(Trouble::Hangs);
    }
    let mut bytes = [0; SIZE];
    match nix::unistd::read(result, &mut bytes) {
        Ok(SIZE) => decode(bytes),
        _ => Err(Trouble::Died),
    }
}

/// Waits until there is something to read, or the end, in the time of one trial.
pub fn readable(fd: BorrowedFd) -> bool {
    loop {
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(PATIENCE)) {
            Err(Errno::EINTR) => continue,
            other => return other.is_ok_and(|ready| ready > 0),
        }
    }
}

const SIZE: usize = 5;

fn encode(result: Result<(), Trouble>) -> [u8; SIZE] {
    let (tag, number) = match result {
        Ok(()) => (0, 0),
        Err(Trouble::NotRefused) => (1, 0),
        Err(trouble) => (2, trouble.errno().unwrap_or(Errno::EIO) as i32),
    };
    let [a, b, c, d] = i32::to_ne_bytes(number);
    [tag, a, b, c, d]
}

fn decode([tag, a, b, c, d]: [u8; SIZE]) -> Result<(), Trouble> {
    match tag {
        0 => Ok(()),
        1 => Err(Trouble::NotRefused),
        _ => Err(Trouble::Failed(Errno::from_raw(i32::from_ne_bytes([a, b, c, d])))),
    }
}

/// A process that waits to be killed, and its pidfd.
pub fn sleeper() -> Result<(Pid, OwnedFd), Trouble> {
    match clone(0).map_err(Trouble::Failed)? {
        Side::Child => {
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            loop {
                nix::unistd::pause();
            }
        }
        Side::Parent { child, pidfd } => Ok((child, pidfd)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_survive_the_wire() {
        for result in [
            Ok(()),
            Err(Trouble::NotRefused),
            Err(Trouble::Failed(Errno::ENOSPC)),
        ] {
            assert_eq!(decode(encode(result)), result);
        }
    }

    #[test]
    fn only_the_expected_refusal_counts() {
        assert_eq!(refused(Ok(()), Errno::EACCES), Err(Trouble::NotRefused));
        assert_eq!(refused::<()>(Err(Errno::EACCES), Errno::EACCES), Ok(()));
        assert_eq!(
            refused::<()>(Err(Errno::ENOENT), Errno::EACCES),
            Err(Trouble::Failed(Errno::ENOENT))
        );
    }
}
