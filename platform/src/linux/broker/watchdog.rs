//! Nobody keeps the broker waiting.
//!
//! What it does with a socket that the server has too it does with O_NONBLOCK set. The flag belongs to the open socket, and a
//! thread of the server can take it away in that very moment. So a thread beside the broker's looks after such a call, and
//! interrupts one that takes long (signal(7)).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{Pid, gettid};

use super::super::sys;

/// How long a call may take; one that blocks is interrupted before twice the time.
const LONG: Duration = Duration::from_millis(100);
/// Enough for a thread that makes two system calls.
const STACK: usize = 64 << 10;

/// Looks after the calls of one thread, once it was started there.
#[derive(Default)]
pub struct Watchdog {
    state: Arc<State>,
    thread: Option<Thread>,
}

#[derive(Default)]
struct State {
    /// Counts beginnings and ends, so it is odd during a call.
    turns: AtomicU64,
    /// The thread waits for the next call, and has to be told of it.
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Watchdog {
    /// Starts to look after the calling thread.
    ///
    /// # Errors
    /// EAGAIN and the like where no thread can be made.
    pub fn start(&mut self) -> nix::Result<()> {
        sys::let_interrupt()?;
        let (state, caller) = (Arc::clone(&self.state), gettid());
        let thread = thread::Builder::new().name("watchdog".into()).stack_size(STACK);
        let thread = thread.spawn(move || state.watch(caller));
        self.thread = Some(thread.map_err(|_| Errno::EAGAIN)?.thread().clone());
        Ok(())
    }

    fn wake(&self) {
        self.thread.iter().for_each(Thread::unpark);
    }

    /// Does what must not take long. A system call that does ends with EINTR.
    pub fn guard<T>(&self, act: impl FnOnce() -> T) -> T {
        self.state.turns.fetch_add(1, SeqCst);
        if self.state.asleep.load(SeqCst) {
            self.wake();
        }
        let result = act();
        self.state.turns.fetch_add(1, SeqCst);
        result
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.state.over.store(true, SeqCst);
        self.wake();
    }
}

impl State {
    fn watch(&self, caller: Pid) {
        let mut seen = 0;
        while !self.over.load(SeqCst) {
            thread::park_timeout(LONG);
            match self.turns.load(SeqCst) {
                // Again and again: a call that was not waiting yet does not hear of it.
                turns if turns == seen && turns % 2 == 1 => sys::interrupt(caller),
                turns if turns == seen => self.sleep_until_after(turns),
                turns => seen = turns,
            }
        }
    }

    /// Either this thread sees the next call, or who makes it sees that this thread sleeps.
    fn sleep_until_after(&self, turns: u64) {
        self.asleep.store(true, SeqCst);
        if self.turns.load(SeqCst) == turns && !self.over.load(SeqCst) {
            thread::park();
        }
        self.asleep.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::io::pipe;
    use std::time::Instant;

    use super::*;

    fn started() -> Watchdog {
        let mut watchdog = Watchdog::default();
        watchdog.start().unwrap();
        watchdog
    }

    /// read(2) of a pipe that nobody writes to.
    fn blocked() -> nix::Result<usize> {
        let (reader, _writer) = pipe().unwrap();
        nix::unistd::read(&reader, &mut [0])
    }

    #[test]
    fn what_takes_long_is_interrupted() {
        let watchdog = started();
        for _ in 0..2 {
            let start = Instant::now();
            assert_eq!(watchdog.guard(blocked), Err(Errno::EINTR));
            assert!(start.elapsed() >= LONG);
            // By now it sleeps.
            thread::sleep(3 * LONG);
        }
    }

    #[test]
    fn what_is_not_guarded_is_left_alone() {
        let watchdog = started();
        watchdog.guard(|| ());
        let (reader, writer) = pipe().unwrap();
        let late = thread::spawn(move || {
            thread::sleep(4 * LONG);
            drop(writer);
        });
        assert_eq!(nix::unistd::read(&reader, &mut [0]), Ok(0));
        late.join().unwrap();
    }
}
