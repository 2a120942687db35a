//! A terminal of the box's own, for a server that a person talks to.
//!
//! The user's terminal never becomes the server's controlling terminal: the server gets the slave of a
//! pseudo-terminal of the box, and the supervisor copies between its master and the user's terminal.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::termios::{self, SetArg, Termios};

use super::sys;
use super::tree::Tree;

/// Both sides of a pseudo-terminal (pty(7)).
pub struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Terminal {
    /// Opens a terminal of the new devpts and sets it up like the one on stdin.
    pub fn open(root: &Tree) -> nix::Result<Self> {
        let master = root.open_with(Path::new("/dev/pts/ptmx"), libc::O_RDWR | libc::O_NOCTTY)?;
        let slave = sys::open_terminal_peer(master.as_fd())?;
        termios::tcsetattr(&slave, SetArg::TCSANOW, &termios::tcgetattr(std::io::stdin())?)?;
        copy_size(std::io::stdin().as_fd(), master.as_fd())?;
        Ok(Terminal { master, slave })
    }

    /// The master for the supervisor, the slave for the server.
    pub fn split(self) -> (OwnedFd, OwnedFd) {
        (self.master, self.slave)
    }
}

/// Makes `slave` the controlling terminal of this new session and the standard streams that were terminals.
pub fn take(slave: &OwnedFd) -> nix::Result<()> {
    sys::set_controlling_terminal(slave.as_fd())?;
    if is_terminal(std::io::stderr().as_fd()) {
        nix::unistd::dup2_stderr(slave)?;
    }
    nix::unistd::dup2_stdin(slave)?;
    nix::unistd::dup2_stdout(slave)
}

/// Opens stdout and stderr again for writing only where they are terminals. A terminal is open for both on every
/// stream, so a server whose stderr it is would read what the user types there.
///
/// # Errors
/// EACCES on a terminal of another user.
pub fn write_only() -> nix::Result<()> {
    let again = |stream: BorrowedFd| -> nix::Result<Option<OwnedFd>> {
        if !is_terminal(stream) {
            return Ok(None);
        }
        let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
        let flags = OFlag::O_WRONLY | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        nix::fcntl::open(path.as_str(), flags, Mode::empty()).map(Some)
    };
    if let Some(stdout) = again(std::io::stdout().as_fd())? {
        nix::unistd::dup2_stdout(stdout)?;
    }
    if let Some(stderr) = again(std::io::stderr().as_fd())? {
        nix::unistd::dup2_stderr(stderr)?;
    }
    Ok(())
}

/// Gives the terminal behind `to` the size of the one behind `from`.
pub fn copy_size(from: BorrowedFd, to: BorrowedFd) -> nix::Result<()> {
    sys::set_terminal_size(to, &sys::terminal_size(from)?)
}

/// Whether the descriptor is a terminal (isatty(3)).
pub fn is_terminal(fd: BorrowedFd) -> bool {
    termios::tcgetattr(fd).is_ok()
}

/// The user's terminal in raw mode for as long as this value lives.
pub struct Raw(Termios);

impl Raw {
    pub fn enter() -> nix::Result<Self> {
        let before = termios::tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

/// Moves what is there from one descriptor to the other; `false` at the end of the stream.
pub fn relay(from: BorrowedFd, to: BorrowedFd) -> bool {
    let mut buffer = [0; 4096];
    match nix::unistd::read(from, &mut buffer) {
        Err(Errno::EINTR | Errno::EAGAIN) => true,
        // EIO is how a master says that nobody holds the slave any more.
        Err(_) | Ok(0) => false,
        Ok(length) => write_all(to, &buffer[..length]),
    }
}

fn write_all(to: BorrowedFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match nix::unistd::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR | Errno::EAGAIN) => continue,
            Err(_) => return false,
        }
    }
    true
}
