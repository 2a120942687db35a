//! Which connection was opened for which name: those announced and not here yet, and those here and not announced.
//! Pure, so that the order of the two can be tested.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::net::Name;

/// How long an expectation holds.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The most expectations that wait at a time.
pub const MOST_EXPECTED: usize = 1024;

/// What a connection was opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub name: Name,
    pub port: u16,
    /// Where the name is, in the order to try.
    pub addresses: Vec<SocketAddr>,
}

/// What became of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It waits for its connection.
    Waits,
    /// Its connection is here already.
    Met,
    /// Too many wait.
    Full,
}

/// The number of a connection.
pub type Id = u64;

/// Expectations and strangers, by the address they come from.
#[derive(Default)]
pub struct Book {
    expected: HashMap<SocketAddr, (Instant, Expected)>,
    strangers: HashMap<SocketAddr, Id>,
    met: Vec<(Id, Expected)>,
    closed: bool,
}

impl Book {
    /// Notes an expectation, or finds the stranger it is about.
    pub fn expect(&mut self, peer: SocketAddr, expected: Expected, now: Instant) -> Noted {
        if let Some(id) = self.strangers.remove(&peer) {
            self.met.push((id, expected));
            return Noted::Met;
        }
        if self.expected.len() >= MOST_EXPECTED {
            self.expected.retain(|_, (until, _)| now < *until);
        }
        if self.expected.len() >= MOST_EXPECTED && !self.expected.contains_key(&peer) {
            return Noted::Full;
        }
        self.expected.insert(peer, (now + PATIENCE, expected));
        Noted::Waits
    }

    /// What the connection `id`, just arrived from `peer`, was opened for; if nobody said so yet, it is a stranger.
    pub fn arrived(&mut self, peer: SocketAddr, id: Id, now: Instant) -> Option<Expected> {
        match self.expected.remove(&peer) {
            Some((until, expected)) if now < until => Some(expected),
            _ => {
                self.strangers.insert(peer, id);
                None
            }
        }
    }

    /// Forgets a stranger that is gone.
    pub fn left(&mut self, peer: SocketAddr, id: Id) {
        if self.strangers.get(&peer) == Some(&id) {
            self.strangers.remove(&peer);
        }
    }

    /// The strangers that were announced since the last call.
    pub fn take_met(&mut self) -> Vec<(Id, Expected)> {
        std::mem::take(&mut self.met)
    }

    /// Tells the relay to end.
    pub fn close(&mut self) {
        self.closed = true;
    }

    pub fn closed(&self) -> bool {
        self.closed
    }
}
