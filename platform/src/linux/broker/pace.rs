//! Whether the next call is waited for awake.
//!
//! To be woken costs a thread more than a call on a file takes to serve. A server that opens file after file would wait
//! for that each time, so while its calls follow each other closely the broker looks for the next one for a moment before
//! it sleeps. It stops as soon as it has looked in vain, and begins again only after a row of calls that came soon.
//! Connections are no such calls: the other side may need the processor.

use std::os::fd::BorrowedFd;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long it is looked for.
const AWAKE: Duration = Duration::from_micros(40);
/// What counts as soon for a broker that slept: both sides have to be woken in that time.
const SOON: Duration = Duration::from_micros(100);
/// How many have to come soon.
const ROW: u32 = 3;

/// When the last call was answered, and how many came soon after the one before, up to [`ROW`].
pub struct Pace {
    answered: Option<Instant>,
    soon: u32,
    /// On the only processor looking would keep the server from calling.
    alone: bool,
}

impl Pace {
    pub fn new() -> Self {
        Pace {
            answered: None,
            soon: 0,
            alone: available_parallelism().is_ok_and(|processors| processors.get() == 1),
        }
    }

    /// Returns when there is a call, or when it is better to sleep until there is.
    pub fn look(&mut self, listener: BorrowedFd) {
        let Some(answered) = self.answered.filter(|_| self.soon == ROW && !self.alone) else {
            return;
        };
        let mut fds = [PollFd::new(listener, PollFlags::POLLIN)];
        // What else it may be, whoever sleeps there finds out.
        while poll(&mut fds, PollTimeout::ZERO) == Ok(0) {
            if answered.elapsed() >= AWAKE {
                self.soon = 0;
                return;
            }
        }
    }

    /// A call has come.
    pub fn called(&mut self, on_file: bool) {
        match self.answered {
            Some(answered) if on_file => self.called_after(answered.elapsed()),
            _ => self.soon = 0,
        }
    }

    fn called_after(&mut self, time: Duration) {
        self.soon = if time < SOON { ROW.min(self.soon + 1) } else { 0 };
    }

    /// A call was answered, and whatever else there was to do is done.
    pub fn answered(&mut self) {
        self.answered = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    /// After as many calls that came soon.
    fn after(calls: u32) -> Pace {
        let mut pace = Pace::new();
        pace.alone = false;
        for _ in 0..calls {
            pace.called_after(SOON / 2);
        }
        pace.answered();
        pace
    }

    /// Whether it looked: what it finds is a pipe that says nothing.
    fn looks(mut pace: Pace) -> bool {
        let (reader, _writer) = std::io::pipe().unwrap();
        let had = pace.soon;
        pace.look(reader.as_fd());
        pace.soon != had
    }

    #[test]
    fn calls_that_come_soon_are_looked_for() {
        assert!(looks(after(ROW)));
        assert!(looks(after(2 * ROW)));
        assert!(!looks(after(ROW - 1)));
    }

    #[test]
    fn a_call_that_comes_late_ends_the_row() {
        let mut pace = after(ROW);
        pace.called_after(SOON);
        assert!(!looks(pace));
    }

    #[test]
    fn another_call_ends_the_row() {
        let mut pace = after(ROW);
        pace.called(false);
        assert!(!looks(pace));
    }

    #[test]
    fn nobody_looks_on_the_only_processor() {
        let mut pace = after(ROW);
        pace.alone = true;
        assert!(!looks(pace));
    }

    #[test]
    fn looking_ends_with_a_call() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(writer);
        let mut pace = after(ROW);
        pace.look(reader.as_fd());
        assert_eq!(pace.soon, ROW);
    }
}
