//! One connection with its sockets and pipes: carries out what the state machine wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::book::{Expected, Id};
use super::connection::{Action, Connection, Side, Way};
use super::flow::Step;
use super::pipes::{Pipe, Pipes};
use super::{Shared, errno, socket};

/// How many bytes are read at a time while a connection is judged.
const CHUNK: usize = 16 * 1024;

/// What all connections share.
pub struct Means {
    pub epoll: Epoll,
    pub pipes: Pipes,
    pub chunk: Box<[u8]>,
}

impl Means {
    pub fn new() -> nix::Result<Self> {
        Ok(Means {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            pipes: Pipes::new()?,
            chunk: vec![0; CHUNK].into_boxed_slice(),
        })
    }

    /// Watches an end of a connection. Edges suffice: the state machine remembers what is ready.
    fn watch(&self, socket: &TcpStream, id: Id, side: Side) -> nix::Result<()> {
        let flow = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP;
        let flags = flow | EpollFlags::EPOLLPRI | EpollFlags::EPOLLET;
        self.epoll.add(socket, EpollEvent::new(flags, token(id, side)))
    }
}

/// The number by which epoll tells of an end. Numbers of connections begin at 1, so 0 and 1 are free.
fn token(id: Id, side: Side) -> u64 {
    id << 1 | u64::from(side == Side::Host)
}

/// The end behind a number.
pub fn end_of(token: u64) -> (Id, Side) {
    let side = if token & 1 == 1 { Side::Host } else { Side::Server };
    (token >> 1, side)
}

/// A connection, its sockets, and a pipe for each direction that holds something.
pub struct Entry {
    pub connection: Connection,
    pub peer: SocketAddr,
    id: Id,
    server: TcpStream,
    host: Option<TcpStream>,
    out: Option<Pipe>,
    back: Option<Pipe>,
}

impl Entry {
    /// A connection that has arrived.
    pub fn new(id: Id, (server, peer): (TcpStream, SocketAddr), expected: Option<Expected>) -> Self {
        Entry {
            connection: Connection::new(expected, Instant::now()),
            peer,
            id,
            server,
            host: None,
            out: None,
            back: None,
        }
    }

    /// Prepares the server's end and watches it.
    pub fn begin(&self, means: &Means) -> nix::Result<()> {
        socket::prepare(&self.server)?;
        means.watch(&self.server, self.id, Side::Server)
    }

    /// Carries out an action that is neither to wait nor to end.
    pub fn act(&mut self, action: &Action, means: &mut Means, shared: &Shared) {
        match *action {
            Action::Receive => self.receive(means, shared),
            Action::Connect(address) => {
                if self.connect(address, means).is_err() {
                    self.connection.failed(Side::Host);
                }
            }
            Action::Move(way, step) => {
                let outcome = self.step(way, step, means);
                self.connection.did(way, step, outcome);
                self.return_pipe(way, means);
            }
            Action::Wait | Action::Close | Action::Reset | Action::Refuse(..) => {}
        }
    }

    fn receive(&mut self, means: &mut Means, shared: &Shared) {
        let outcome = self.server.read(&mut means.chunk).map_err(errno);
        if let Ok(count) = outcome {
            shared.copied.fetch_add(count as u64, Ordering::Relaxed);
        }
        self.connection
            .received(outcome.map(|count| &means.chunk[..count]));
    }

    fn connect(&mut self, address: SocketAddr, means: &Means) -> nix::Result<()> {
        let host = self.host.insert(socket::begin(address)?);
        means.watch(host, self.id, Side::Host)
    }

    fn step(&mut self, way: Way, step: Step, means: &mut Means) -> nix::Result<usize> {
        let host = self.host.as_ref().ok_or(Errno::ENOTCONN)?;
        let (source, drain, pipe) = match way {
            Way::Out => (&self.server, host, &mut self.out),
            Way::Back => (host, &self.server, &mut self.back),
        };
        match step {
            Step::Send => (&mut &*drain).write(self.connection.unsent()).map_err(errno),
            Step::Fill => {
                let pipe = pipe.insert(means.pipes.take()?);
                pipe.fill(source.as_fd())
            }
            Step::Pour => pipe.as_ref().ok_or(Errno::EPIPE)?.pour(drain.as_fd()),
            Step::Finish => {
                socket::finish(drain);
                Ok(0)
            }
        }
    }

    /// Gives an empty pipe to whoever needs one next.
    fn return_pipe(&mut self, way: Way, means: &mut Means) {
        let pipe = match way {
            Way::Out => &mut self.out,
            Way::Back => &mut self.back,
        };
        if !self.connection.may_hold_bytes(way)
            && let Some(pipe) = pipe.take()
        {
            means.pipes.give(pipe);
        }
    }

    /// Makes the end of this connection a reset for both sides.
    pub fn reset(&self) {
        socket::reset_on_close(&self.server);
        if let Some(host) = &self.host {
            socket::reset_on_close(host);
        }
    }
}
