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

use super::super::clone::{Side, clone, fork};
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
    let trial = Trial::new()?;
    match fork()? {
        None => trial.perform(act),
        Some(child) => trial.observe(child, |_| Ok(())),
    }
}

/// Runs `act` in a child in a new user namespace and these others (CLONE_NEW*), once our own ids are mapped.
pub fn in_namespaces(others: i32, act: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    let trial = Trial::new()?;
    match clone(libc::CLONE_NEWUSER | others).map_err(Trouble::Clone)? {
        Side::Child => trial.perform(act),
        Side::Parent { child, .. } => trial.observe(child, |child| {
            launch::write_maps(child, getuid().as_raw(), getgid().as_raw()).map_err(Trouble::Map)
        }),
    }
}

/// The pipes of one trial: one opens the gate for the child, the other brings its result.
struct Trial {
    gate: OwnedFd,
    release: OwnedFd,
    result: OwnedFd,
    report: OwnedFd,
}

impl Trial {
    fn new() -> nix::Result<Self> {
        let (gate, release) = pipe2(OFlag::O_CLOEXEC)?;
        let (result, report) = pipe2(OFlag::O_CLOEXEC)?;
        Ok(Trial {
            gate,
            release,
            result,
            report,
        })
    }

    /// The child's side.
    fn perform(self, act: impl FnOnce() -> Result<(), Trouble>) -> ! {
        drop((self.release, self.result));
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        // The end of the pipe without a byte says that our parent has given up or died.
        if nix::unistd::read(&self.gate, &mut [0]) == Ok(1) {
            let _ = nix::unistd::write(&self.report, &encode(act()));
        }
        sys::exit_now(0)
    }

    /// The parent's side: `prepare`, let the child act, take its result.
    fn observe(self, child: Pid, prepare: impl FnOnce(Pid) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let _end = End(child);
        drop((self.gate, self.report));
        prepare(child)?;
        let _ = nix::unistd::write(&self.release, &[1]);
        receive(self.result.as_fd())
    }
}

/// The child goes away with its trial, whatever it is doing. Until it is waited for its number stays its own.
struct End(Pid);

impl Drop for End {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
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

/// Does nothing until it is killed, which the end of its parent does as well.
pub fn sleep() -> ! {
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    loop {
        nix::unistd::pause();
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
