//! How the supervisor lets the box stand still for a moment: two signals to init that are no server's business.
//!
//! Init stops and continues all other processes of the box at once, by one kill(2), so that none escapes by forking.

use std::os::fd::BorrowedFd;

use nix::sys::signal::{SigSet, Signal};

use super::sys;

/// To init: stop all, continue all.
const PAUSE: Signal = Signal::SIGTSTP;
const RESUME: Signal = Signal::SIGTTIN;

/// Tells init.
pub fn tell(init: BorrowedFd, stand_still: bool) {
    let signal = if stand_still { PAUSE } else { RESUME };
    // A box that has ended needs no word.
    let _ = sys::signal_pidfd(init, signal as i32);
}

/// In init: the signals wait to be read, as the others do.
pub fn block() -> nix::Result<()> {
    SigSet::from_iter([PAUSE, RESUME]).thread_block()
}

/// In init: the signals to read, with these among them.
pub fn and(mut signals: SigSet) -> SigSet {
    signals.add(PAUSE);
    signals.add(RESUME);
    signals
}

/// In init: what all processes are to be sent. From the server, these signals are passed on to itself like any other.
pub fn order(signal: u32, from_outside: bool) -> Option<Signal> {
    let meant = [(PAUSE, Signal::SIGSTOP), (RESUME, Signal::SIGCONT)];
    let found = meant.into_iter().find(|(one, _)| *one as u32 == signal);
    found.filter(|_| from_outside).map(|(_, order)| order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_supervisor_gives_orders() {
        assert_eq!(order(PAUSE as u32, true), Some(Signal::SIGSTOP));
        assert_eq!(order(RESUME as u32, true), Some(Signal::SIGCONT));
        assert_eq!(order(PAUSE as u32, false), None);
        assert_eq!(order(Signal::SIGTERM as u32, true), None);
    }
}
