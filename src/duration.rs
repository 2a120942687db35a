//! Times as people write them: a whole number and `ms`, `s`, `m`, `h` or `d`.

use std::time::Duration;

use mcp_sandbox_platform::quote;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a time such as `5s`.
///
/// # Errors
/// Says what is wrong with the text: no number, no unit, an unknown unit, or too large.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit {
            "" => "the unit is missing; write ms, s, m, h or d".into(),
            _ => format!("unknown unit {}; write ms, s, m, h or d", quote(unit)),
        });
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a whole number must come first".to_string())?;
    number
        .checked_mul(*factor)
        .map(Duration::from_millis)
        .ok_or_else(|| "the time is too long".into())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn every_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("5s", 5000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn bad_times_are_refused() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "1.5s",
            "5 s",
            "5S",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
