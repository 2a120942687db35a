//! What a server tried to reach and was refused, counted by destination.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Name, Refusal};
use crate::files::FileDenial;

/// One destination that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub destination: Destination,
    /// Why, as the end of a sentence that starts with the destination.
    pub reason: String,
    /// What a rule of `allow` would have to say, where one could allow it.
    pub cure: Option<String>,
}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// A name or an address.
    pub host: String,
    /// Not known of a name that was only looked up.
    pub port: Option<u16>,
}

/// All of one run, shared by those who refuse and those who report.
#[derive(Clone)]
pub struct Denials(Arc<Shared>);

struct Shared {
    counts: Mutex<BTreeMap<Destination, u64>>,
    files: Mutex<BTreeMap<PathBuf, u64>>,
    first_file: Box<dyn Fn(&FileDenial) + Send + Sync>,
    /// Called for each destination when it is first refused.
    first: Box<dyn Fn(&Denial) + Send + Sync>,
}

/// A hostile server can name as many destinations as it likes; what comes after these is counted under one entry.
const MOST_DESTINATIONS: usize = 256;

/// The host of the entry that counts what is past the limit.
pub const OTHERS: &str = "other destinations";
/// The same of files.
pub const OTHER_FILES: &str = "other files";

impl Denials {
    /// `first` and `first_file` are called for what is refused for the first time.
    pub fn new(
        first: impl Fn(&Denial) + Send + Sync + 'static,
        first_file: impl Fn(&FileDenial) + Send + Sync + 'static,
    ) -> Self {
        Denials(Arc::new(Shared {
            counts: Mutex::default(),
            files: Mutex::default(),
            first_file: Box::new(first_file),
            first: Box::new(first),
        }))
    }

    /// Counts, and reports a destination that is new.
    pub fn record(&self, denial: Denial) {
        let new = {
            let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let known = counts.contains_key(&denial.destination);
            let full = !known && counts.len() >= MOST_DESTINATIONS;
            let key = match full {
                true => Destination {
                    host: OTHERS.into(),
                    port: None,
                },
                false => denial.destination.clone(),
            };
            *counts.entry(key).or_default() += 1;
            !known && !full
        };
        if new {
            (self.0.first)(&denial);
        }
    }

    /// Counts a file, and reports one that is new.
    pub fn record_file(&self, denial: FileDenial) {
        let new = {
            let mut counts = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
            let known = counts.contains_key(&denial.path);
            let full = !known && counts.len() >= MOST_DESTINATIONS;
            let key = match full {
                true => PathBuf::from(OTHER_FILES),
                false => denial.path.clone(),
            };
            *counts.entry(key).or_default() += 1;
            !known && !full
        };
        if new {
            (self.0.first_file)(&denial);
        }
    }

    /// Every file and how often it was refused, in order.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let counts = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|(path, count)| (path.clone(), *count))
            .collect()
    }

    /// Every destination and how often it was refused, in order.
    pub fn counts(&self) -> Vec<(Destination, u64)> {
        let counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(to, count)| (to.clone(), *count)).collect()
    }
}

impl Denial {
    /// A name that may not be known to the server.
    pub fn of_name(name: &Name, refusal: Refusal) -> Self {
        Denial {
            destination: Destination {
                host: name.to_string(),
                port: None,
            },
            reason: refusal.to_string(),
            cure: curable(refusal).then(|| name.to_string()),
        }
    }

    /// A host, by name or address, and port.
    pub fn of(host: impl fmt::Display, port: u16, refusal: Refusal) -> Self {
        let destination = Destination {
            host: host.to_string(),
            port: Some(port),
        };
        Denial {
            cure: curable(refusal).then(|| destination.to_string()),
            reason: refusal.to_string(),
            destination,
        }
    }
}

/// A rule of `block` is there on purpose.
fn curable(refusal: Refusal) -> bool {
    !matches!(refusal, Refusal::Blocked(_))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.host),
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn denials() -> (Denials, Arc<AtomicUsize>) {
        let told = Arc::new(AtomicUsize::new(0));
        let telling = Arc::clone(&told);
        let denials = Denials::new(
            move |_| {
                telling.fetch_add(1, Ordering::Relaxed);
            },
            |_| {},
        );
        (denials, told)
    }

    #[test]
    fn a_destination_is_told_once_and_counted_always() {
        let (denials, told) = denials();
        (0..3).for_each(|_| denials.record(Denial::of("a.example", 443, Refusal::NotListed)));
        denials.record(Denial::of("a.example", 80, Refusal::Port));
        assert_eq!(told.load(Ordering::Relaxed), 2);
        let counts = denials.counts();
        let counts: Vec<_> = counts
            .iter()
            .map(|(to, count)| (to.to_string(), *count))
            .collect();
        assert_eq!(counts, [("a.example:80".into(), 1), ("a.example:443".into(), 3)]);
    }

    #[test]
    fn a_flood_of_destinations_is_bounded() {
        let (denials, told) = denials();
        for port in 0..1000 {
            denials.record(Denial::of("a.example", port, Refusal::NotListed));
        }
        assert_eq!(told.load(Ordering::Relaxed), MOST_DESTINATIONS);
        assert_eq!(denials.counts().len(), MOST_DESTINATIONS + 1);
        assert_eq!(denials.counts().iter().map(|(_, count)| count).sum::<u64>(), 1000);
    }

    #[test]
    fn addresses_with_colons_stand_in_brackets() {
        let denial = Denial::of("fd00::1", 22, Refusal::NotListed);
        assert_eq!(denial.cure.as_deref(), Some("[fd00::1]:22"));
    }
}
