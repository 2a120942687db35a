//! A terminal for the program under test.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{Winsize, openpty};

/// The master of a pseudo-terminal whose slave a command holds.
pub struct Master(std::fs::File);

/// Gives the command a terminal as stdin, stdout, stderr and as its controlling terminal, as a shell would.
pub fn controlling_terminal(command: &mut Command) -> Master {
    let size = Winsize {
        ws_row: 33,
        ws_col: 77,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pair = openpty(&size, None).expect("a pseudo-terminal");
    let slave = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a descriptor"));
    command
        .stdin(slave(&pair.slave))
        .stdout(slave(&pair.slave))
        .stderr(slave(&pair.slave));
    // A child must not hold the master of its own terminal.
    nix::fcntl::fcntl(
        &pair.master,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )
    .expect("close on exec");
    become_controlling(command);
    Master(pair.master.into())
}

/// Gives the command a terminal as stdin and as its controlling terminal; the slave stays ours to look at.
pub fn terminal_as_stdin(command: &mut Command) -> (Master, OwnedFd) {
    let pair = openpty(None, None).expect("a pseudo-terminal");
    for fd in [&pair.master, &pair.slave] {
        nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))
            .expect("close on exec");
    }
    command.stdin(Stdio::from(pair.slave.try_clone().expect("a descriptor")));
    become_controlling(command);
    (Master(pair.master.into()), pair.slave)
}

/// stdin becomes the controlling terminal of a new session.
fn become_controlling(command: &mut Command) {
    // SAFETY: both calls are safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        })
    };
}

impl Master {
    /// Types.
    pub fn write(&mut self, text: &str) {
        self.0
            .write_all(text.as_bytes())
            .expect("the terminal takes input");
    }

    /// Types until the terminal takes no more, or all is typed. A terminal may need a moment to pass on what it holds.
    pub fn overfill(&mut self, bytes: &[u8]) {
        const MOMENT: u16 = 300;
        let mut left = bytes;
        self.set_nonblocking();
        loop {
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
            if left.is_empty() || poll(&mut fds, MOMENT).expect("poll") == 0 {
                return;
            }
            match self.0.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    fn set_nonblocking(&self) {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        fcntl(&self.0, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).expect("non-blocking");
    }

    /// The other side once more, to look at.
    pub fn slave(&self) -> OwnedFd {
        // SAFETY: the call takes flags of open(2) and gives a descriptor that nobody else has.
        unsafe {
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
            let slave = libc::ioctl(self.0.as_raw_fd(), libc::TIOCGPTPEER, flags);
            assert!(slave >= 0, "{}", io::Error::last_os_error());
            OwnedFd::from_raw_fd(slave)
        }
    }

    /// Reads until `text` has been shown; all that was shown since the last call.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{text:?} was not shown: {:?}",
                String::from_utf8_lossy(&shown)
            );
            match self.read_some(left) {
                Some(bytes) => shown.extend(bytes),
                None => panic!(
                    "the terminal closed before {text:?}: {:?}",
                    String::from_utf8_lossy(&shown)
                ),
            }
        }
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Everything until nobody holds the terminal any more.
    pub fn rest(&mut self) -> String {
        let mut shown = Vec::new();
        while let Some(bytes) = self.read_some(Duration::from_secs(20)) {
            shown.extend(bytes);
        }
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// What waits in the slave's input queue, were somebody to read: what TIOCSTI would have put there.
    pub fn pending_input(&self, slave: &OwnedFd) -> i32 {
        let mut waiting = 0;
        // SAFETY: FIONREAD writes one int.
        unsafe { libc::ioctl(slave.as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
        waiting
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: TIOCSWINSZ reads one winsize.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    }

    /// The next bytes; nothing at the end. EIO is how a master says that.
    fn read_some(&mut self, wait: Duration) -> Option<Vec<u8>> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let millis = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX);
        poll(&mut fds, millis).expect("poll");
        if fds[0].revents().is_none_or(|events| events.is_empty()) {
            return Some(Vec::new());
        }
        let mut bytes = vec![0; 4096];
        match self.0.read(&mut bytes) {
            Ok(0) | Err(_) => None,
            Ok(length) => {
                bytes.truncate(length);
                Some(bytes)
            }
        }
    }
}
