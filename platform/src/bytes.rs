//! Sizes as people write them: `KB`, `MB`, `GB` are powers of 1000, `KiB`, `MiB`, `GiB` of 1024.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = String;

    /// Reads a whole number followed by a unit, such as `256MB`.
    ///
    /// # Errors
    /// Says what is wrong with the text: no unit, an unknown unit, no number, zero, or too large.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start_matches(' ');
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => "the unit is missing".into(),
                _ => format!("unknown unit {}", crate::quote(unit)),
            });
        };
        let number: u64 = number
            .parse()
            .map_err(|_| "a whole number must come first".to_string())?;
        match number.checked_mul(*factor) {
            Some(0) => Err("the size is zero".into()),
            Some(bytes) => Ok(Bytes(bytes)),
            None => Err("the size is too large".into()),
        }
    }
}

impl fmt::Display for Bytes {
    /// The largest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS.iter().filter(|(_, factor)| self.0.is_multiple_of(*factor));
        match exact.max_by_key(|(_, factor)| *factor) {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn powers_of_1000_and_1024() {
        assert_eq!("256MB".parse(), Ok(Bytes(256_000_000)));
        assert_eq!("256MiB".parse(), Ok(Bytes(268_435_456)));
        assert_eq!("1 KB".parse(), Ok(Bytes(1000)));
    }

    #[test]
    fn bad_sizes_are_named() {
        for bad in [
            "",
            "12",
            "MB",
            "1.5MB",
            "-1MB",
            "0MB",
            "12mb",
            "12 XB",
            "99999999999GiB",
        ] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shown_in_the_largest_exact_unit() {
        assert_eq!(Bytes(256_000_000).to_string(), "256MB");
        assert_eq!(Bytes(1 << 30).to_string(), "1GiB");
        assert_eq!(Bytes(1001).to_string(), "1001B");
    }
}
