//! `[resources]`: the limits of one source, as written, and what keeps a value from being one.

use std::time::Duration;

use mcp_sandbox_platform::{Bytes, Percent, quote};
use toml::de::DeValue;

use super::origin::Located;
use super::read::{Reader, Table, Value};
use super::word;
use crate::duration;

/// The keys of the table.
pub const KEYS: [&str; 8] = [
    "memory",
    "cpu",
    "processes",
    "open_files",
    "disk",
    "file_size",
    "timeout",
    "idle",
];

/// Limits that merge: an absent one keeps what lies below.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    pub memory: Option<Located<Bytes>>,
    pub cpu: Option<Located<Percent>>,
    pub processes: Option<Located<u32>>,
    pub open_files: Option<Located<u32>>,
    pub disk: Option<Located<Bytes>>,
    pub file_size: Option<Located<Bytes>>,
    pub timeout: Option<Located<Duration>>,
    pub idle: Option<Located<Duration>>,
}

impl Resources {
    /// These limits laid over lower ones.
    pub fn over(self, lower: Resources) -> Resources {
        Resources {
            memory: self.memory.or(lower.memory),
            cpu: self.cpu.or(lower.cpu),
            processes: self.processes.or(lower.processes),
            open_files: self.open_files.or(lower.open_files),
            disk: self.disk.or(lower.disk),
            file_size: self.file_size.or(lower.file_size),
            timeout: self.timeout.or(lower.timeout),
            idle: self.idle.or(lower.idle),
        }
    }

    /// Reads the table, with a finding for every value that is no limit.
    pub fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Resources {
        let mut size = |key| {
            table
                .value(key)
                .and_then(|value| reader.parsed(key, value, word::size))
        };
        let (memory, disk, file_size) = (size("memory"), size("disk"), size("file_size"));
        let mut time = |key| table.value(key).and_then(|value| reader.parsed(key, value, time));
        let (timeout, idle) = (time("timeout"), time("idle"));
        let cpu = table
            .value("cpu")
            .and_then(|value| reader.parsed("cpu", value, percent));
        let mut count = |key| table.value(key).and_then(|value| count(reader, key, value));
        Resources {
            memory,
            cpu,
            processes: count("processes"),
            open_files: count("open_files"),
            disk,
            file_size,
            timeout,
            idle,
        }
    }
}

fn percent(text: &str) -> Result<Percent, (String, String)> {
    text.parse().map_err(|why| {
        let message = format!("{} is not a share of the processor: {why}", quote(text));
        let hint = "write per cent of one core, such as \"50%\", or \"200%\" for two cores";
        (message, hint.into())
    })
}

fn time(text: &str) -> Result<Duration, (String, String)> {
    let refused = |why: String| {
        let message = format!("{} is not a time limit: {why}", quote(text));
        (
            message,
            "write a whole number and ms, s, m, h or d, such as \"30m\"".into(),
        )
    };
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err(refused("the time is zero".into())),
        Ok(time) if time > MOST_TIME => Err(refused("the time is longer than ten years".into())),
        other => other.map_err(refused),
    }
}

/// Longer than any session, and far from where clocks overflow.
const MOST_TIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A whole number from 1 up, below where the kernel's own counters end.
fn count(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Located<u32>> {
    const MOST: u32 = 1 << 22;
    let span = value.span();
    let DeValue::Integer(number) = value.get_ref() else {
        return reader.wrong_type(key, &span, "a whole number", value.get_ref());
    };
    match u32::from_str_radix(number.as_str(), number.radix()) {
        Ok(count) if (1..=MOST).contains(&count) => Some(reader.origin(&span).at(count)),
        _ => {
            let message = format!("{} is not a limit for {}", quote(number.as_str()), quote(key));
            reader.error(&span, message, format!("write a whole number from 1 to {MOST}"));
            None
        }
    }
}
