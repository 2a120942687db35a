//! TCP to a host: a socket of the host's network is connected and takes the place of the server's.

use std::net::Ipv4Addr;
use std::vec;

use super::super::sockets::{self, TcpState};
use super::caller::closes_on_exec;
use super::pending::Waiting;
use super::route::{Refused, Route, judged, route};
use super::*;
use crate::net::Name;

/// A connection that is being made.
pub struct Dial {
    /// Its descriptor is the socket that stands in the server's place now.
    pub call: Call,
    /// What is left to try.
    addresses: vec::IntoIter<SocketAddr>,
    /// What is being tried.
    current: Option<SocketAddr>,
    name: Option<Name>,
    close_on_exec: bool,
    /// The call waits for the other side.
    blocking: bool,
}

/// How long one address of several is tried before the next.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an address that failed is tried last.
const AVOIDED: Duration = Duration::from_secs(60);

impl Broker {
    /// A TCP connection to an address that the server named.
    pub(super) fn connect_tcp(&mut self, call: Call, asked: &Asked, to: SocketAddr) -> Answer {
        self.go(call, asked, to, false)
    }

    /// The same again, once the name behind the address was looked up.
    pub(super) fn handle_resolved(&mut self, notification: &Notification) {
        let answer = self.call(notification).and_then(|call| {
            let asked = self.asked(notification)?;
            if !self.listener.waits(notification.id) {
                return Ok(Answer::Nothing);
            }
            match asked.address {
                Address::Internet(to) if call.socket.is_tcp() => Ok(self.go(call, &asked, to, true)),
                _ => Err(Errno::EINVAL),
            }
        });
        self.finish(
            notification.id,
            answer.unwrap_or_else(|errno| Answer::Now(Err(errno))),
        );
    }

    fn go(&mut self, call: Call, asked: &Asked, to: SocketAddr, looked_up: bool) -> Answer {
        let names = &self.ground.names;
        match route(to, &self.ground.network, |ip| names.behind(ip)) {
            // Nobody talks to the inspector but by a name.
            Route::Box if self.is_inspector(to) => Answer::Now(Err(Errno::ECONNREFUSED)),
            Route::Box if call.socket.network != self.ground.boxed => Answer::Now(Err(Errno::ENETUNREACH)),
            Route::Box => {
                if let Some(observer) = &self.observer {
                    observer.own_loopback(to.port());
                }
                self.connect_own(call, &asked.bytes)
            }
            Route::Host(addresses) => {
                if let Some(observer) = &self.observer {
                    observer.host(to);
                }
                self.dial(call, addresses, None)
            }
            Route::Name(name, port) => self.dial_name(call, name, port, looked_up),
            Route::Refused(refused) => self.refuse(refused),
        }
    }

    fn is_inspector(&self, to: SocketAddr) -> bool {
        let port = |(_, at): &(_, SocketAddr)| at.port() == to.port();
        self.ground.inspector.as_ref().is_some_and(port)
    }

    fn refuse(&self, refused: Refused) -> Answer {
        refused
            .denial
            .into_iter()
            .for_each(|denial| self.ground.denials.record(denial));
        Answer::Now(Err(refused.errno))
    }

    /// A connection to an allowed name. Every look-up may lead elsewhere, so each address is judged.
    fn dial_name(&mut self, call: Call, name: Name, port: u16, looked_up: bool) -> Answer {
        let Some(addresses) = self.ground.names.addresses(&name) else {
            return match looked_up {
                true => Answer::Now(Err(Errno::EHOSTUNREACH)),
                false => self.wait_for_name(call.notification, &name),
            };
        };
        let judged = judged(&name, port, &addresses, &self.ground.network);
        if let (Ok(_), Some(observer)) = (&judged, &self.observer) {
            observer.name(&name, port);
        }
        match judged {
            Err(refused) => self.refuse(refused),
            Ok(addresses) if self.ground.inspector.is_some() => self.inspect(call, name, port, addresses),
            Ok(addresses) => self.dial(call, addresses, Some(name)),
        }
    }

    /// The server's own socket is connected to the inspector, which is told what to expect from it.
    fn inspect(&mut self, call: Call, name: Name, port: u16, addresses: Vec<SocketAddr>) -> Answer {
        let Some((inspector, at)) = &self.ground.inspector else {
            return Answer::Now(Err(Errno::EHOSTUNREACH));
        };
        if call.socket.network != self.ground.boxed {
            return Answer::Now(Err(Errno::EHOSTUNREACH));
        }
        let family = call.socket.family;
        match own_port(&call) {
            Err(errno) => Answer::Now(Err(errno)),
            Ok(own) => {
                let peer = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), own);
                inspector.expect(peer, name, port, addresses);
                let at = address::bytes(family, *at);
                self.connect_own(call, &at)
            }
        }
    }

    fn dial(&mut self, call: Call, mut addresses: Vec<SocketAddr>, name: Option<Name>) -> Answer {
        if let Err(errno) = unconnected(&call) {
            return Answer::Now(Err(errno));
        }
        if addresses.len() > 1 {
            self.failed.retain(|_, at| at.elapsed() < AVOIDED);
            addresses.sort_by_key(|address| self.failed.contains_key(&address.ip()));
        }
        let flags = self.callers.flags(call.notification.thread, call.number);
        self.try_next(Dial {
            close_on_exec: closes_on_exec(flags),
            blocking: flags.map_or_else(|| call.is_blocking(), blocks),
            addresses: addresses.into_iter(),
            current: None,
            name,
            call,
        })
    }

    /// Tries the addresses that are left, one after the other, until one answers or has to be waited for.
    fn try_next(&mut self, mut dial: Dial) -> Answer {
        let mut failure = Errno::EHOSTUNREACH;
        while let Some(address) = dial.addresses.next() {
            dial.current = Some(address);
            let begun = self
                .begin(&dial, address)
                .and_then(|begun| match dial.addresses.len() {
                    0 => Ok(begun),
                    // A loopback refuses at once, while another socket may still take its place.
                    _ => settled(&begun.0).unwrap_or(Ok(())).map(|()| begun),
                });
            let connected = match begun {
                Err(errno) => {
                    failure = errno;
                    self.note_failed(address.ip());
                    continue;
                }
                Ok((socket, connected)) => match self.replace(&mut dial, socket) {
                    // Of no meaning to a call that was interrupted: the server asks again, or never.
                    Err(errno) => return Answer::Now(Err(errno)),
                    Ok(()) => connected,
                },
            };
            if !dial.blocking {
                return self.in_progress(dial, address, connected);
            }
            match settled(&dial.call.fd) {
                Some(Ok(())) => return self.announce(&dial.call, Ok(())),
                Some(Err(errno)) => {
                    failure = errno;
                    self.note_failed(address.ip());
                }
                None => return self.await_dial(dial),
            }
        }
        dial.name.iter().for_each(|name| self.ground.names.forget(name));
        Answer::Now(Err(failure))
    }

    /// Connects a new socket of the host's network, told what the server's was told; whether it is connected by now.
    ///
    /// The server has nothing of it yet: what else it would tell the socket could lead the connection another way.
    fn begin(&mut self, dial: &Dial, to: SocketAddr) -> nix::Result<(OwnedFd, bool)> {
        let family = match to {
            SocketAddr::V6(_) => libc::AF_INET6,
            SocketAddr::V4(_) => dial.call.socket.family,
        };
        let (socket, family) = match (self.fresh_socket(family), to) {
            // A host without IPv6 has no IPv6 sockets, and its servers use them for IPv4 all the same.
            (Err(Errno::EAFNOSUPPORT), SocketAddr::V4(_)) => {
                (self.host_socket(libc::AF_INET)?, libc::AF_INET)
            }
            (socket, _) => (socket?, family),
        };
        self.wanted = Some(family);
        self.options().carry(dial.call.fd.as_fd(), socket.as_fd());
        let connected = match sockets::connect(socket.as_fd(), &address::bytes(family, to)) {
            Ok(()) => true,
            Err(Errno::EINPROGRESS) => false,
            Err(errno) => return Err(errno),
        };
        if dial.blocking {
            fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_RDWR))?;
        }
        Ok((socket, connected))
    }

    /// A socket of the host's network; the one that was made beforehand if there is one of the family.
    fn fresh_socket(&mut self, family: i32) -> nix::Result<OwnedFd> {
        match self.spare.take() {
            Some((of, socket)) if of == family => Ok(socket),
            _ => self.host_socket(family),
        }
    }

    fn host_socket(&self, family: i32) -> nix::Result<OwnedFd> {
        match hold::is_needed(self.ground.landlock_abi) {
            true => hold::socket(family),
            false => sockets::tcp_socket(family),
        }
    }

    /// Makes a socket for the next connection while nobody waits for it.
    pub(super) fn prepare_socket(&mut self) {
        if let (None, Some(family)) = (&self.spare, self.wanted) {
            self.spare = self.host_socket(family).ok().map(|socket| (family, socket));
        }
    }

    /// Puts a socket in the place of the server's, everywhere the server knows it.
    fn replace(&mut self, dial: &mut Dial, socket: OwnedFd) -> nix::Result<()> {
        let Notification { id, thread, .. } = dial.call.notification;
        let mut watching = match self.epoll_made {
            Some(made) => places::watching(&mut self.callers, thread, dial.call.fd.as_fd(), made)?,
            None => Vec::new(),
        };
        let watched = self.witness.watch(dial.call.fd.as_fd());
        let placed = self
            .listener
            .replace(id, socket.as_fd(), dial.call.number, dial.close_on_exec);
        if placed.is_err() {
            // The call was interrupted, and will come again with the same socket.
            self.witness.forget(dial.call.fd.as_fd());
        }
        placed?;
        let old = std::mem::replace(&mut dial.call.fd, Duplicate::new(socket).of_box());
        let left = old.into_closed(|old| self.witness.close(old));
        watched?;
        if let Some(inode) = left? {
            let found = places::find(&mut self.callers, thread, inode)?;
            if !self.listener.waits(id) {
                self.remember_unannounced(&dial.call.fd);
                return Err(Errno::ENOENT);
            }
            let new = dial.call.fd.as_fd();
            let others = found
                .replace(|number, close_on_exec| self.listener.replace(id, new, number, close_on_exec))?;
            // By now it may be gone after all, and with it whoever watched it.
            watching = if others.is_empty() { watching } else { others };
        }
        // What was read before is the caller's own: its call still waited when the socket was placed.
        places::watch_again(&watching, dial.call.fd.as_fd())
    }

    /// The answer to a server that does not want to wait. Only now is there one address: the socket is the server's, and
    /// so is its error, which is not taken here.
    fn in_progress(&mut self, dial: Dial, address: SocketAddr, connected: bool) -> Answer {
        if connected {
            return self.announce(&dial.call, Ok(()));
        }
        let answer = self.announce(&dial.call, Err(Errno::EINPROGRESS));
        if dial.addresses.len() > 0 {
            match sockets::tcp_state(dial.call.fd.as_fd()) {
                Ok(TcpState::Connecting) => self.watch(address.ip(), dial.call.fd),
                Ok(TcpState::Closed) => self.note_failed(address.ip()),
                _ => {}
            }
        }
        answer
    }

    fn await_dial(&mut self, dial: Dial) -> Answer {
        let own = options::patience(dial.call.fd.as_fd());
        let patience = match dial.addresses.len() {
            0 => own,
            _ => Some(own.map_or(PATIENCE, |own| own.min(PATIENCE))),
        };
        self.wait_for(Waiting::Dial(dial), patience)
    }

    /// A connection that was waited for is made or has failed.
    pub(super) fn dialled(&mut self, dial: Dial) {
        let id = dial.call.notification.id;
        let answer = match settled(&dial.call.fd) {
            Some(Ok(())) => self.announce(&dial.call, Ok(())),
            Some(Err(errno)) => {
                dial.current
                    .iter()
                    .for_each(|address| self.note_failed(address.ip()));
                match dial.addresses.len() {
                    0 => Answer::Now(Err(errno)),
                    _ => self.try_next(dial),
                }
            }
            None => self.await_dial(dial),
        };
        self.finish(id, answer);
    }

    /// An address has not answered in time.
    pub(super) fn dial_on(&mut self, dial: Dial) {
        let id = dial.call.notification.id;
        let answer = match dial.addresses.len() {
            // What the kernel answers when SO_SNDTIMEO is over.
            0 => Answer::Now(Err(Errno::EINPROGRESS)),
            _ => self.try_next(dial),
        };
        self.finish(id, answer);
    }

    pub(super) fn note_failed(&mut self, address: IpAddr) {
        const MOST: usize = 256;
        if self.failed.len() >= MOST {
            self.failed.clear();
        }
        self.failed.insert(address, Instant::now());
    }
}

/// What connect(2) asks of every socket. The one that is replaced is closed at once besides, which may wait for the other
/// side if there is one (SO_LINGER of socket(7)).
fn unconnected(call: &Call) -> nix::Result<()> {
    if call.socket.port == 0 {
        return Ok(());
    }
    match sockets::tcp_state(call.fd.as_fd())? {
        TcpState::Closed => Ok(()),
        TcpState::Connecting => Err(Errno::EALREADY),
        TcpState::Connected => Err(Errno::EISCONN),
    }
}

/// The port that the server's socket has, or gets, in the box.
fn own_port(call: &Call) -> nix::Result<u16> {
    match call.socket.port {
        0 => {
            let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
            sockets::bind(call.fd.as_fd(), &address::bytes(call.socket.family, any))?;
            sockets::own_address(call.fd.as_fd()).map(|at| at.port())
        }
        port => Ok(port),
    }
}
