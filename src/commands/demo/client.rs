//! The client of the demo: starts the server, bare or in the box, and calls its tools.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use super::attempt::{Answer, Attempt, Scene};
use super::{raw, server};
use crate::error::{Error, reason};

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that has been started.
pub struct Session {
    process: Child,
    /// Closed first, so that the server ends by itself.
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// Bytes of the next line that have arrived.
    received: Vec<u8>,
    next_id: u64,
    /// The other side of the terminal on the server's stderr.
    terminal: Option<File>,
}

impl Session {
    /// Starts `command` with a terminal of its own on stderr, and shakes hands.
    ///
    /// # Errors
    /// It cannot be started, or does not answer; with what it wrote to stderr.
    pub fn start(mut command: Command) -> Result<Self, Error> {
        let (terminal, stderr) = match terminal() {
            Ok((ours, theirs)) => (Some(File::from(ours)), Stdio::from(theirs)),
            Err(_) => (None, Stdio::null()),
        };
        raw::with_own_session(&mut command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut process = command
            .spawn()
            .map_err(|error| Error::setup(format!("cannot start the demo's server: {}", reason(&error))))?;
        // The command holds the terminal's other end, which must be the server's alone.
        drop(command);
        let missing = || Error::setup("the demo's server has no pipes");
        let mut session = Session {
            input: Some(process.stdin.take().ok_or_else(missing)?),
            output: process.stdout.take().ok_or_else(missing)?,
            process,
            received: Vec::new(),
            next_id: 1,
            terminal,
        };
        session.shake_hands()?;
        Ok(session)
    }

    fn shake_hands(&mut self) -> Result<(), Error> {
        let client = json!({"name": "mcp-sandbox-demo", "version": env!("CARGO_PKG_VERSION")});
        let params = json!({"protocolVersion": server::PROTOCOL, "capabilities": {}, "clientInfo": client});
        self.request("initialize", params)?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        self.request("tools/list", json!({})).map(drop)
    }

    /// What the user types into the terminal, which is that of the client and its servers.
    pub fn type_line(&mut self, text: &str) {
        if let Some(terminal) = &mut self.terminal {
            // Without a terminal there is nothing to steal, and the attempts on it say so.
            let _ = writeln!(terminal, "{text}");
        }
    }

    /// Lets the server try.
    ///
    /// # Errors
    /// It gives no answer, or none that can be understood.
    pub fn call(&mut self, attempt: &Attempt, scene: &Scene) -> Result<Answer, Error> {
        let mut result = self.request("tools/call", json!({"name": attempt.name, "arguments": scene}))?;
        serde_json::from_value(result["structuredContent"].take())
            .map_err(|error| Error::setup(format!("the demo's server answers nonsense: {error}")))
    }

    fn request(&mut self, method: &str, params: Value) -> Result<Value, Error> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let mut message = self.receive()?;
            if message["id"] != id {
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(Error::setup(format!(
                    "the demo's server refuses {method}: {error}"
                ))),
                None => Ok(message["result"].take()),
            };
        }
    }

    fn send(&mut self, message: &Value) -> Result<(), Error> {
        let text = format!("{message}\n");
        match self.input.as_mut().map(|input| input.write_all(text.as_bytes())) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.lost()),
        }
    }

    fn receive(&mut self) -> Result<Value, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(serde_json::from_slice(&line).unwrap_or_default());
            }
            let mut bytes = [0; 4096];
            match self.wait(deadline).then(|| self.output.read(&mut bytes)) {
                Some(Ok(count)) if count > 0 => self.received.extend(&bytes[..count]),
                _ => return Err(self.lost()),
            }
        }
    }

    fn wait(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
    }

    /// The server is gone or hangs: what it left on stderr says why.
    fn lost(&mut self) -> Error {
        self.end();
        let said = self.said();
        let mut lines = said.lines();
        let message = match lines.next() {
            None => "the demo's server gives no answer".into(),
            Some(line) => format!(
                "the demo's server did not start: {}",
                line.strip_prefix("error: ").unwrap_or(line)
            ),
        };
        let hints = lines.filter_map(|line| line.trim().strip_prefix("hint: "));
        hints.fold(Error::setup(message), Error::hint)
    }

    fn said(&mut self) -> String {
        let mut said = Vec::new();
        if let Some(terminal) = &mut self.terminal {
            // A terminal whose other side is closed ends in EIO.
            let _ = terminal.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).replace('\r', "").trim().to_owned()
    }

    fn end(&mut self) {
        self.input = None;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// A terminal as a client has it; the server sees it as that of its user.
fn terminal() -> nix::Result<(OwnedFd, OwnedFd)> {
    let pair = nix::pty::openpty(None, None)?;
    for fd in [&pair.master, &pair.slave] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((pair.master, pair.slave))
}
