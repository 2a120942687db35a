//! The broker: performs connect(2), bind(2) and listen(2) for the server, and what [`files`] says.
//!
//! The network namespace of the box has only a loopback, so a socket made in it leads nowhere by itself. A connect(2) to
//! something that is allowed is carried out on a new socket of the host's network, which then takes the place of the
//! server's: from there on the bytes flow through the kernel alone. One thread serves everything and waits for
//! nobody; what takes time lies in [`pending`], and a [`watchdog`] sees to what only a hostile server could make take time.
//!
//! A hostile server sees to it that arguments change while they are judged. So an address is copied once, a descriptor is
//! duplicated once, and both are used from then on. What a socket of the host's network in the server's hands could be
//! made to do otherwise (bind, listen, connect again) comes here too and is refused.

mod address;
mod again;
mod caller;
mod dial;
mod duplicate;
mod files;
mod ground;
mod hold;
mod identity;
mod local;
mod observe;
mod options;
mod pace;
mod pending;
mod places;
mod route;
mod watchdog;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::ClockId;

use super::filter::{SET_OPTION, TOLD};
use super::notify::{Listener, Notification};
use super::numbers::number;
use super::sockets::{self, NetworkCookie, Socket};
use super::sys;
use address::{Address, Asked, MOST_BYTES};
use caller::{Callers, Place};
use duplicate::Duplicate;
use files::Desk;
pub use ground::{Ground, Opened};
use identity::Identity;
use observe::Observer;
use options::Options;
use pace::Pace;
use pending::Pending;
use places::Witness;
use watchdog::Watchdog;

struct Broker {
    listener: Listener,
    ground: Ground,
    /// The network namespace of this process.
    host: NetworkCookie,
    identity: Identity,
    callers: Callers,
    pending: Pending,
    /// Where calls on files are answered, if any are ours.
    desk: Option<Desk>,
    /// Who writes down what the server uses, if somebody does.
    observer: Option<Observer>,
    witness: Witness,
    watchdog: Watchdog,
    pace: Pace,
    /// The numbers of the calls that make an epoll instance.
    epoll_makers: Vec<i64>,
    /// When the box last made one, if it ever did.
    epoll_made: Option<Instant>,
    /// Once it was needed.
    options: Option<Options>,
    /// Addresses that could not be connected to, and when.
    failed: HashMap<IpAddr, Instant>,
    /// Sockets that took their place when the call that they were made for had been interrupted.
    unannounced: VecDeque<u64>,
    /// The family of the socket that was needed last, and one of it for the next connection.
    wanted: Option<i32>,
    spare: Option<(i32, OwnedFd)>,
}

/// A call on a socket, with what it must be carried out on.
struct Call {
    notification: Notification,
    /// The server's number of the socket.
    number: RawFd,
    /// Our duplicate.
    fd: Duplicate,
    socket: Socket,
}

/// What becomes of a call.
enum Answer {
    Now(nix::Result<()>),
    /// By the kernel; see [`Listener::carry_out`].
    CarryOut,
    /// It is pending, was answered, or does not wait any more.
    Nothing,
}

/// What is no call on a file, besides those that make an epoll instance.
const ON_SOCKETS: [i64; 4] = [
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_setsockopt,
];

/// Enough for small frames; nothing here recurses.
const STACK: usize = 256 << 10;

/// Starts the broker's thread, and gives the clock of its processor time while it lives. It ends with the box; should it
/// end before, every call gets ENOSYS.
///
/// # Errors
/// EAGAIN and the like where no thread or descriptor can be made.
pub fn start(listener: OwnedFd, ground: Ground) -> nix::Result<Option<ClockId>> {
    raise_limit();
    let mut broker = Broker::new(Listener::new(listener), ground)?;
    let thread = thread::Builder::new().name("broker".into()).stack_size(STACK);
    let serve = move || {
        let alone = broker.identity.keep_only_what_is_needed();
        let alone = alone.and_then(|()| files::own_umask());
        if alone.and_then(|()| broker.watchdog.start()).is_ok() {
            broker.serve();
        }
    };
    let thread = thread.spawn(serve).map_err(|_| Errno::EAGAIN)?;
    Ok(sys::clock_of(&thread))
}

/// Every connection that is waited for or inspected takes descriptors of ours. The server keeps the limit it was started
/// with.
fn raise_limit() {
    const ENOUGH: u64 = 4096;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.max(ENOUGH.min(hard)), hard);
    }
}

impl Broker {
    fn new(listener: Listener, mut ground: Ground) -> nix::Result<Self> {
        let (uid, gid) = ground.user;
        Ok(Broker {
            listener,
            host: NetworkCookie::own()?,
            identity: Identity::of(uid, gid),
            callers: Callers::default(),
            pending: Pending::new()?,
            desk: ground.desk.take(),
            observer: ground.observed.take().map(Observer::new),
            witness: Witness::new()?,
            watchdog: Watchdog::default(),
            pace: Pace::new(),
            epoll_makers: TOLD.calls.iter().filter_map(|name| number(name)).collect(),
            epoll_made: None,
            options: None,
            failed: HashMap::new(),
            unannounced: VecDeque::new(),
            wanted: None,
            spare: None,
            ground,
        })
    }

    /// Serves until no process of the box is left.
    ///
    /// While nothing is pending there is nothing to wait for but the next call, and the kernel wakes a thread that waits
    /// in the ioctl itself sooner than one in poll(2).
    fn serve(&mut self) {
        loop {
            let timeout = match self.pending.is_empty() {
                true => match self.serve_next() {
                    Ok(true) => continue,
                    // It was interrupted, or nobody is left who could call: the listener is asked which.
                    Ok(false) => PollTimeout::ZERO,
                    Err(_) => return,
                },
                false => self.pending.timeout(Instant::now()),
            };
            let Ok((called, ready)) = self.wait(timeout) else {
                return;
            };
            if called.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                return;
            }
            if called.contains(PollFlags::POLLIN) && self.serve_next().is_err() {
                return;
            }
            if ready || self.pending.is_due(Instant::now()) {
                self.serve_pending();
            }
        }
    }

    /// The next call; waits for it if there is none. Whether there was one.
    ///
    /// # Errors
    /// The listener has no more to give.
    fn serve_next(&mut self) -> nix::Result<bool> {
        self.pace.look(self.listener.as_fd());
        let Some(notification) = self.listener.receive()? else {
            return Ok(false);
        };
        self.handle(&notification);
        self.prepare_socket();
        self.pace.answered();
        Ok(true)
    }

    fn wait(&self, timeout: PollTimeout) -> nix::Result<(PollFlags, bool)> {
        let mut fds = [
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.pending.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let [called, pending] = fds;
        let called = called.revents().unwrap_or(PollFlags::empty());
        Ok((called, pending.any().unwrap_or(false)))
    }

    fn handle(&mut self, notification: &Notification) {
        if let Some(observer) = &mut self.observer {
            observer.see(notification, &self.identity);
        }
        let makes_epoll = self.epoll_makers.contains(&notification.call);
        self.pace
            .called(!makes_epoll && !ON_SOCKETS.contains(&notification.call));
        let answer = match notification.call {
            libc::SYS_connect => self.connect(notification),
            libc::SYS_bind => self.bind(notification),
            libc::SYS_listen => self.listen(notification),
            libc::SYS_setsockopt => Ok(self.set_option(notification)),
            _ if makes_epoll => {
                self.epoll_made = Some(Instant::now());
                Ok(Answer::CarryOut)
            }
            // The kernel would have it without us: it came here only to be seen.
            _ if self.observer.is_some()
                && !self.desk.as_ref().is_some_and(|desk| desk.is_asked(notification)) =>
            {
                Ok(Answer::CarryOut)
            }
            _ => self.file(notification),
        };

        self.finish(
            notification.id,
            answer.unwrap_or_else(|errno| Answer::Now(Err(errno))),
        );
    }

    /// The server is about to set an option that few programs set.
    fn set_option(&mut self, notification: &Notification) -> Answer {
        let [level, name] = SET_OPTION.map(|at| notification.arguments[usize::from(at)] as i32);
        if (level, name) == (libc::SOL_SOCKET, libc::SO_LINGER) {
            Duplicate::may_linger();
        }
        self.options().told(level, name);
        Answer::CarryOut
    }

    fn options(&mut self) -> &mut Options {
        let untold = self.ground.untold.as_fd();
        self.options.get_or_insert_with(|| Options::new(untold))
    }

    fn finish(&mut self, id: u64, answer: Answer) {
        // A call that does not wait any more needs no answer.
        let _ = match answer {
            Answer::Now(result) => self.listener.answer(id, result),
            Answer::CarryOut => self.listener.carry_out(id),
            Answer::Nothing => Ok(()),
        };
    }

    /// The socket that a call is about.
    ///
    /// # Errors
    /// EBADF and ENOTSOCK, as the call itself would answer.
    fn call(&mut self, notification: &Notification) -> nix::Result<Call> {
        let number = notification.arguments[0] as RawFd;
        let mut fd = Duplicate::new(self.callers.descriptor(notification.thread, number)?);
        let socket = Socket::of(fd.as_fd())?;
        if socket.network == self.ground.boxed {
            fd = fd.of_box();
        }
        Ok(Call {
            notification: *notification,
            number,
            fd,
            socket,
        })
    }

    /// The address that a call names.
    ///
    /// # Errors
    /// EFAULT and EINVAL, as the call itself would answer.
    fn asked(&self, notification: &Notification) -> nix::Result<Asked> {
        let length = notification.arguments[2] as i32;
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
        if length > MOST_BYTES {
            return Err(Errno::EINVAL);
        }
        let bytes = caller::memory(notification.thread, notification.arguments[1], length)?;
        Asked::parse(bytes).ok_or(Errno::EINVAL)
    }

    fn connect(&mut self, notification: &Notification) -> nix::Result<Answer> {
        let call = self.call(notification)?;
        let asked = self.asked(notification)?;
        let place = matches!(asked.address, Address::Path(_)).then(|| Place::of(notification.thread));
        let place = place.transpose()?;
        if !self.listener.waits(notification.id) {
            return Ok(Answer::Nothing);
        }
        let network = call.socket.network;
        if network == self.ground.boxed {
            return Ok(self.connect_in_box(call, asked, place));
        }
        if network == self.host && call.socket.is_tcp() {
            return Ok(self.connect_again(call, asked));
        }
        Err(Errno::EACCES)
    }

    /// Connects a socket of the box's own network.
    fn connect_in_box(&mut self, call: Call, asked: Asked, place: Option<Place>) -> Answer {
        match &asked.address {
            Address::Internet(to) if call.socket.is_tcp() && asked.family == call.socket.family => {
                let to = *to;
                self.connect_tcp(call, &asked, to)
            }
            Address::Abstract | Address::Path(_) => self.connect_unix(call, asked, place),
            Address::Internet(_) | Address::Nothing | Address::Kernel => self.connect_own(call, &asked.bytes),
            Address::Other => Answer::Now(Err(Errno::EAFNOSUPPORT)),
        }
    }
}

impl Call {
    fn flags(&self) -> nix::Result<OFlag> {
        fcntl(&self.fd, FcntlArg::F_GETFL).map(OFlag::from_bits_retain)
    }

    fn is_blocking(&self) -> bool {
        self.flags().is_ok_and(blocks)
    }

    /// connect(2) on the socket, which must not block us and which the server finds as it was. The flag belongs to the open
    /// socket, which is the server's too.
    ///
    /// # Errors
    /// Those of the call; EINTR where the server has let it block after all.
    fn connect(&self, watchdog: &Watchdog, address: &[u8]) -> nix::Result<()> {
        let flags = self.flags()?;
        let waits = blocks(flags);
        if waits {
            fcntl(&self.fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        let result = watchdog.guard(|| sockets::connect(self.fd.as_fd(), address));
        if waits {
            fcntl(&self.fd, FcntlArg::F_SETFL(flags))?;
        }
        result
    }
}

/// Whether connect(2) waits for the other side.
fn blocks(flags: OFlag) -> bool {
    !flags.contains(OFlag::O_NONBLOCK)
}

/// Whether a non-blocking connect(2) has come to its end, and to which.
fn settled(socket: &impl AsFd) -> Option<nix::Result<()>> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(0) => None,
        // Nothing but room to write: that is no error.
        Ok(_) if fds[0].revents() == Some(PollFlags::POLLOUT) => Some(Ok(())),
        Ok(_) => Some(super::sockets::take_error(socket.as_fd())),
        Err(errno) => Some(Err(errno)),
    }
}
