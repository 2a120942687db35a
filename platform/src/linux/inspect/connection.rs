//! One connection, from its arrival to its end: events in, the next action out. Pure; `relay.rs` carries the actions
//! out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::vec;

use nix::errno::Errno;

use super::book::Expected;
use super::flow::{Flow, Step};
use crate::net::Name;
use crate::net::inspect::{Judgement, Reason, judge};

/// How long a connection that nobody announced may wait for it.
pub const GRACE: Duration = Duration::from_secs(1);

/// How long a client has to send its first bytes.
pub const FIRST_BYTES: Duration = Duration::from_secs(10);

/// How long an address of the host has to answer.
pub const ANSWER: Duration = Duration::from_secs(10);

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server in the box.
    Server,
    /// The host that it reaches.
    Host,
}

/// The two directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the server to the host.
    Out,
    /// From the host to the server.
    Back,
}

impl Way {
    pub fn source(self) -> Side {
        match self {
            Way::Out => Side::Server,
            Way::Back => Side::Host,
        }
    }

    pub fn drain(self) -> Side {
        match self {
            Way::Out => Side::Host,
            Way::Back => Side::Server,
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Wait for an event.
    Wait,
    /// Read some first bytes and tell them by [`Connection::received`].
    Receive,
    /// Begin to connect to this address, in place of one that was tried before.
    Connect(SocketAddr),
    /// Make a step and tell its outcome by [`Connection::did`].
    Move(Way, Step),
    /// Both sides are done: close both sockets.
    Close,
    /// Close both sockets with a reset.
    Reset,
    /// Report, and close with a reset.
    Refuse(Name, u16, Reason),
}

/// Whether one end has something, or takes something, as far as we know.
#[derive(Debug, Default, Clone, Copy)]
struct Ready {
    readable: bool,
    writable: bool,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Connection {
    phase: Phase,
    server: Ready,
    host: Ready,
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    Stranger,
    Judging {
        expected: Expected,
        first: Vec<u8>,
    },
    /// `tried` is whether an address is being tried.
    Connecting {
        first: Vec<u8>,
        left: vec::IntoIter<SocketAddr>,
        tried: bool,
    },
    /// `broken` is whether an end was reset: what it sent before is still passed on as far as the other takes it.
    Flowing {
        out: Flow,
        back: Flow,
        broken: bool,
    },
    Over(Action),
}

impl Connection {
    /// A connection that has just arrived, with what it was opened for if that is known.
    pub fn new(expected: Option<Expected>, now: Instant) -> Self {
        let mut connection = Connection {
            phase: Phase::Stranger,
            server: Ready::default(),
            host: Ready::default(),
            deadline: Some(now + GRACE),
        };
        if let Some(expected) = expected {
            connection.announced(expected, now);
        }
        connection
    }

    /// When [`Connection::late`] has to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The next action; to be asked for again after each event and each outcome.
    pub fn next(&mut self, now: Instant) -> Action {
        match &mut self.phase {
            Phase::Stranger => Action::Wait,
            Phase::Judging { .. } if self.server.readable => Action::Receive,
            Phase::Judging { .. } | Phase::Connecting { tried: true, .. } => Action::Wait,
            Phase::Connecting { left, tried, .. } => match left.next() {
                None => Action::Reset,
                Some(address) => {
                    *tried = true;
                    self.host = Ready::default();
                    self.deadline = Some(now + ANSWER);
                    Action::Connect(address)
                }
            },
            Phase::Flowing { .. } => self.next_move(),
            Phase::Over(action) => action.clone(),
        }
    }

    fn next_move(&self) -> Action {
        let Phase::Flowing { out, back, broken } = &self.phase else {
            return Action::Wait;
        };
        if let Some(step) = out.next(self.server.readable, self.host.writable) {
            return Action::Move(Way::Out, step);
        }
        if let Some(step) = back.next(self.host.readable, self.server.writable) {
            return Action::Move(Way::Back, step);
        }
        if out.finished() && back.finished() {
            return Action::Close;
        }
        if *broken { Action::Reset } else { Action::Wait }
    }

    /// A stranger was announced.
    pub fn announced(&mut self, expected: Expected, now: Instant) {
        if matches!(self.phase, Phase::Stranger) {
            let first = Vec::new();
            self.phase = Phase::Judging { expected, first };
            self.deadline = Some(now + FIRST_BYTES);
        }
    }

    /// An end became readable, writable or both.
    pub fn ready(&mut self, side: Side, readable: bool, writable: bool) {
        if let (
            Side::Host,
            true,
            Phase::Connecting {
                tried: true, first, ..
            },
        ) = (side, writable, &mut self.phase)
        {
            let out = Flow::new(std::mem::take(first));
            let back = Flow::default();
            let broken = false;
            self.phase = Phase::Flowing { out, back, broken };
            self.deadline = None;
        }
        let ready = self.side(side);
        ready.readable |= readable;
        ready.writable |= writable;
    }

    /// What [`Action::Receive`] read; nothing when the client has ended its side.
    pub fn received(&mut self, outcome: nix::Result<&[u8]>) {
        let Phase::Judging { expected, first } = &mut self.phase else {
            return;
        };
        match outcome {
            Err(Errno::EAGAIN | Errno::EINTR) => self.server.readable = outcome == Err(Errno::EINTR),
            Err(_) => self.phase = Phase::Over(Action::Reset),
            // A probe whether the port is open; nothing to report.
            Ok([]) if first.is_empty() => self.phase = Phase::Over(Action::Reset),
            Ok([]) => self.refuse(Reason::Unfinished),
            Ok(bytes) => {
                first.extend_from_slice(bytes);
                match judge(first, &expected.name, expected.port) {
                    Judgement::NeedMore => {}
                    Judgement::Refuse(reason) => self.refuse(reason),
                    Judgement::Pass => self.pass(),
                }
            }
        }
    }

    fn pass(&mut self) {
        if let Phase::Judging { expected, first } = &mut self.phase {
            self.phase = Phase::Connecting {
                first: std::mem::take(first),
                left: std::mem::take(&mut expected.addresses).into_iter(),
                tried: false,
            };
        }
    }

    fn refuse(&mut self, reason: Reason) {
        self.deadline = None;
        if let Phase::Judging { expected, .. } = &self.phase {
            self.phase = Phase::Over(Action::Refuse(expected.name.clone(), expected.port, reason));
        }
    }

    /// What a step of [`Action::Move`] did: how many bytes it moved.
    pub fn did(&mut self, way: Way, step: Step, outcome: nix::Result<usize>) {
        let Phase::Flowing { out, back, .. } = &mut self.phase else {
            return;
        };
        let flow = if way == Way::Out { out } else { back };
        match (step, outcome) {
            (_, Err(Errno::EINTR)) => {}
            (Step::Fill, Err(Errno::EAGAIN)) => self.side(way.source()).readable = false,
            (Step::Send | Step::Pour, Err(Errno::EAGAIN)) => self.side(way.drain()).writable = false,
            // A drain that takes nothing without saying why would be asked forever.
            (_, Err(_)) | (Step::Send | Step::Pour, Ok(0)) => self.phase = Phase::Over(Action::Reset),
            (_, Ok(count)) => flow.did(step, count),
        }
    }

    /// An end was reset, or the host cannot be reached at the address that is tried.
    pub fn failed(&mut self, side: Side) {
        match (&mut self.phase, side) {
            (Phase::Connecting { tried, .. }, Side::Host) => *tried = false,
            (Phase::Flowing { broken, .. }, _) => *broken = true,
            (Phase::Over(_), _) => {}
            _ => self.phase = Phase::Over(Action::Reset),
        }
    }

    /// The deadline has passed.
    pub fn late(&mut self) {
        self.deadline = None;
        match &mut self.phase {
            Phase::Stranger => self.phase = Phase::Over(Action::Reset),
            Phase::Judging { first, .. } if first.is_empty() => self.refuse(Reason::Silent),
            Phase::Judging { .. } => self.refuse(Reason::Slow),
            Phase::Connecting { tried, .. } => *tried = false,
            Phase::Flowing { .. } | Phase::Over(_) => {}
        }
    }

    /// The judged bytes that are to be sent to the host.
    pub fn unsent(&self) -> &[u8] {
        match &self.phase {
            Phase::Flowing { out, .. } => out.unsent(),
            _ => &[],
        }
    }

    /// How much memory the first bytes take.
    pub fn held(&self) -> usize {
        match &self.phase {
            Phase::Judging { first, .. } | Phase::Connecting { first, .. } => first.capacity(),
            Phase::Flowing { out, .. } => out.held(),
            Phase::Stranger | Phase::Over(_) => 0,
        }
    }

    /// Whether the pipe of a direction holds something, or could: after an error nobody knows.
    pub fn may_hold_bytes(&self, way: Way) -> bool {
        match &self.phase {
            Phase::Flowing { out, back, .. } => if way == Way::Out { out } else { back }.holds_bytes(),
            _ => true,
        }
    }

    pub fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting { .. })
    }

    fn side(&mut self, side: Side) -> &mut Ready {
        match side {
            Side::Server => &mut self.server,
            Side::Host => &mut self.host,
        }
    }
}
