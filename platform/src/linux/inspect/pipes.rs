//! Pipes to splice through. A direction has one only while something is in it, so idle connections share a few.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};

/// How many empty pipes are kept.
const KEPT: usize = 8;

/// The size of a pipe in bytes; four times the default took a third off the processor time of a long transfer.
const SIZE: i32 = 256 * 1024;

/// The most that one call moves in bytes. More than the pipe's size: a slot of a pipe refers to a piece of the socket's
/// memory, which can be larger than a page.
const MOST: usize = 1 << 20;

/// A pipe; both ends are non-blocking.
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    fn open() -> nix::Result<Self> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // Refused to a user who has many large pipes already (pipe(7)); the default does too.
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(SIZE));
        Ok(Pipe { read, write })
    }

    /// Moves from a socket into the pipe; 0 is the end of the socket.
    pub fn fill(&self, from: impl AsFd) -> nix::Result<usize> {
        splice(
            from,
            None,
            &self.write,
            None,
            MOST,
            SpliceFFlags::SPLICE_F_NONBLOCK,
        )
    }

    /// Moves from the pipe into a socket.
    pub fn pour(&self, to: impl AsFd) -> nix::Result<usize> {
        splice(&self.read, None, to, None, MOST, SpliceFFlags::SPLICE_F_NONBLOCK)
    }
}

/// Empty pipes.
pub struct Pipes(Vec<Pipe>);

impl Pipes {
    /// One pipe from the start, so that connections that are open go on when descriptors run out.
    pub fn new() -> nix::Result<Self> {
        Ok(Pipes(vec![Pipe::open()?]))
    }

    /// An empty pipe.
    ///
    /// # Errors
    /// Those of pipe2(2), EMFILE among them.
    pub fn take(&mut self) -> nix::Result<Pipe> {
        self.0.pop().map_or_else(Pipe::open, Ok)
    }

    /// Takes a pipe back. It must be empty: what it held would go to another connection.
    pub fn give(&mut self, pipe: Pipe) {
        if self.0.len() < KEPT {
            self.0.push(pipe);
        }
    }
}
