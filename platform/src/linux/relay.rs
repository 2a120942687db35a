//! Copies between the user's terminal and the master of the server's, without ever waiting for either.
//!
//! Both sides can refuse to take more: a server that does not read while the user pastes, or while the terminal answers
//! the queries it printed, and a terminal whose output is stopped. Signals must be served all the same, so what cannot
//! be passed on stays in a small buffer, and its source is not read until the buffer is empty again.

use std::io::{Stdin, Stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::terminal;

/// What is read from one side at a time, and the most that waits for the other.
const CHUNK: usize = 4096;

/// The most that is written to the user's terminal at a time.
///
/// Its open file description is shared with the user's shell, which must not find it non-blocking, so the write is a
/// blocking one. The kernel says POLLOUT only where a pseudo-terminal has room for a buffer of this size, and other
/// terminals for more. What remains is another program that fills or stops the same terminal between poll and write:
/// then signals wait until it goes on. The server cannot do that, it has no descriptor of this terminal.
const SCREEN_CHUNK: usize = 256;

/// How long a terminal that takes nothing more is waited for when the box has ended, in milliseconds.
const PATIENCE: u16 = 1000;

/// When the size of a terminal is looked at again. The kernel tells of a change before it makes it (pty_resize).
const SETTLED: Duration = Duration::from_millis(20);

/// A descriptor and what it is waited for.
pub type Source<'a> = (BorrowedFd<'a>, PollFlags);

/// Both directions between the user's terminal and the server's.
pub struct Relay {
    master: OwnedFd,
    stdin: Stdin,
    stdout: Stdout,
    input: Flow,
    output: Flow,
    resized: Option<Instant>,
}

impl Relay {
    /// The master must be non-blocking.
    pub fn new(master: OwnedFd) -> Self {
        Relay {
            master,
            stdin: std::io::stdin(),
            stdout: std::io::stdout(),
            input: Flow::default(),
            output: Flow::default(),
            resized: None,
        }
    }

    /// What to wait for: master, stdin, stdout. One that nothing is wanted from is left out, since poll(2) would tell
    /// of its hang-up again and again.
    pub fn sources(&self) -> [Option<Source<'_>>; 3] {
        let mut master = PollFlags::empty();
        master.set(PollFlags::POLLIN, self.output.hungry());
        master.set(PollFlags::POLLOUT, self.input.pending());
        [
            (!master.is_empty()).then(|| (self.master.as_fd(), master)),
            self.input
                .hungry()
                .then(|| (self.stdin.as_fd(), PollFlags::POLLIN)),
            self.output
                .pending()
                .then(|| (self.stdout.as_fd(), PollFlags::POLLOUT)),
        ]
    }

    /// Moves what can be moved, given which of the sources are ready; `false` when there is no more output to come.
    pub fn serve(&mut self, [master, stdin, stdout]: [bool; 3]) -> bool {
        if stdin {
            self.input.fill(self.stdin.as_fd());
        }
        if stdin || master {
            self.input.pour(self.master.as_fd(), CHUNK);
        }
        if stdout {
            self.output.pour(self.stdout.as_fd(), SCREEN_CHUNK);
        }
        if master {
            self.output.fill(self.master.as_fd());
        }
        self.output.alive()
    }

    /// Gives the server's terminal the size of the user's, now and when that has settled.
    pub fn copy_size(&mut self) {
        self.fit();
        self.resized = Some(Instant::now() + SETTLED);
    }

    /// When [`Relay::settle`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.resized
    }

    /// Copies the size once more, when its time has come.
    pub fn settle(&mut self, now: Instant) {
        if self.resized.take_if(|at| *at <= now).is_some() {
            self.fit();
        }
    }

    fn fit(&self) {
        let _ = terminal::copy_size(self.stdin.as_fd(), self.master.as_fd());
    }

    /// Shows what a box that has ended still had to say, until `stop` says so or the terminal takes no more.
    pub fn finish(mut self, stop: impl Fn() -> bool) {
        self.input.close();
        while !stop() {
            let Ok(ready) = wait(self.sources(), PollTimeout::from(PATIENCE)) else {
                return;
            };
            if ready == [false; 3] || !self.serve(ready) {
                return;
            }
        }
    }
}

/// One direction: what was read and could not be written yet.
#[derive(Default)]
struct Flow {
    waiting: Vec<u8>,
    closed: bool,
}

impl Flow {
    fn hungry(&self) -> bool {
        !self.closed && !self.pending()
    }

    fn pending(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn alive(&self) -> bool {
        !self.closed || self.pending()
    }

    fn close(&mut self) {
        self.waiting.clear();
        self.closed = true;
    }

    /// Reads once, when nothing waits.
    fn fill(&mut self, from: BorrowedFd) {
        if !self.hungry() {
            return;
        }
        let mut buffer = [0; CHUNK];
        match nix::unistd::read(from, &mut buffer) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // EIO is how a master says that nobody holds the slave any more.
            Err(_) | Ok(0) => self.closed = true,
            Ok(length) => self.waiting.extend_from_slice(&buffer[..length]),
        }
    }

    /// Writes once, at most `most` bytes, when something waits.
    fn pour(&mut self, to: BorrowedFd, most: usize) {
        if !self.pending() {
            return;
        }
        let chunk = &self.waiting[..self.waiting.len().min(most)];
        match nix::unistd::write(to, chunk) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.close(),
            Ok(written) => drop(self.waiting.drain(..written)),
        }
    }
}

/// Sleeps until one of the sources is ready, and tells which are.
///
/// # Errors
/// Those of poll(2) but EINTR, which counts as nothing ready.
pub fn wait<const N: usize>(sources: [Option<Source>; N], timeout: PollTimeout) -> nix::Result<[bool; N]> {
    let mut fds: Vec<PollFd> = sources
        .into_iter()
        .flatten()
        .map(|(fd, flags)| PollFd::new(fd, flags))
        .collect();
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    let mut happened = fds.iter().map(|fd| fd.any().unwrap_or(false));
    Ok(sources.map(|source| source.is_some() && happened.next().unwrap_or(false)))
}
