//! The stub's thread: queries over UDP and TCP, outcomes of look-ups, deadlines. Never waits for anybody else.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use super::shared::{Asked, Origin, Shared, Waiter};
use super::tcp::Connections;
use crate::linux::supervise::timeout;
use crate::net::dns::{self, Act, Answer, LARGEST_QUERY, Reply};
use crate::net::lookups::{Outcome, ResolveError, Wait};

/// The most queries that wait for the host.
const ASKED: usize = 256;

/// The most datagrams served before the others get their turn.
const DATAGRAMS: usize = 64;

/// Everything the stub's thread owns.
pub struct Server {
    desk: Desk,
    udp: Option<UdpSocket>,
    tcp: Option<Connections>,
}

/// Answers queries, from wherever they come.
pub struct Desk {
    shared: Arc<Shared>,
    /// How many queries wait for the host.
    asked: usize,
}

/// What became of a query.
pub enum Received {
    Nothing,
    Reply(Reply),
    /// The answer comes later, with the same origin.
    Later,
}

impl Server {
    pub fn new(shared: Arc<Shared>, sockets: Option<(UdpSocket, TcpListener)>) -> Self {
        let (udp, tcp) = sockets.unzip();
        Server {
            desk: Desk { shared, asked: 0 },
            udp,
            tcp: tcp.map(Connections::new),
        }
    }

    /// Serves until it is told to stop. Without poll(2) there is nothing that could be done either.
    pub fn run(mut self) {
        while let Ok(ready) = self.wait() {
            if !self.serve(&ready) {
                break;
            }
        }
        self.desk.shared.close();
    }

    /// Does what there is to do; `false` when it is told to stop.
    fn serve(&mut self, ready: &Ready) -> bool {
        let turn = self.desk.shared.turn();
        for (then, outcome) in turn.over {
            then(outcome);
        }
        for (asked, outcome) in turn.answered {
            self.answer(asked, &outcome);
        }
        if ready.udp {
            self.serve_udp();
        }
        if let Some(tcp) = &mut self.tcp {
            tcp.serve(&ready.tcp, &mut self.desk, Instant::now());
        }
        !turn.stopped
    }

    /// Sleeps until there is something to do.
    fn wait(&self) -> nix::Result<Ready> {
        let now = Instant::now();
        let mut fds = vec![PollFd::new(self.desk.shared.wake.as_fd(), PollFlags::POLLIN)];
        if let Some(udp) = &self.udp {
            fds.push(PollFd::new(udp.as_fd(), PollFlags::POLLIN));
        }
        let sources = self.tcp.as_ref().map(|tcp| tcp.sources(now)).unwrap_or_default();
        fds.extend(sources.iter().map(|(_, fd, flags)| PollFd::new(*fd, *flags)));
        let wanted = self.tcp.as_ref().and_then(Connections::deadline);
        let deadline = [self.desk.shared.arm(), wanted].into_iter().flatten().min();
        match poll(&mut fds, timeout(deadline)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let mut happened = fds.iter().map(|fd| fd.any().unwrap_or(false)).skip(1);
        Ok(Ready {
            udp: self.udp.is_some() && happened.next().unwrap_or(false),
            tcp: sources
                .iter()
                .zip(happened)
                .filter_map(|((id, ..), ready)| ready.then_some(*id))
                .collect(),
        })
    }

    /// Sends the answer that a query has waited for.
    fn answer(&mut self, asked: Asked, outcome: &Outcome) {
        self.desk.asked = self.desk.asked.saturating_sub(1);
        let reply = self.desk.reply(&asked, outcome);
        match (asked.origin, &self.udp, &mut self.tcp) {
            (Origin::Udp(peer), Some(udp), _) => send(udp, peer, reply),
            (Origin::Tcp(id), _, Some(tcp)) => tcp.answer(id, reply, Instant::now()),
            _ => {}
        }
    }

    fn serve_udp(&mut self) {
        let Some(udp) = &self.udp else {
            return;
        };
        // What is cut off a longer datagram was of no interest, or its lack makes the rest malformed.
        let mut buffer = [0; LARGEST_QUERY];
        for _ in 0..DATAGRAMS {
            match udp.recv_from(&mut buffer) {
                Ok((length, peer)) => match self.desk.receive(&buffer[..length], Origin::Udp(peer)) {
                    Received::Reply(reply) => send(udp, peer, Some(reply)),
                    Received::Nothing | Received::Later => {}
                },
                // A client that is gone makes the kernel report its refusal here.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
        }
    }
}

/// Sends an answer, or drops it where it cannot be sent at once: the client asks again.
fn send(udp: &UdpSocket, peer: SocketAddr, reply: Option<Reply>) {
    if let Some(reply) = reply {
        let _ = udp.send_to(reply.as_bytes(), peer);
    }
}

/// Which sources are ready.
struct Ready {
    udp: bool,
    /// Numbers of connections, and the listener's.
    tcp: Vec<u64>,
}

impl Desk {
    /// Reads a query and answers it, or has the host asked.
    pub fn receive(&mut self, packet: &[u8], origin: Origin) -> Received {
        match dns::receive(packet, &*self.shared) {
            Act::Ignore => Received::Nothing,
            Act::Reply(reply) => Received::Reply(reply),
            Act::Refuse(reply, name) => {
                (self.shared.rules.refused)(&name);
                Received::Reply(reply)
            }
            Act::Resolve(query, name) => self.resolve(Asked { origin, query, name }),
        }
    }

    fn resolve(&mut self, asked: Asked) -> Received {
        if self.asked >= ASKED {
            let reply = self.reply(&asked, &Err(ResolveError::Busy));
            return reply.map_or(Received::Nothing, Received::Reply);
        }
        let name = asked.name.clone();
        match self.shared.wait(&name, Waiter::Query(asked)) {
            Wait::Begun => {
                self.asked += 1;
                Received::Later
            }
            Wait::Over(Waiter::Query(asked), outcome) => self
                .reply(&asked, &outcome)
                .map_or(Received::Nothing, Received::Reply),
            Wait::Over(Waiter::Call(_), _) => Received::Nothing,
        }
    }

    /// The answer where the host has said this. A name gets its synthetic address here, when it is known to exist.
    fn reply(&self, asked: &Asked, outcome: &Outcome) -> Option<Reply> {
        match outcome {
            Ok(_) => match self.shared.synthetic(&asked.name) {
                Some(address) => asked.query.exists(address),
                None => asked.query.failed(),
            },
            Err(ResolveError::NotFound) => asked.query.reply(&Answer::NotFound),
            Err(ResolveError::NoAddress) => asked.query.reply(&Answer::NoRecord),
            Err(ResolveError::TimedOut | ResolveError::Busy | ResolveError::Failed) => asked.query.failed(),
        }
    }
}
