//! Calls that cannot be answered yet: what they wait for, and until when.

use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::PoisonError;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::super::sockets::{self, TcpState};
use super::dial::Dial;
use super::local::UnixCall;
use super::*;

/// What a call waits for.
pub enum Waiting {
    /// A connection to a host.
    Dial(Dial),
    /// The server's own socket to be connected.
    Own(Call),
    /// A Unix socket's listener to have room.
    Unix(UnixCall),
    /// The addresses of a name.
    Name(Notification),
    /// Nobody waits: whether an address answers is of use to the next.
    Watched(IpAddr, Duplicate),
}

/// One of them.
struct Entry {
    waiting: Waiting,
    deadline: Option<Instant>,
}

/// All that waits, by the number that their events carry.
pub struct Pending {
    epoll: Epoll,
    entries: HashMap<u64, Entry>,
    next: u64,
    /// Whether the calls still wait is looked at again at this time.
    check: Instant,
    found: Arc<Found>,
}

/// Names whose addresses were found, by whoever found them.
pub struct Found {
    numbers: Mutex<Vec<u64>>,
    arrived: EventFd,
}

/// How many calls may wait. Each but those for a name takes a descriptor of ours.
const MOST: usize = 512;
/// How many connections are watched though nobody waits.
const MOST_WATCHED: usize = 64;
/// How often a call that waits is looked at: it may have been interrupted.
const CHECK: Duration = Duration::from_secs(1);
/// The number of the event that names were found.
const FOUND: u64 = 0;

impl Pending {
    pub fn new() -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let arrived = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&arrived, EpollEvent::new(EpollFlags::EPOLLIN, FOUND))?;
        let numbers = Mutex::default();
        Ok(Pending {
            epoll,
            entries: HashMap::new(),
            next: FOUND + 1,
            check: Instant::now(),
            found: Arc::new(Found { numbers, arrived }),
        })
    }

    /// How long nothing happens by itself.
    pub fn timeout(&self, now: Instant) -> PollTimeout {
        if self.entries.is_empty() {
            return PollTimeout::NONE;
        }
        let deadlines = self.entries.values().filter_map(|entry| entry.deadline);
        let first = deadlines.fold(self.check, Instant::min);
        let left = first.saturating_duration_since(now).as_millis().saturating_add(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn is_due(&self, now: Instant) -> bool {
        let mut entries = self.entries.values();
        !self.entries.is_empty()
            && (self.check <= now
                || entries.any(|entry| entry.deadline.is_some_and(|deadline| deadline <= now)))
    }

    /// Takes in what waits; its number. EMFILE when there is no room.
    fn add(&mut self, waiting: Waiting, deadline: Option<Instant>, now: Instant) -> nix::Result<u64> {
        if self.entries.len() >= MOST {
            return Err(Errno::EMFILE);
        }
        let number = self.next;
        self.next += 1;
        if let Some(socket) = waiting.socket() {
            let events = EpollEvent::new(EpollFlags::EPOLLOUT, number);
            self.epoll.add(socket, events)?;
        }
        if self.entries.is_empty() {
            self.check = now + CHECK;
        }
        self.entries.insert(number, Entry { waiting, deadline });
        Ok(number)
    }

    fn take(&mut self, number: u64) -> Option<Waiting> {
        let Entry { waiting, .. } = self.entries.remove(&number)?;
        // The socket may be known elsewhere, and would go on to wake us.
        if let Some(socket) = waiting.socket() {
            let _ = self.epoll.delete(socket);
        }
        Some(waiting)
    }

    /// The numbers of what has happened, and of what is over.
    fn happened(&mut self, now: Instant) -> (Vec<u64>, Vec<u64>) {
        let mut events = [EpollEvent::empty(); 64];
        let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        let mut ready: Vec<u64> = events[..count].iter().map(EpollEvent::data).collect();
        if ready.contains(&FOUND) {
            let _ = self.found.arrived.read();
            let mut numbers = self.found.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            ready.append(&mut numbers);
            ready.retain(|number| *number != FOUND);
        }
        let late = |entry: &Entry| entry.deadline.is_some_and(|deadline| deadline <= now);
        let over = self.entries.iter().filter(|(_, entry)| late(entry));
        let over = over
            .map(|(number, _)| *number)
            .filter(|number| !ready.contains(number))
            .collect();
        (ready, over)
    }

    /// Forgets calls on this socket that do not wait any more. Whether there were any.
    pub fn take_interrupted(&mut self, call: &Call, listener: &Listener) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let cookie = sockets::cookie(call.fd.as_fd());
        let same = |entry: &Entry| {
            let socket = entry.waiting.socket();
            socket.is_some_and(|socket| cookie.is_ok() && sockets::cookie(socket) == cookie)
        };
        self.take_those(|entry| gone(entry, listener) && same(entry))
    }

    /// Forgets calls that do not wait any more.
    fn forget_interrupted(&mut self, listener: &Listener, now: Instant) {
        if self.check > now {
            return;
        }
        self.check = now + CHECK;
        self.take_those(|entry| gone(entry, listener));
    }

    fn take_those(&mut self, those: impl Fn(&Entry) -> bool) -> bool {
        let entries = self.entries.iter();
        let numbers: Vec<u64> = entries
            .filter(|(_, entry)| those(entry))
            .map(|(number, _)| *number)
            .collect();
        numbers.iter().for_each(|number| drop(self.take(*number)));
        !numbers.is_empty()
    }

    fn watched(&self) -> usize {
        let watched = |entry: &&Entry| matches!(entry.waiting, Waiting::Watched(..));
        self.entries.values().filter(watched).count()
    }
}

/// The call does not wait any more.
fn gone(entry: &Entry, listener: &Listener) -> bool {
    entry.waiting.id().is_some_and(|id| !listener.waits(id))
}

impl AsFd for Pending {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl Found {
    fn tell(&self, number: u64) {
        self.numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(number);
        let _ = self.arrived.write(1);
    }
}

impl Waiting {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Waiting::Dial(dial) => Some(dial.call.fd.as_fd()),
            Waiting::Own(call) => Some(call.fd.as_fd()),
            Waiting::Watched(_, fd) => Some(fd.as_fd()),
            Waiting::Unix(_) | Waiting::Name(_) => None,
        }
    }

    /// The call that waits for it.
    fn id(&self) -> Option<u64> {
        match self {
            Waiting::Dial(dial) => Some(dial.call.notification.id),
            Waiting::Own(call) => Some(call.notification.id),
            Waiting::Unix(unix) => Some(unix.call.notification.id),
            Waiting::Name(notification) => Some(notification.id),
            Waiting::Watched(..) => None,
        }
    }
}

impl Broker {
    /// Leaves a call waiting, for `patience` at most. EMFILE when too many do.
    pub(super) fn wait_for(&mut self, waiting: Waiting, patience: Option<Duration>) -> Answer {
        let now = Instant::now();
        match self
            .pending
            .add(waiting, patience.map(|patience| now + patience), now)
        {
            Ok(_) => Answer::Nothing,
            Err(errno) => Answer::Now(Err(errno)),
        }
    }

    /// Leaves a call waiting until the addresses of a name are found.
    pub(super) fn wait_for_name(&mut self, notification: Notification, name: &crate::net::Name) -> Answer {
        let now = Instant::now();
        match self.pending.add(Waiting::Name(notification), None, now) {
            Err(errno) => Answer::Now(Err(errno)),
            Ok(number) => {
                let found = Arc::clone(&self.pending.found);
                let tell = Box::new(move |_| found.tell(number));
                self.ground.names.when_resolved(name, tell);
                Answer::Nothing
            }
        }
    }

    /// Watches a connection that nobody waits for, for its address' sake.
    pub(super) fn watch(&mut self, address: IpAddr, socket: Duplicate) {
        const PATIENCE: Duration = Duration::from_secs(5);
        if self.pending.watched() < MOST_WATCHED {
            self.wait_for(Waiting::Watched(address, socket), Some(PATIENCE));
        }
    }

    /// Goes on with everything that can go on.
    pub(super) fn serve_pending(&mut self) {
        let now = Instant::now();
        let (ready, over) = self.pending.happened(now);
        for number in ready {
            if let Some(waiting) = self.pending.take(number) {
                self.go_on(waiting);
            }
        }
        for number in over {
            if let Some(waiting) = self.pending.take(number) {
                self.give_up(waiting);
            }
        }
        self.pending.forget_interrupted(&self.listener, now);
    }

    fn go_on(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Dial(dial) => self.dialled(dial),
            Waiting::Own(call) => {
                let result = settled(&call.fd).unwrap_or(Err(Errno::EINPROGRESS));
                self.announce(&call, result);
            }
            Waiting::Unix(unix) => {
                let id = unix.call.notification.id;
                let answer = self.try_unix(unix);
                self.finish(id, answer);
            }
            // With the addresses, or the reason why there are none, known by now.
            Waiting::Name(notification) => self.handle_resolved(&notification),
            // Its error is the server's to read.
            Waiting::Watched(address, socket) => {
                if sockets::tcp_state(socket.as_fd()) == Ok(TcpState::Closed) {
                    self.note_failed(address);
                }
            }
        }
    }

    fn give_up(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Dial(dial) => self.dial_on(dial),
            // What the kernel answers when SO_SNDTIMEO is over.
            Waiting::Own(call) => self.finish(call.notification.id, Answer::Now(Err(Errno::EINPROGRESS))),
            Waiting::Watched(address, _) => self.note_failed(address),
            waiting => self.go_on(waiting),
        }
    }
}
