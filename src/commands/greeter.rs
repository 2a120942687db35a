//! The client of `learn --probe`: greets the server, asks for its lists, and lets it end.
//!
//! It has both ends of the conversation in pipes of our own, in the place of our stdin and stdout, so that the server is
//! started as always. Its messages are those of the Model Context Protocol, revision 2025-06-18, one a line.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stdin, dup2_stdout, pipe2};
use serde_json::{Value, json};

use crate::error::{Error, reason};

/// Our ends of the pipes.
pub struct Probe {
    to: File,
    from: BufReader<File>,
}

/// How long an answer is waited for. Launchers install packages first.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the server gets to end by itself once nobody speaks to it any more.
const TIME_TO_END: Duration = Duration::from_secs(3);
/// The longest line that is read: a hostile server writes on for ever.
const LONGEST_LINE: u64 = 16 << 20;

impl Probe {
    /// Puts the pipes in the place of stdin and stdout.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn prepare() -> Result<Self, Error> {
        let make = || {
            let (stdin, to) = pipe2(OFlag::O_CLOEXEC)?;
            let (from, stdout) = pipe2(OFlag::O_CLOEXEC)?;
            dup2_stdin(stdin)?;
            dup2_stdout(stdout)?;
            Ok((to, from))
        };
        let made: nix::Result<(OwnedFd, OwnedFd)> = make();
        let (to, from) =
            made.map_err(|errno| Error::setup(format!("cannot make pipes: {}", reason(&errno.into()))))?;
        Ok(Probe {
            to: to.into(),
            from: BufReader::new(from.into()),
        })
    }

    /// Talks to the server on a thread, which ends with it. What it found comes as the end of a sentence.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(self) -> Result<JoinHandle<String>, Error> {
        let thread = thread::Builder::new().name("probe".into());
        thread
            .spawn(move || self.talk())
            .map_err(|error| Error::setup(format!("cannot start a thread: {}", reason(&error))))
    }

    fn talk(mut self) -> String {
        let found = self
            .ask()
            .unwrap_or_else(|error| format!("did not answer: {}", reason(&error)));
        let Probe { to, from } = self;
        drop(to);
        let from = from.into_inner();
        if !ends(&from, TIME_TO_END) {
            // The supervisor's own way to stop the server.
            let _ = kill(Pid::this(), Signal::SIGTERM);
        }
        // Nobody may wait for us to read on.
        let _ = io::copy(&mut &from, &mut io::sink());
        found
    }

    fn ask(&mut self) -> io::Result<String> {
        let client = json!({ "name": "mcp-sandbox", "version": env!("CARGO_PKG_VERSION") });
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        let answer = self.request(1, "initialize", hello)?;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        let mut found = Vec::new();
        for (id, list) in (2..).zip(["tools", "prompts", "resources"]) {
            if answer["result"]["capabilities"].get(list).is_none() {
                continue;
            }
            let answer = self.request(id, &format!("{list}/list"), json!({}))?;
            let count = answer["result"][list].as_array().map_or(0, Vec::len);
            found.push(format!("{count} {list}"));
        }
        Ok(match found.is_empty() {
            true => "offers nothing".into(),
            false => format!("offers {}", found.join(", ")),
        })
    }

    fn request(&mut self, id: u64, method: &str, params: Value) -> io::Result<Value> {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            // What is no JSON is the server's noise; what has another id is not for us.
            let message: Value = serde_json::from_slice(&self.line(deadline)?).unwrap_or_default();
            if message["id"] == id && message.get("method").is_none() {
                return Ok(message);
            }
        }
    }

    fn send(&mut self, message: &Value) -> io::Result<()> {
        let sent = self.to.write_all(format!("{message}\n").as_bytes());
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => ended(),
            _ => error,
        })
    }

    fn line(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            if self.from.buffer().is_empty() && !readable(self.from.get_ref(), deadline)? {
                return Err(io::Error::other("the server took too long"));
            }
            let available = self.from.fill_buf()?;
            if available.is_empty() {
                return Err(ended());
            }
            let length = available
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(available.len(), |at| at + 1);
            line.extend_from_slice(&available[..length]);
            self.from.consume(length);
            if line.len() as u64 > LONGEST_LINE {
                return Err(io::Error::other("the server's line is too long"));
            }
        }
        Ok(line)
    }
}

fn ended() -> io::Error {
    io::Error::other("the server has ended")
}

/// Whether there is something to read before the time is over.
fn readable(file: &File, deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, left)? > 0)
}

/// Reads until the other side ends, or the time is over.
fn ends(mut file: &File, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    let mut buffer = [0; 4096];
    while Instant::now() < deadline && readable(file, deadline).unwrap_or(false) {
        if matches!(file.read(&mut buffer), Ok(0) | Err(_)) {
            return true;
        }
    }
    false
}
