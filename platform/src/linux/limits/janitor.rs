//! Who removes the control groups of a run that was killed: a small process of ours outside the box that waits for the
//! supervisor's end. It has its own session, so that a signal to our process group does not reach it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::super::clone::fork;
use super::super::sys;
use super::{find, group};

/// The longest that a box may take to end with its supervisor.
const PATIENCE: Duration = Duration::from_secs(30);

/// After so many milliseconds a run has long started, and a look at what crashes have left in other sessions does not
/// delay it.
const STARTED: u16 = 1000;

/// The running process.
pub struct Janitor {
    pid: Pid,
    /// Its end is how the janitor learns of ours.
    alive: Option<OwnedFd>,
}

impl Janitor {
    /// Starts it before the folders are made, so that there is no moment without it. Our process has one thread.
    pub fn start(folders: &[PathBuf]) -> io::Result<Self> {
        let (wait, alive) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        match fork()? {
            Some(pid) => Ok(Janitor {
                pid,
                alive: Some(alive),
            }),
            None => {
                drop(alive);
                stay(&wait, folders)
            }
        }
    }
}

impl Janitor {
    pub fn pid(&self) -> Pid {
        self.pid
    }
}

impl Drop for Janitor {
    /// Its work is done, or it does it now.
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = waitpid(self.pid, None);
    }
}

fn stay(wait: &OwnedFd, folders: &[PathBuf]) -> ! {
    let _ = nix::unistd::setsid();
    let _ = nix::unistd::chdir(Path::new("/"));
    // Streams of the client, held here, would not end for it.
    if nix::unistd::dup2_stdin(wait).is_err() || sys::close_from(1).is_err() {
        sys::exit_now(1);
    }
    // Only root may. Of those who share a scope with it the box goes first in any case.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    sys::release_code();
    if !folders.is_empty() && is_still_needed_after(STARTED) {
        let hierarchies = find::around(folders);
        let has_time = || is_still_needed_after(0);
        hierarchies
            .iter()
            .for_each(|one| group::remove_all_stale(one, has_time));
        sys::release_code();
    }
    while nix::unistd::read(std::io::stdin(), &mut [0]) == Err(Errno::EINTR) {}
    let until = Instant::now() + PATIENCE;
    while !group::remove(folders) && Instant::now() < until {
        thread::sleep(Duration::from_millis(2));
    }
    sys::exit_now(0)
}

fn is_still_needed_after(milliseconds: u16) -> bool {
    let stdin = std::io::stdin();
    let mut ends = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut ends, milliseconds) == Ok(0)
}
