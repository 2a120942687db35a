//! What one run may use of the machine, and what it did use. Pure: how each limit is enforced is the back end's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::Bytes;

/// Every limit of a run; a limit that is absent does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Of all processes of the box together, files in its private folders and what is swapped out included.
    pub memory: Option<Limit<Bytes>>,
    /// Processor time of the box as a share of the time that passes, on all cores together.
    pub cpu: Option<Limit<Percent>>,
    /// Processes and threads at one time.
    pub processes: Option<Limit<u32>>,
    /// Descriptors of one process.
    pub open_files: Option<Limit<u32>>,
    /// What the private home may hold, and by how much everything mounted writable may grow together.
    pub disk: Option<Limit<Bytes>>,
    /// Of one file.
    pub file_size: Option<Limit<Bytes>>,
    /// From the start of the server, the time that the machine sleeps included.
    pub timeout: Option<Limit<Duration>>,
    /// Without a byte on stdin or stdout; the time that the machine sleeps does not count.
    pub idle: Option<Limit<Duration>>,
}

/// A limit and the line that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit<T> {
    pub value: T,
    pub reason: String,
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Memory,
    Cpu,
    Processes,
    OpenFiles,
    Disk,
    FileSize,
    Timeout,
    Idle,
}

impl Kind {
    /// The key of the profile, within `[resources]`.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Memory => "memory",
            Kind::Cpu => "cpu",
            Kind::Processes => "processes",
            Kind::OpenFiles => "open_files",
            Kind::Disk => "disk",
            Kind::FileSize => "file_size",
            Kind::Timeout => "timeout",
            Kind::Idle => "idle",
        }
    }
}

/// A share of one core: 100 is one core, 250 two and a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Percent(pub u32);

impl Percent {
    /// The share of a span of time.
    pub fn of(self, time: Duration) -> Duration {
        time.mul_f64(f64::from(self.0) / 100.0)
    }
}

impl FromStr for Percent {
    type Err = String;

    /// Reads a whole number and a per cent sign, such as `50%`.
    ///
    /// # Errors
    /// Says what is wrong with the text: no sign, no whole number, or zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .strip_suffix('%')
            .ok_or("a per cent sign must come last")?
            .trim_end_matches(' ');
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(0) => Err("nothing runs with none of a core".into()),
            Ok(percent) if digits => Ok(Percent(percent)),
            _ => Err("a whole number must come first".into()),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A time as profiles write it, in the largest unit that gives a whole number.
pub fn time(time: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let millis = time.as_millis();
    let exact = UNITS.iter().find(|(_, factor)| millis.is_multiple_of(*factor));
    let (name, factor) = exact.unwrap_or(&UNITS[4]);
    format!("{}{name}", millis / factor)
}

/// What a run used. A number that nobody kept is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The most at one time.
    pub memory: Option<Bytes>,
    /// Of every process that ended in the box.
    pub cpu: Duration,
    /// The most processes and threads at one time.
    pub processes: Option<u32>,
    /// Written to disks: what goes to private folders in memory is not in it.
    pub written: Bytes,
    pub wall: Duration,
}

/// A limit that was reached, with what the server met there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub kind: Kind,
    /// The limit.
    pub value: String,
    /// The most that was used.
    pub peak: Option<String>,
    /// What came of it, such as `1 process killed`.
    pub effect: String,
    /// The line that sets the limit.
    pub reason: String,
    /// The box was ended for it.
    pub ended: bool,
}

#[cfg(test)]
mod tests {
    use super::{Percent, time};
    use std::time::Duration;

    #[test]
    fn shares_of_a_core() {
        assert_eq!("50%".parse(), Ok(Percent(50)));
        assert_eq!("250 %".parse(), Ok(Percent(250)));
        for bad in [
            "",
            "%",
            "50",
            "0%",
            "-1%",
            "+1%",
            "1.5%",
            "50%%",
            "99999999999%",
            "a%",
        ] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
        assert_eq!(
            Percent(250).of(Duration::from_millis(10)),
            Duration::from_millis(25)
        );
    }

    #[test]
    fn times_in_the_largest_exact_unit() {
        for (millis, text) in [(250, "250ms"), (5000, "5s"), (90_000, "90s"), (7_200_000, "2h")] {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
    }
}
