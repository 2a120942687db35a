//! The client of `learn --probe`: greets the server, asks for its lists, and lets it end.
//!
//! It has both ends of the conversation in pipes of our own, in the place of our stdin and stdout, so that the server is
//! started as always.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stdin, dup2_stdout, pipe2};

use crate::error::{Error, reason};
use crate::probe::{Offers, Session};

/// Our ends of the pipes.
pub struct Probe {
    to: File,
    from: File,
}

/// How long an answer is waited for. Launchers install packages first.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the server gets to end by itself once nobody speaks to it any more.
const TIME_TO_END: Duration = Duration::from_secs(3);

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
            from: from.into(),
        })
    }

    /// Talks to the server on a thread, which ends with it. What it found comes as a sentence.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(self) -> Result<JoinHandle<String>, Error> {
        let thread = thread::Builder::new().name("probe".into());
        thread
            .spawn(move || self.talk())
            .map_err(|error| Error::setup(format!("cannot start a thread: {}", reason(&error))))
    }

    fn talk(self) -> String {
        let mut session = match Session::over(self.to, self.from, PATIENCE) {
            Ok(session) => session,
            Err(error) => return error.message,
        };
        let asked = session.shake_hands().and_then(|hello| session.offers(&hello));
        if !session.end(TIME_TO_END) {
            // The supervisor's own way to stop the server.
            let _ = kill(Pid::this(), Signal::SIGTERM);
        }
        session.forget();
        match asked {
            Ok(offers) => offered(&offers),
            Err(error) => error.message,
        }
    }
}

fn offered(offers: &Offers) -> String {
    let counts = offers.iter().map(|(kind, items)| {
        let kind = match *kind {
            "resourceTemplates" => "resource templates",
            kind => kind,
        };
        format!("{} {kind}", items.len())
    });
    let counts: Vec<String> = counts.collect();
    match counts.is_empty() {
        true => "the server offers nothing".into(),
        false => format!("the server offers {}", counts.join(", ")),
    }
}
