//! A terminal of the box's own, for a server that a person talks to.
//!
//! The user's terminal never becomes the server's controlling terminal: the server gets the slave of a
//! pseudo-terminal of the box, and the supervisor copies between its master and the user's terminal.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, FlushArg, SetArg, Termios};

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
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK;
        let master = root.open_with(Path::new("/dev/pts/ptmx"), flags)?;
        let slave = sys::open_terminal_peer(master.as_fd())?;
        termios::tcsetattr(&slave, SetArg::TCSANOW, &termios::tcgetattr(std::io::stdin())?)?;
        copy_size(std::io::stdin().as_fd(), master.as_fd())?;
        Ok(Terminal { master, slave })
    }

    /// The master for the supervisor, non-blocking; the slave for the server.
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
///
/// The mode changes at once (TCSANOW): the other ways wait until all output is shown, on a stopped terminal for ever.
pub struct Raw(Termios);

impl Raw {
    pub fn enter() -> nix::Result<Self> {
        let before = termios::tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw)?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        discard_input();
        let _ = termios::tcflush(std::io::stdin(), FlushArg::TCIFLUSH);
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0);
    }
}

/// Reads and forgets what waits on stdin, until the terminal is quiet.
///
/// A hostile server asks the terminal for answers (ESC [6n and its like) and ends: the user's shell would take them as
/// typed. Flushing is not enough, it reaches only the 4 KiB next to the reader, and the answers to the last queries are
/// still on their way. A terminal that answers later than this, over a slow line, still types into the shell.
fn discard_input() {
    const QUIET: u16 = 50;
    let deadline = Instant::now() + Duration::from_millis(500);
    let stdin = std::io::stdin();
    let mut buffer = [0; 4096];
    while Instant::now() < deadline {
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let some = poll(&mut fds, QUIET).is_ok_and(|ready| ready > 0)
            && nix::unistd::read(&stdin, &mut buffer).is_ok_and(|length| length > 0);
        if !some {
            return;
        }
    }
}
