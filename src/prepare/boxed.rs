//! A package manager in a box: our own `run` as a child, with what it may write and reach given by flags.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use mcp_sandbox_platform::quote;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde::Deserialize;

use crate::child;
use crate::error::{Error, reason};

/// What every box has that prepares packages. A manager unpacks much, and compilers of install scripts take memory; the
/// time is for registries that never answer.
const LIMITS: &str = "version = 1\n[filesystem]\ntmp = \"4GiB\"\n[resources]\nmemory = \"4GiB\"\nprocesses = 1024\ndisk = \"16GiB\"\ntimeout = \"30m\"\n";

/// How much of what a manager says is kept: its last part.
const MOST_BYTES: usize = 1 << 20;

/// Milliseconds between two looks at a child.
const LOOK: u8 = 20;

/// Starts boxes, and ends them when we are told to end.
pub struct Boxes {
    signals: SignalFd,
}

/// One box.
#[derive(Debug, Default)]
pub struct Order {
    pub command: Vec<OsString>,
    /// Folders that it may change, each with its place in the box.
    pub write: Vec<(PathBuf, PathBuf)>,
    /// Files and folders that it may read, each with its place in the box.
    pub read: Vec<(PathBuf, PathBuf)>,
    /// Rules as in `[network] allow`.
    pub allow: Vec<String>,
    /// Variables for the program. They are not visible in the process list.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory, in the box.
    pub cwd: PathBuf,
    /// A folder outside of what it may write, for what the two of us tell each other.
    pub notes: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    pub succeeded: bool,
    pub stdout: String,
    pub stderr: String,
    /// Destinations that it was refused.
    pub blocked: Vec<String>,
}

/// What we need of the status file.
#[derive(Deserialize)]
struct Status {
    outcome: String,
    error: Option<String>,
    blocked: Vec<Blocked>,
}

#[derive(Deserialize)]
struct Blocked {
    host: String,
    port: Option<u16>,
}

impl Boxes {
    /// From now on signals that end us are heard here alone.
    ///
    /// # Errors
    /// The system gives no signalfd(2).
    pub fn new() -> Result<Self, Error> {
        let mut set = SigSet::empty();
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
            .into_iter()
            .for_each(|signal| set.add(signal));
        let signals = set
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK));
        let signals =
            signals.map_err(|errno| Error::setup(format!("signals cannot be heard: {}", errno.desc())))?;
        Ok(Boxes { signals })
    }

    /// # Errors
    /// We were told to end.
    pub fn check(&self) -> Result<(), Error> {
        match self.signalled() {
            None => Ok(()),
            Some(_) => Err(interrupted()),
        }
    }

    fn signalled(&self) -> Option<Signal> {
        let signal = self.signals.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(signal.ssi_signo).ok()?).ok()
    }

    /// Runs a box to its end.
    ///
    /// # Errors
    /// It could not be set up, or we were told to end.
    pub fn run(&self, order: &Order) -> Result<Outcome, Error> {
        self.check()?;
        let profile = order.notes.join("box.toml");
        let status = order.notes.join("status.json");
        fs::write(&profile, LIMITS).map_err(|error| noted(&profile, &error))?;
        let mut child = command(order, &profile, &status)
            .spawn()
            .map_err(|error| Error::setup(format!("cannot start a box: {}", reason(&error))))?;
        let stdout = child.stdout.take().map(|pipe| thread::spawn(|| last_part(pipe)));
        let stderr = child.stderr.take().map(|pipe| thread::spawn(|| last_part(pipe)));
        let ended = self.wait(&mut child);
        let text = |reader: Option<thread::JoinHandle<String>>| {
            reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        let succeeded = ended?;
        let status: Option<Status> = fs::read(&status)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        // On a full disk there is no room for it either, and what the manager says tells more.
        let Some(status) = status else {
            return Ok(Outcome {
                succeeded: false,
                stdout,
                stderr,
                blocked: Vec::new(),
            });
        };
        match status.outcome.as_str() {
            "exited" | "signaled" => {}
            "timed-out" => {
                return Err(Error::setup("it took more than 30 minutes")
                    .hint("is the registry reachable? The package manager's own settings name it"));
            }
            _ => return Err(Error::setup(unlabelled(&status.error.unwrap_or(stderr)))),
        }
        let blocked = status.blocked.into_iter().map(|to| match to.port {
            Some(port) => format!("{}:{port}", to.host),
            None => to.host,
        });
        Ok(Outcome {
            succeeded,
            stdout,
            stderr,
            blocked: blocked.collect(),
        })
    }

    /// Whether the child succeeded. A signal of ours ends it first.
    fn wait(&self, child: &mut Child) -> Result<bool, Error> {
        let lost = |error: io::Error| Error::setup(format!("a box cannot be waited for: {}", reason(&error)));
        let mut told = false;
        loop {
            if let Some(status) = child.try_wait().map_err(lost)? {
                return match told {
                    true => Err(interrupted()),
                    false => Ok(status.success()),
                };
            }
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, LOOK);
            if let Some(signal) = self.signalled() {
                told = true;
                child::signal(child, signal);
            }
        }
    }
}

fn interrupted() -> Error {
    Error::setup("interrupted; nothing was changed")
}

fn noted(path: &Path, error: &io::Error) -> Error {
    Error::setup(format!("cannot write {}: {}", quote(path), reason(error)))
}

fn command(order: &Order, profile: &Path, status: &Path) -> Command {
    // The file that we were started from may have been replaced since; this is the same one.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["run", "--quiet", "--grace", "1s", "--profile"])
        .arg(profile);
    command.arg("--status-file").arg(status);
    for (flag, paths) in [("--write", &order.write), ("--read", &order.read)] {
        for (path, at) in paths {
            command.arg(flag).arg(joined(path.as_os_str(), at.as_os_str()));
        }
    }
    for rule in &order.allow {
        command.arg("--allow").arg(rule);
    }
    for (name, value) in &order.env {
        command.arg("--env").arg(name).env(name, value);
    }
    command
        .arg("--cwd")
        .arg(&order.cwd)
        .arg("--")
        .args(&order.command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn joined(path: &OsStr, at: &OsStr) -> OsString {
    let mut joined = path.to_owned();
    joined.push(":");
    joined.push(at);
    joined
}

/// The error of the box as ours, which gets its label anew.
fn unlabelled(text: &str) -> String {
    text.trim()
        .strip_prefix("error: ")
        .unwrap_or(text.trim())
        .to_owned()
}

fn last_part(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1 << 14];
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > 2 * MOST_BYTES {
            kept.drain(..kept.len() - MOST_BYTES);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
