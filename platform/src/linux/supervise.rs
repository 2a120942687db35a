//! The supervisor's event loop: wait for the server's end, pass signals on, stop it in two stages.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};

use super::launch::{LaunchError, Sandbox, failure};
use super::limits::{Account, Order};
use super::plan::Plan;
use super::relay::{self, Relay, Source};
use super::report::Report;
use super::{broker, pause, sys, terminal};

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// Killed by this signal.
    Signal(i32),
}

impl Exit {
    /// The exit code that tells it to a shell: the server's own, or 128 plus the signal.
    pub fn code(self) -> u8 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128u8.saturating_add(signal as u8),
        }
    }
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub exit: Exit,
    pub account: Account,
}

/// The time a server gets when its client is gone: nobody waits for an orderly end, and an orphan helps nobody.
const GRACE_WITHOUT_CLIENT: Duration = Duration::from_millis(500);

/// A wait that is worth giving memory back for: what the loop needs then is mapped again some microseconds later.
const LONG: Duration = Duration::from_millis(150);
/// How often at least, where no wait is that long.
const AGAIN: Duration = Duration::from_millis(250);

/// The signals that ask for the end.
const STOPPING: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// Which event woke the loop.
struct Awake {
    client_gone: bool,
    signal: bool,
    reported: bool,
    /// Master, stdin, stdout.
    terminal: [bool; 3],
}

impl Sandbox {
    /// Starts the server and stays until it has ended.
    ///
    /// A stopping signal (TERM, INT, HUP) reaches the server's process group; if it still runs after `grace`,
    /// or on a second such signal, the whole box is killed.
    ///
    /// # Errors
    /// A step of the server's process that failed, such as its execution.
    pub fn run(mut self, plan: &Plan, grace: Duration) -> Result<End, LaunchError> {
        let lost = |_| LaunchError::Lost;
        let mut signals = self.signals;
        signals.add(Signal::SIGWINCH);
        let signals =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(lost)?;
        let raw = self
            .terminal
            .is_some()
            .then(terminal::Raw::enter)
            .transpose()
            .map_err(lost)?;
        let client = client();
        if self.terminal.is_none() {
            release_standard_streams();
        }
        sys::release_code();
        let end = self.watch(&signals, client, grace).map_err(lost)?;
        if let Some(relay) = self.terminal.take() {
            relay.finish(|| stop_asked(&signals));
        }
        drop(raw);
        let exit = self.outcome(end, plan)?;
        // Collected, init has told the kernel what the box has used, and left its groups.
        let _ = waitpid(self.init, None);
        let limits = self.limits.take().ok_or(LaunchError::Lost)?;
        Ok(End {
            exit,
            account: limits.finish(),
        })
    }

    /// Serves events until the end is reported; nothing if init died without a word.
    fn watch(
        &mut self,
        signals: &SignalFd,
        mut client: Option<OwnedFd>,
        grace: Duration,
    ) -> nix::Result<Option<Report>> {
        let mut deadline = None;
        let mut released = Instant::now();
        loop {
            let now = Instant::now();
            let due = self.limits.as_ref().map(|limits| limits.due(now));
            let settled = self.terminal.as_ref().and_then(Relay::due);
            let next = [deadline, due, settled].into_iter().flatten().min();
            let long = next.is_none_or(|next| next > now + LONG);
            // A relay would have it mapped again with every piece.
            if (long || now > released + AGAIN) && self.terminal.is_none() {
                sys::release_code();
                released = now;
            }
            let awake = self.wait(signals, client.as_ref(), next)?;
            // Before what was typed after it.
            if awake.signal {
                self.pass_signals_on(signals, &mut deadline, grace);
            }
            if let Some(relay) = &mut self.terminal {
                relay.settle(Instant::now());
            }
            self.terminal.take_if(|relay| !relay.serve(awake.terminal));
            if awake.reported {
                match Report::receive(self.channel.as_fd()) {
                    Ok(Some((Report::Filtered, listener))) => self.start_broker(listener)?,
                    Ok(Some((report, _))) => return Ok(Some(report)),
                    Ok(None) | Err(_) => return Ok(None),
                }
            }
            if awake.client_gone {
                client = None;
                let _ = sys::signal_pidfd(self.pidfd.as_fd(), libc::SIGTERM);
                deadline = Some(Instant::now() + grace.min(GRACE_WITHOUT_CLIENT));
            }
            if self.limits_order() != Order::Nothing && deadline.is_none() {
                deadline = Some(Instant::now() + grace);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                if let Some(limits) = &mut self.limits {
                    limits.look_back();
                }
                let _ = sys::signal_pidfd(self.pidfd.as_fd(), libc::SIGKILL);
                deadline = None;
            }
        }
    }

    /// Looks after the limits, and does what they ask for.
    fn limits_order(&mut self) -> Order {
        let Some(limits) = &mut self.limits else {
            return Order::Nothing;
        };
        let stood_still = limits.paused();
        let order = limits.look();
        // Again at every look: what was told to stand still can be woken by another process that was not yet.
        if limits.paused() || stood_still {
            pause::tell(self.pidfd.as_fd(), limits.paused());
        }
        let signal = match order {
            Order::Nothing => return order,
            Order::Stop => libc::SIGTERM,
            Order::Kill => libc::SIGKILL,
        };
        if order == Order::Kill {
            limits.look_back();
        }
        let _ = sys::signal_pidfd(self.pidfd.as_fd(), signal);
        order
    }

    /// Sleeps until something happens.
    fn wait(
        &self,
        signals: &SignalFd,
        client: Option<&OwnedFd>,
        deadline: Option<Instant>,
    ) -> nix::Result<Awake> {
        let [master, stdin, stdout] = self.terminal.as_ref().map_or([None; 3], Relay::sources);
        let sources = [
            Some(readable(signals)),
            Some(readable(&self.channel)),
            client.map(readable),
            master,
            stdin,
            stdout,
        ];
        let [signal, reported, client_gone, terminal @ ..] = relay::wait(sources, timeout(deadline))?;
        Ok(Awake {
            client_gone,
            signal,
            reported,
            terminal,
        })
    }

    /// Reads every pending signal and sends it to init, which sends it to the server's process group.
    fn pass_signals_on(&mut self, signals: &SignalFd, deadline: &mut Option<Instant>, grace: Duration) {
        while let Ok(Some(info)) = signals.read_signal() {
            let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else {
                continue;
            };
            match (signal, &mut self.terminal) {
                (Signal::SIGCHLD, _) => {}
                (Signal::SIGWINCH, Some(relay)) => relay.copy_size(),
                (Signal::SIGWINCH, None) => {}
                (signal, _) if deadline.is_some() && STOPPING.contains(&signal) => {
                    *deadline = Some(Instant::now());
                }
                (signal, _) => {
                    let _ = sys::signal_pidfd(self.pidfd.as_fd(), signal as i32);
                    if STOPPING.contains(&signal) {
                        *deadline = Some(Instant::now() + grace);
                    }
                }
            }
        }
    }

    /// The server's process has its filter; from now on its calls wait for the broker.
    fn start_broker(&mut self, listener: Vec<OwnedFd>) -> nix::Result<()> {
        let (Some(listener), Some(ground)) = (listener.into_iter().next(), self.ground.take()) else {
            return Err(Errno::EBADF);
        };
        let clock = broker::start(listener, ground)?;
        if let Some(limits) = &mut self.limits {
            limits.serve(clock);
        }
        Ok(())
    }

    /// What was reported last, or how init died.
    fn outcome(&mut self, end: Option<Report>, plan: &Plan) -> Result<Exit, LaunchError> {
        match end {
            Some(Report::Ended { status }) => {
                self.ended = true;
                Ok(exit(status))
            }
            Some(report) => Err(failure(report, plan)),
            // Init says nothing when it is killed with the whole box.
            None => {
                self.ended = true;
                match waitpid(self.init, None) {
                    Ok(WaitStatus::Signaled(_, signal, _)) => Ok(Exit::Signal(signal as i32)),
                    _ => Err(LaunchError::Lost),
                }
            }
        }
    }
}

/// How long poll(2) may sleep until `deadline`.
pub fn timeout(deadline: Option<Instant>) -> PollTimeout {
    deadline.map_or(PollTimeout::NONE, |deadline| {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .as_millis()
            .saturating_add(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    })
}

/// The process that started us, to end with it (PR_SET_PDEATHSIG would follow one of its threads instead).
///
/// Only a client that speaks through a pipe or a socket counts: a server started in the background by a
/// shell, with a terminal or a file as its stdin, outlives the shell as any program does.
fn client() -> Option<OwnedFd> {
    let kind = nix::sys::stat::fstat(std::io::stdin()).ok()?.st_mode & libc::S_IFMT;
    let spoken_to = matches!(kind, libc::S_IFIFO | libc::S_IFSOCK);
    spoken_to
        .then(|| sys::open_pidfd(nix::unistd::getppid()).ok())
        .flatten()
}

fn exit(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status) as u8)
    }
}

fn readable(fd: &impl AsFd) -> Source<'_> {
    (fd.as_fd(), PollFlags::POLLIN)
}

/// Whether a stopping signal has come since they were last read.
fn stop_asked(signals: &SignalFd) -> bool {
    let mut pending = std::iter::from_fn(|| signals.read_signal().ok().flatten());
    pending.any(|info| STOPPING.iter().any(|stop| *stop as u32 == info.ssi_signo))
}

/// The client must see the end of a stream when the server closes it, so we hold neither stdin nor stdout.
fn release_standard_streams() {
    if let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdin(&null);
        let _ = nix::unistd::dup2_stdout(&null);
    }
}
