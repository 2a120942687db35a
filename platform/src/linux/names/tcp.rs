//! Queries over TCP (RFC 7766): frames with two bytes of length, many on one connection, answers in any order.
//!
//! Nobody is waited for: what a client does not take stays in a small buffer, and is not added to until it does.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::serve::{Desk, Received};
use super::shared::Origin;
use crate::net::dns::{LARGEST_QUERY, Reply};

/// The most connections; further ones wait in the kernel until one of these ends.
pub const CONNECTIONS: usize = 32;

/// How long a connection may do nothing. A query that arrives in pieces counts when it is complete.
pub const IDLE: Duration = Duration::from_secs(5);

/// How long no connection is accepted after that has failed, mostly for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The most queries of one connection that wait for the host.
const ASKED: usize = 16;

/// The bytes of answers that a client has not taken, from which on no more is read from it.
const UNREAD: usize = 4096;

/// The bytes that certainly hold a whole frame, or the beginning of one that is too long.
const FRAME: usize = 2 + LARGEST_QUERY;

/// The number of the listener among the sources.
const LISTENER: u64 = 0;

/// A descriptor, the number by which it is served, and what it is waited for.
pub type Source<'a> = (u64, BorrowedFd<'a>, PollFlags);

pub struct Connections {
    listener: TcpListener,
    open: Vec<Connection>,
    /// The number of the newest connection.
    newest: u64,
    paused_until: Option<Instant>,
}

struct Connection {
    id: u64,
    stream: TcpStream,
    frames: Frames,
    /// Bytes that the client has not taken yet.
    unread: Vec<u8>,
    /// Queries that wait for the host.
    asked: usize,
    /// When it has done nothing for too long.
    deadline: Instant,
    /// The client sends no more.
    ended: bool,
    /// To be closed at once.
    broken: bool,
}

impl Connections {
    /// The listener must be non-blocking.
    pub fn new(listener: TcpListener) -> Self {
        Connections {
            listener,
            open: Vec::new(),
            newest: LISTENER,
            paused_until: None,
        }
    }

    /// What to wait for. One that nothing is wanted from is left out, since poll(2) would tell of its hang-up again
    /// and again.
    pub fn sources(&self, now: Instant) -> Vec<Source<'_>> {
        let mut sources = Vec::with_capacity(self.open.len() + 1);
        let paused = self.paused_until.is_some_and(|until| now < until);
        if self.open.len() < CONNECTIONS && !paused {
            sources.push((LISTENER, self.listener.as_fd(), PollFlags::POLLIN));
        }
        for connection in &self.open {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, connection.hungry());
            flags.set(PollFlags::POLLOUT, !connection.unread.is_empty());
            if !flags.is_empty() {
                sources.push((connection.id, connection.stream.as_fd(), flags));
            }
        }
        sources
    }

    /// When there is something to do even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let idle = self.open.iter().filter_map(Connection::deadline);
        idle.chain(self.paused_until).min()
    }

    /// Serves the sources that are ready, and closes what is over.
    pub fn serve(&mut self, ready: &[u64], desk: &mut Desk, now: Instant) {
        self.paused_until.take_if(|until| *until <= now);
        for connection in &mut self.open {
            if ready.contains(&connection.id) {
                connection.write();
                connection.read();
            }
            connection.serve(desk, now);
        }
        self.open.retain(|connection| !connection.over(now));
        if ready.contains(&LISTENER) {
            self.accept(now);
        }
    }

    /// Gives a connection the answer that one of its queries has waited for.
    pub fn answer(&mut self, id: u64, reply: Option<Reply>, now: Instant) {
        let Some(connection) = self.open.iter_mut().find(|connection| connection.id == id) else {
            return;
        };
        connection.asked = connection.asked.saturating_sub(1);
        connection.deadline = now + IDLE;
        connection.send(reply);
    }

    fn accept(&mut self, now: Instant) {
        while self.open.len() < CONNECTIONS {
            let accepted = self.listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                Ok(stream)
            });
            match accepted {
                Ok(stream) => {
                    self.newest += 1;
                    self.open.push(Connection::new(self.newest, stream, now));
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    ErrorKind::WouldBlock => return,
                    _ => return self.paused_until = Some(now + PAUSE),
                },
            }
        }
    }
}

impl Connection {
    fn new(id: u64, stream: TcpStream, now: Instant) -> Self {
        Connection {
            id,
            stream,
            frames: Frames::default(),
            unread: Vec::new(),
            asked: 0,
            deadline: now + IDLE,
            ended: false,
            broken: false,
        }
    }

    /// Whether more is to be read.
    fn hungry(&self) -> bool {
        !self.ended && !self.full() && self.frames.hungry()
    }

    /// Whether there are too many queries or answers under way to serve another.
    fn full(&self) -> bool {
        self.asked >= ASKED || self.unread.len() >= UNREAD
    }

    /// Only the client can be too slow: while the host is asked, the look-up has a deadline of its own.
    fn deadline(&self) -> Option<Instant> {
        (self.asked == 0).then_some(self.deadline)
    }

    fn over(&self, now: Instant) -> bool {
        let nothing_left = self.ended && self.asked == 0 && self.unread.is_empty();
        self.broken || nothing_left || self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Reads once.
    fn read(&mut self) {
        if !self.hungry() {
            return;
        }
        let mut buffer = [0; FRAME];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => self.frames.push(&buffer[..length]),
            Err(error) => self.broken |= fatal(&error),
        }
    }

    /// Serves the queries that have arrived whole.
    fn serve(&mut self, desk: &mut Desk, now: Instant) {
        while !self.full() && !self.broken {
            let query = match self.frames.next() {
                Frame::Whole(query) => query,
                Frame::Partial => return,
                Frame::TooLong => return self.broken = true,
            };
            self.deadline = now + IDLE;
            match desk.receive(&query, Origin::Tcp(self.id)) {
                Received::Nothing => self.broken = true,
                Received::Reply(reply) => self.send(Some(reply)),
                Received::Later => self.asked += 1,
            }
        }
    }

    fn send(&mut self, reply: Option<Reply>) {
        let Some(reply) = reply else {
            return;
        };
        let bytes = reply.as_bytes();
        self.unread.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        self.unread.extend_from_slice(bytes);
        self.write();
    }

    /// Writes once, if something waits.
    fn write(&mut self) {
        if self.unread.is_empty() {
            return;
        }
        match self.stream.write(&self.unread) {
            Ok(written) => drop(self.unread.drain(..written)),
            Err(error) => self.broken |= fatal(&error),
        }
    }
}

fn fatal(error: &std::io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Bytes of a connection, cut into queries.
#[derive(Default)]
struct Frames(Vec<u8>);

/// What is at the front.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Whole(Vec<u8>),
    Partial,
    TooLong,
}

impl Frames {
    fn hungry(&self) -> bool {
        self.0.len() < FRAME
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Frame {
        let Some((length, rest)) = self.0.split_first_chunk::<2>() else {
            return Frame::Partial;
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > LARGEST_QUERY {
            return Frame::TooLong;
        }
        let Some(query) = rest.get(..length).map(<[u8]>::to_vec) else {
            return Frame::Partial;
        };
        self.0.drain(..2 + length);
        Frame::Whole(query)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn queries_come_out_as_they_went_in(
            queries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            cut in 1usize..700,
        ) {
            let mut wire = Vec::new();
            for query in &queries {
                wire.extend_from_slice(&(query.len() as u16).to_be_bytes());
                wire.extend_from_slice(query);
            }
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            for piece in wire.chunks(cut) {
                frames.push(piece);
                while let Frame::Whole(query) = frames.next() {
                    out.push(query);
                }
            }
            prop_assert_eq!(out, queries);
            prop_assert_eq!(frames.next(), Frame::Partial);
        }
    }

    #[test]
    fn the_longest_query_passes_and_one_byte_more_does_not() {
        let mut frames = Frames::default();
        frames.push(&(LARGEST_QUERY as u16).to_be_bytes());
        frames.push(&[7; LARGEST_QUERY]);
        assert_eq!(frames.next(), Frame::Whole(vec![7; LARGEST_QUERY]));
        frames.push(&(LARGEST_QUERY as u16 + 1).to_be_bytes());
        assert_eq!(frames.next(), Frame::TooLong);
    }
}
