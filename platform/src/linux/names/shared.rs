//! What the stub's thread, the resolver's threads and the broker share, and the threads that ask the host.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Rules;
use crate::net::Name;
use crate::net::dns::{Query, Zone};
use crate::net::lookups::{Addresses, Lookups, Outcome, ResolveError, Wait};
use crate::net::synthetic::Synthetic;

/// The stack of a thread that asks the host. Name service modules are strangers' code; what they do not touch costs
/// nothing.
const STACK: usize = 256 << 10;

/// What the broker wants done with the outcome of a look-up.
pub type Then = Box<dyn FnOnce(Outcome) + Send>;

/// Who waits for a look-up.
pub enum Waiter {
    Call(Then),
    Query(Asked),
}

/// A query whose answer needs the host.
pub struct Asked {
    pub origin: Origin,
    pub query: Query,
    pub name: Name,
}

/// Where a query came from.
pub enum Origin {
    Udp(SocketAddr),
    /// The number of the connection.
    Tcp(u64),
}

pub struct Shared {
    pub rules: Rules,
    state: Mutex<State>,
    /// Readable when the stub's thread has to look at the state.
    pub wake: EventFd,
}

#[derive(Default)]
struct State {
    lookups: Lookups<Waiter>,
    synthetic: Synthetic,
    /// Outcomes that were there at once, for the stub's thread to tell.
    over: Vec<(Then, Outcome)>,
    answered: Vec<(Asked, Outcome)>,
    /// The deadline that the stub's thread sleeps until.
    armed: Option<Instant>,
    stopped: bool,
    /// The stub's thread has ended.
    gone: bool,
}

/// What the stub's thread has to do.
pub struct Turn {
    pub over: Vec<(Then, Outcome)>,
    pub answered: Vec<(Asked, Outcome)>,
    pub stopped: bool,
}

impl Shared {
    pub fn new(rules: Rules) -> nix::Result<Self> {
        Ok(Shared {
            rules,
            state: Mutex::default(),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        })
    }

    /// Nothing that runs under the lock can leave the state half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure means that the counter is full, and the thread awake.
    fn wake(&self) {
        let _ = self.wake.write(1);
    }

    pub fn synthetic(&self, name: &Name) -> Option<Ipv4Addr> {
        self.state().synthetic.address(name)
    }

    pub fn addresses(self: &Arc<Self>, name: &Name) -> Option<Addresses> {
        let addresses = self.state().lookups.addresses(name, Instant::now());
        self.go_on();
        addresses
    }

    pub fn forget(&self, name: &Name) {
        self.state().lookups.forget(name, Instant::now());
    }

    /// Has the waiter told: by another thread, unless all has ended.
    pub fn when_resolved(self: &Arc<Self>, name: &Name, waiter: Waiter) {
        let Wait::Over(waiter, outcome) = self.wait(name, waiter) else {
            return;
        };
        let mut state = self.state();
        match waiter {
            Waiter::Call(then) if state.gone => {
                drop(state);
                return then(outcome);
            }
            Waiter::Call(then) => state.over.push((then, outcome)),
            Waiter::Query(asked) => state.answered.push((asked, outcome)),
        }
        drop(state);
        self.wake();
    }

    pub fn wait(self: &Arc<Self>, name: &Name, waiter: Waiter) -> Wait<Waiter> {
        let mut state = self.state();
        if state.stopped {
            return Wait::Over(waiter, Err(ResolveError::Failed));
        }
        let wait = state.lookups.wait(name, waiter, Instant::now());
        drop(state);
        if matches!(wait, Wait::Begun) {
            self.go_on();
        }
        wait
    }

    /// Starts threads for the jobs there are, and has the stub's thread sleep no longer than it may.
    fn go_on(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            let Some(name) = state.next_job() else {
                let late = state.oversleeps();
                drop(state);
                return if late {
                    self.wake()
                };
            };
            drop(state);
            let shared = self.clone();
            let job = name.clone();
            let spawned = thread::Builder::new()
                .name("resolver".into())
                .stack_size(STACK)
                .spawn(move || shared.work(job));
            if spawned.is_err() {
                self.finished(&name, Err(ResolveError::Failed));
            }
        }
    }

    /// A resolver's thread: asks the host until nobody wants to know more.
    fn work(self: Arc<Self>, name: Name) {
        let mut next = Some(name);
        while let Some(name) = next {
            let found = (self.rules.look_up)(&name);
            self.finished(&name, found);
            next = self.state().next_job();
        }
    }

    fn finished(&self, name: &Name, found: Result<Vec<std::net::IpAddr>, ResolveError>) {
        let (waiting, outcome) = self.state().lookups.finished(name, found, Instant::now());
        self.tell(waiting, &outcome);
    }

    /// Tells everybody the outcome: the broker here and now, the stub's thread when it wakes.
    fn tell(&self, waiting: Vec<Waiter>, outcome: &Outcome) {
        let mut answered = Vec::new();
        for waiter in waiting {
            match waiter {
                Waiter::Call(then) => then(outcome.clone()),
                Waiter::Query(asked) => answered.push((asked, outcome.clone())),
            }
        }
        if !answered.is_empty() {
            self.state().answered.append(&mut answered);
            self.wake();
        }
    }

    /// For the stub's thread: gives up what took too long, and returns what there is to do.
    pub fn turn(&self) -> Turn {
        let _ = self.wake.read();
        let late = self.state().lookups.expired(Instant::now());
        self.tell(late, &Err(ResolveError::TimedOut));
        let mut state = self.state();
        Turn {
            over: std::mem::take(&mut state.over),
            answered: std::mem::take(&mut state.answered),
            stopped: state.stopped,
        }
    }

    /// For the stub's thread: until when it may sleep.
    pub fn arm(&self) -> Option<Instant> {
        let mut state = self.state();
        state.armed = state.lookups.next_deadline();
        state.armed
    }

    /// Has the stub's thread end.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.wake();
    }

    /// The last act of the stub's thread: sends away all who wait.
    pub fn close(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.gone = true;
        let over = std::mem::take(&mut state.over);
        let waiting = state.lookups.abandon();
        drop(state);
        for (then, outcome) in over {
            then(outcome);
        }
        self.tell(waiting, &Err(ResolveError::Failed));
    }
}

impl State {
    fn next_job(&mut self) -> Option<Name> {
        if self.stopped {
            return None;
        }
        self.lookups.next_job()
    }

    /// Whether the stub's thread sleeps beyond the next deadline.
    fn oversleeps(&self) -> bool {
        self.lookups
            .next_deadline()
            .is_some_and(|next| self.armed.is_none_or(|armed| next < armed))
    }
}

impl Zone for Shared {
    fn allows(&self, name: &Name) -> bool {
        (self.rules.allows)(name)
    }

    fn behind(&self, address: Ipv4Addr) -> Option<Name> {
        self.state().synthetic.behind(address).cloned()
    }
}
