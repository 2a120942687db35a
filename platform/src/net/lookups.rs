//! What the host's resolver has said, what it is being asked, and who waits for it.
//!
//! No threads, no sockets, no clock: the caller gives the time and carries out the jobs. Every list is bounded, since
//! a hostile server decides how many names are asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Name;

/// How long an answer is taken for the host's present one.
pub const FRESH: Duration = Duration::from_secs(10);

/// How long old addresses may still be connected to when the host no longer answers.
pub const USABLE: Duration = Duration::from_secs(600);

/// How long a failure is repeated without asking again.
pub const FAILED: Duration = Duration::from_secs(2);

/// How long a look-up is waited for. What the host's resolver takes beyond it, its thread is still busy with.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The most look-ups at once, those included that nobody waits for any more.
pub const WORKERS: usize = 8;

/// The most names that wait for a worker.
pub const QUEUE: usize = 64;

/// The most who wait for look-ups.
pub const WAITING: usize = 4096;

/// The most names that something is remembered of.
pub const REMEMBERED: usize = 1024;

/// The most addresses kept of one name.
pub const ADDRESSES: usize = 32;

/// The addresses of a name, in the order in which the host would try them.
pub type Addresses = Arc<[IpAddr]>;

/// Why there are no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolveError {
    /// The host says that there is no such name.
    NotFound,
    /// The name exists, but has no address.
    NoAddress,
    /// The host's resolver did not answer in time.
    TimedOut,
    /// Too many other names are being looked up.
    Busy,
    /// The host's resolver failed, or the box has ended.
    Failed,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResolveError::NotFound => "there is no such name",
            ResolveError::NoAddress => "the name has no address",
            ResolveError::TimedOut => "the host's resolver did not answer in time",
            ResolveError::Busy => "too many names are being looked up",
            ResolveError::Failed => "the host's resolver failed",
        })
    }
}

/// What a look-up ends with.
pub type Outcome = Result<Addresses, ResolveError>;

/// What one who wants to know has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Wait<W> {
    /// Nothing: here is the outcome.
    Over(W, Outcome),
    /// The look-up is under way, or waits for a worker.
    Begun,
}

/// Look-ups of one box; `W` is one who waits.
pub struct Lookups<W> {
    known: BTreeMap<Name, Known>,
    /// In the order in which they were asked for.
    active: Vec<Active<W>>,
}

/// What was learned of a name.
#[derive(Default)]
struct Known {
    addresses: Option<(Addresses, Instant)>,
    /// The last failure since the addresses were learned.
    failure: Option<(ResolveError, Instant)>,
}

/// A look-up that a worker is busy with or that waits for one.
struct Active<W> {
    name: Name,
    running: bool,
    /// When it is given up; nothing once it was and only the worker does not know yet.
    deadline: Option<Instant>,
    waiting: Vec<W>,
}

impl<W> Default for Lookups<W> {
    fn default() -> Self {
        Lookups {
            known: BTreeMap::new(),
            active: Vec::new(),
        }
    }
}

impl<W> Lookups<W> {
    /// The addresses of a name as far as they are known, old ones included; asks the host again where they are older
    /// than [`FRESH`]. After this, [`Lookups::next_job`] may have something to do.
    pub fn addresses(&mut self, name: &Name, now: Instant) -> Option<Addresses> {
        let known = self.known.get(name)?;
        let (addresses, learned) = known.addresses.clone()?;
        let age = now.saturating_duration_since(learned);
        if age >= USABLE {
            return None;
        }
        if age >= FRESH && known.recent_failure(now).is_none() {
            // A full queue only means that the addresses stay old.
            let _ = self.begin(name, now);
        }
        Some(addresses)
    }

    /// Puts `who` among those who wait for the host's present answer, unless it is already there. After this,
    /// [`Lookups::next_job`] may have something to do.
    pub fn wait(&mut self, name: &Name, who: W, now: Instant) -> Wait<W> {
        if let Some(outcome) = self.known.get(name).and_then(|known| known.present(now)) {
            return Wait::Over(who, outcome);
        }
        if self.waiting() >= WAITING {
            return Wait::Over(who, Err(ResolveError::Busy));
        }
        match self.begin(name, now) {
            Ok(active) => {
                active.waiting.push(who);
                Wait::Begun
            }
            Err(error) => Wait::Over(who, Err(error)),
        }
    }

    /// The next name for a worker; nothing while all are busy.
    ///
    /// Every name that is handed out must come back through [`Lookups::finished`].
    pub fn next_job(&mut self) -> Option<Name> {
        if self.active.iter().filter(|active| active.running).count() >= WORKERS {
            return None;
        }
        let next = self.active.iter_mut().find(|active| !active.running)?;
        next.running = true;
        Some(next.name.clone())
    }

    /// Takes what a worker has found, and returns the outcome with those who wait for it.
    pub fn finished(
        &mut self,
        name: &Name,
        found: Result<Vec<IpAddr>, ResolveError>,
        now: Instant,
    ) -> (Vec<W>, Outcome) {
        let outcome = found.and_then(distinct);
        self.remember(name, &outcome, now);
        let place = self
            .active
            .iter()
            .position(|active| active.running && active.name == *name);
        let waiting = place.map_or_else(Vec::new, |place| self.active.remove(place).waiting);
        (waiting, outcome)
    }

    /// Gives up the look-ups that took too long, and returns those who waited for them.
    pub fn expired(&mut self, now: Instant) -> Vec<W> {
        let mut waited = Vec::new();
        let mut names = Vec::new();
        for active in &mut self.active {
            if active.deadline.is_some_and(|deadline| deadline <= now) {
                active.deadline = None;
                waited.append(&mut active.waiting);
                names.push(active.name.clone());
            }
        }
        self.active
            .retain(|active| active.running || active.deadline.is_some());
        for name in names {
            self.remember(&name, &Err(ResolveError::TimedOut), now);
        }
        waited
    }

    /// When [`Lookups::expired`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.active.iter().filter_map(|active| active.deadline).min()
    }

    /// Drops the addresses of a name, after none of them could be connected to. Those that were learned within
    /// [`FAILED`] stay, so that a server that is down is not a reason to ask the host at every try.
    pub fn forget(&mut self, name: &Name, now: Instant) {
        let Some(known) = self.known.get_mut(name) else {
            return;
        };
        known
            .addresses
            .take_if(|(_, learned)| now.saturating_duration_since(*learned) >= FAILED);
    }

    /// Sends everybody away who still waits.
    pub fn abandon(&mut self) -> Vec<W> {
        self.active
            .iter_mut()
            .flat_map(|active| active.waiting.drain(..))
            .collect()
    }

    fn waiting(&self) -> usize {
        self.active.iter().map(|active| active.waiting.len()).sum()
    }

    /// The look-up of a name, begun if there is none. A name whose worker is stuck gets no second one.
    fn begin(&mut self, name: &Name, now: Instant) -> Result<&mut Active<W>, ResolveError> {
        let place = match self.active.iter().position(|active| active.name == *name) {
            Some(place) => place,
            None if self.active.iter().filter(|active| !active.running).count() >= QUEUE => {
                return Err(ResolveError::Busy);
            }
            None => {
                self.active.push(Active {
                    name: name.clone(),
                    running: false,
                    deadline: None,
                    waiting: Vec::new(),
                });
                self.active.len() - 1
            }
        };
        let active = &mut self.active[place];
        active.deadline.get_or_insert(now + PATIENCE);
        Ok(active)
    }

    fn remember(&mut self, name: &Name, outcome: &Outcome, now: Instant) {
        if !self.known.contains_key(name) && self.known.len() >= REMEMBERED {
            self.make_room(now);
        }
        let known = self.known.entry(name.clone()).or_default();
        match outcome {
            Ok(addresses) => {
                *known = Known {
                    addresses: Some((addresses.clone(), now)),
                    failure: None,
                }
            }
            Err(error) => {
                known.failure = Some((*error, now));
                if matches!(error, ResolveError::NotFound | ResolveError::NoAddress) {
                    known.addresses = None;
                }
            }
        }
    }

    /// Drops what is of no more use, or else what is oldest: who has just asked must find the answer.
    fn make_room(&mut self, now: Instant) {
        self.known.retain(|_, known| known.useful(now));
        while self.known.len() >= REMEMBERED {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.since());
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            self.known.remove(&name);
        }
    }
}

impl Known {
    /// When something was last learned.
    fn since(&self) -> Option<Instant> {
        let learned = self.addresses.as_ref().map(|(_, learned)| *learned);
        learned.max(self.failure.map(|(_, at)| at))
    }

    /// The outcome that needs no look-up.
    fn present(&self, now: Instant) -> Option<Outcome> {
        if let Some(error) = self.recent_failure(now) {
            return Some(Err(error));
        }
        let (addresses, learned) = self.addresses.as_ref()?;
        (now.saturating_duration_since(*learned) < FRESH).then(|| Ok(addresses.clone()))
    }

    fn recent_failure(&self, now: Instant) -> Option<ResolveError> {
        let (error, at) = self.failure?;
        (now.saturating_duration_since(at) < FAILED).then_some(error)
    }

    fn useful(&self, now: Instant) -> bool {
        let usable = |(_, learned): &(Addresses, Instant)| now.saturating_duration_since(*learned) < USABLE;
        self.recent_failure(now).is_some() || self.addresses.as_ref().is_some_and(usable)
    }
}

/// The addresses without repetitions, and not too many.
fn distinct(found: Vec<IpAddr>) -> Outcome {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if addresses.len() < ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(ResolveError::NoAddress);
    }
    Ok(addresses.into())
}

#[cfg(test)]
#[path = "lookups_tests.rs"]
mod tests;
