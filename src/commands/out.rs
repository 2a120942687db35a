//! Printing for people and pipes: a reader that went away is no error.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub use crate::error::printable;

use crate::error::{Error, reason};

pub const RED: &str = "\x1b[31m";
pub const GREEN: &str = "\x1b[32m";
pub const YELLOW: &str = "\x1b[33m";
pub const PLAIN: &str = "\x1b[0m";

/// Writes text to stdout as it is.
///
/// # Errors
/// What keeps stdout from taking it, other than a closed pipe.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::setup(format!(
            "cannot write to stdout: {}",
            reason(&error)
        ))),
        _ => Ok(()),
    }
}

/// Whether stdout shows colours: a terminal whose user did not ask for none (no-color.org).
pub fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes one line to stderr; there is nowhere to tell that it failed.
pub fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

const PIPE_BUF: usize = 4096;

/// At most so many bytes of a line: its beginning and its end.
fn shortened(line: &str, most: usize) -> Cow<'_, str> {
    const GAP: &str = " … ";
    if line.len() <= most {
        return line.into();
    }
    let boundary = |at: &usize| line.is_char_boundary(*at);
    let tail = (line.len() - most / 4..line.len())
        .find(boundary)
        .unwrap_or(line.len());
    let head = (0..most - (line.len() - tail) - GAP.len())
        .rfind(boundary)
        .unwrap_or(0);
    format!("{}{GAP}{}", &line[..head], &line[tail..]).into()
}

/// Writes one line to stderr if that takes it at once. Whoever serves the server must not wait for a client that does not
/// read.
pub fn warn_at_once(line: &str) {
    warn_within(PollTimeout::ZERO, line);
}

/// The same when the box has ended: a client that reads slowly gets the line, one that does not read does not keep us.
pub fn warn_at_the_end(line: &str) {
    warn_within(PollTimeout::from(500u16), line);
}

fn warn_within(time: PollTimeout, line: &str) {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let ready = poll(&mut fds, time).is_ok() && fds[0].any().unwrap_or(false);
    if ready {
        // Up to PIPE_BUF bytes, a pipe that is ready takes a line whole (pipe(7)).
        let line = shortened(line, PIPE_BUF - 1);
        let _ = stderr.lock().write_all(format!("{line}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_line_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("short", 10), "short");
        let line = format!("begin{}end", "é".repeat(5000));
        let short = shortened(&line, 4095);
        assert!(short.len() <= 4095 && short.len() > 4000, "{}", short.len());
        assert!(short.starts_with("beginé") && short.ends_with("éend") && short.contains(" … "));
    }
}
