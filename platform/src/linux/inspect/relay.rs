//! The relay's thread: accepts, waits for events, and asks each connection what to do next.

use std::collections::{BTreeSet, HashMap};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::SigSet;
use nix::unistd::dup3;

use super::book::Id;
use super::connection::{Action, Side};
use super::entry::{Entry, Means, end_of};
use super::{Shared, errno, socket};
use crate::net::Name;
use crate::net::inspect::Reason;

/// The most connections at a time; more are reset as they arrive.
pub const MOST_CONNECTIONS: usize = 512;

/// How many actions one connection may make before the others have a turn.
const TURN: usize = 16;

/// How many connections are accepted before those that are open have a turn.
const ARRIVALS: usize = 64;

/// How long the listener is left alone when not even a connection to be reset can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// The most that all connections may hold of their first bytes, in bytes, when some hold more than is common.
const MOST_HELD: usize = 8 << 20;

/// What nearly every client's first bytes fit in.
const COMMON_HELD: usize = 16 * 1024;

const LISTENER: u64 = 0;
const WAKE: u64 = 1;

/// Hears of a connection that was refused.
pub type OnRefused = Box<dyn Fn(&Name, u16, Reason) + Send + Sync>;

/// Everything the thread owns.
pub struct Relay {
    listener: TcpListener,
    shared: Arc<Shared>,
    on_refused: OnRefused,
    means: Means,
    entries: HashMap<Id, Entry>,
    last: Id,
    /// Those whose turn ended before their work.
    again: BTreeSet<Id>,
    /// No deadline is earlier.
    timer: Option<Instant>,
    /// While set, the listener is not watched.
    paused: Option<Instant>,
    /// Given up to accept, and reset, a connection when descriptors have run out.
    spare: Option<OwnedFd>,
}

impl Relay {
    pub fn new(listener: TcpListener, shared: Arc<Shared>, on_refused: OnRefused) -> nix::Result<Self> {
        listener.set_nonblocking(true).map_err(errno)?;
        let means = Means::new()?;
        let readable = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        means.epoll.add(&listener, readable(LISTENER))?;
        means.epoll.add(&shared.wake, readable(WAKE))?;
        Ok(Relay {
            spare: spare(&shared),
            listener,
            shared,
            on_refused,
            means,
            entries: HashMap::new(),
            last: 0,
            again: BTreeSet::new(),
            timer: None,
            paused: None,
        })
    }

    /// Serves until the book is closed. Signals are for other threads, SIGPIPE of a splice for nobody.
    pub fn run(mut self) {
        let _ = SigSet::all().thread_block();
        let mut events = [EpollEvent::empty(); 64];
        while !self.shared.book().closed() {
            let count = match self.means.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(_) => break,
            };
            let turns = std::mem::take(&mut self.again);
            for event in &events[..count] {
                self.serve(event);
            }
            turns.into_iter().for_each(|id| self.drive(id));
            self.keep_time();
        }
        self.entries.values().for_each(Entry::reset);
    }

    fn timeout(&self) -> EpollTimeout {
        if !self.again.is_empty() {
            return EpollTimeout::ZERO;
        }
        let Some(next) = self.timer.into_iter().chain(self.paused).min() else {
            return EpollTimeout::NONE;
        };
        let left = next.saturating_duration_since(Instant::now());
        // Rounded up: a wait that ends a moment too early would be repeated until the moment has passed.
        let millis = left.as_millis().saturating_add(1);
        EpollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(EpollTimeout::NONE)
    }

    fn serve(&mut self, event: &EpollEvent) {
        match event.data() {
            LISTENER => self.accept(),
            WAKE => self.meet(),
            token => {
                let (id, side) = end_of(token);
                self.happened(id, side, event.events());
            }
        }
    }

    /// An end of a connection is ready or has failed.
    fn happened(&mut self, id: Id, side: Side, flags: EpollFlags) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        // Urgent data stops splice(2) for good, and then looks like the end; neither TLS nor HTTP has any.
        if flags.contains(EpollFlags::EPOLLPRI) {
            return self.end(id, Action::Reset);
        }
        let failed = flags.contains(EpollFlags::EPOLLERR);
        if failed && side == Side::Host && entry.connection.is_connecting() {
            entry.connection.failed(side);
            return self.drive(id);
        }
        let gone = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        let readable = gone || flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP);
        let writable = gone || flags.contains(EpollFlags::EPOLLOUT);
        entry.connection.ready(side, readable, writable);
        self.drive(id);
        // After what came before it; see `Connection::failed`.
        if failed && let Some(entry) = self.entries.get_mut(&id) {
            entry.connection.failed(side);
            self.drive(id);
        }
    }

    /// Carries out actions of a connection until it waits, ends, or has had its turn.
    fn drive(&mut self, id: Id) {
        let now = Instant::now();
        for _ in 0..TURN {
            let too_much = self.holds_too_much(id);
            let Some(entry) = self.entries.get_mut(&id) else {
                return;
            };
            match entry.connection.next(now) {
                Action::Wait => {
                    let deadline = entry.connection.deadline();
                    self.timer = self.timer.into_iter().chain(deadline).min();
                    return;
                }
                ending @ (Action::Close | Action::Reset | Action::Refuse(..)) => return self.end(id, ending),
                Action::Receive if too_much => return self.end(id, Action::Reset),
                action => entry.act(&action, &mut self.means, &self.shared),
            }
        }
        self.again.insert(id);
    }

    /// Whether a connection holds more of its first bytes than most need, while all together hold more than they may.
    fn holds_too_much(&self, id: Id) -> bool {
        let held = |entry: &Entry| entry.connection.held();
        let much = self
            .entries
            .get(&id)
            .is_some_and(|entry| held(entry) > COMMON_HELD);
        much && self.entries.values().map(held).sum::<usize>() > MOST_HELD
    }

    fn end(&mut self, id: Id, ending: Action) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        if ending != Action::Close {
            entry.reset();
        }
        self.shared.book().left(entry.peer, id);
        drop(entry);
        if let Action::Refuse(name, port, reason) = ending {
            (self.on_refused)(&name, port, reason);
        }
    }

    /// Begins with strangers that were announced.
    fn meet(&mut self) {
        let _ = self.shared.wake.read();
        let met = self.shared.book().take_met();
        for (id, expected) in met {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.connection.announced(expected, Instant::now());
                self.drive(id);
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ARRIVALS {
            match self.listener.accept() {
                Ok(arrived) => self.admit(arrived),
                Err(error) => match errno(error) {
                    Errno::EAGAIN => return,
                    Errno::ECONNABORTED | Errno::EINTR => {}
                    _ => return self.shed(),
                },
            }
        }
    }

    fn admit(&mut self, arrived: (TcpStream, SocketAddr)) {
        if self.entries.len() >= MOST_CONNECTIONS {
            return socket::reset_on_close(&arrived.0);
        }
        self.last += 1;
        let (id, peer) = (self.last, arrived.1);
        let expected = self.shared.book().arrived(peer, id, Instant::now());
        let entry = Entry::new(id, arrived, expected);
        let begun = entry.begin(&self.means);
        self.entries.insert(id, entry);
        match begun {
            Ok(()) => self.drive(id),
            Err(_) => self.end(id, Action::Reset),
        }
    }

    /// Resets one connection that cannot be accepted for want of descriptors or memory; left in the queue it would
    /// wake us again and again, and its client would wait in vain.
    fn shed(&mut self) {
        drop(self.spare.take());
        match self.listener.accept() {
            Ok((socket, _)) => {
                socket::reset_on_close(&socket);
                self.spare = Some(replaced(socket, &self.shared));
            }
            Err(error) => {
                self.spare = spare(&self.shared);
                if errno(error) != Errno::EAGAIN {
                    let _ = self.watch_listener(EpollFlags::empty());
                    self.paused = Some(Instant::now() + PAUSE);
                }
            }
        }
    }

    fn watch_listener(&self, flags: EpollFlags) -> nix::Result<()> {
        let mut event = EpollEvent::new(flags, LISTENER);
        self.means.epoll.modify(&self.listener, &mut event)
    }

    /// Wakes the listener and the connections whose time has come.
    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
            let _ = self.watch_listener(EpollFlags::EPOLLIN);
        }
        if self.timer.is_none_or(|timer| now < timer) {
            return;
        }
        let deadline = |entry: &Entry| entry.connection.deadline();
        let late: Vec<Id> = self
            .entries
            .iter()
            .filter(|(_, entry)| deadline(entry).is_some_and(|deadline| deadline <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.connection.late();
            }
            self.drive(id);
        }
        self.timer = self.entries.values().filter_map(deadline).min();
    }
}

/// A descriptor that can be given up.
fn spare(shared: &Shared) -> Option<OwnedFd> {
    shared.wake.as_fd().try_clone_to_owned().ok()
}

/// Closes a socket and makes its descriptor a spare one, in one step: another thread may wait for it to become free.
fn replaced(socket: TcpStream, shared: &Shared) -> OwnedFd {
    let mut fd = OwnedFd::from(socket);
    let _ = dup3(&shared.wake, &mut fd, OFlag::O_CLOEXEC);
    fd
}
