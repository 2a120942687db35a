//! Limits from what was used at most: twice as much, in round numbers.

use mcp_sandbox_platform::limits::time;
use mcp_sandbox_platform::{Bytes, Usage};

use super::Run;
use super::text::{Line, State, string};

/// What no server is given less than: one that did little while it was watched does more some day.
const LEAST_MEMORY: u64 = 128 << 20;
const LEAST_PROCESSES: u32 = 32;

/// The keys of `[resources]` and their lines.
pub fn lines(run: &Run<'_>) -> Vec<(&'static str, Line)> {
    let mut lines = Vec::new();
    if let Some(peak) = run.usage.memory {
        let why = format!("twice the peak of {:.1} MB, rounded up", peak.0 as f64 / 1e6);
        lines.push((
            "memory",
            Line::new(State::Used, string(&memory(peak).to_string()), why),
        ));
    }
    if let Some(peak) = run.usage.processes {
        let why = format!("twice the peak of {peak} processes and threads, rounded up");
        lines.push((
            "processes",
            Line::new(State::Used, processes(peak).to_string(), why),
        ));
    }
    lines.extend(kept(run));
    lines
}

/// In steps that grow with the size.
fn memory(peak: Bytes) -> Bytes {
    let wanted = peak.0.saturating_mul(2).max(LEAST_MEMORY);
    let step = if wanted < 1 << 30 { 64 << 20 } else { 256 << 20 };
    Bytes(wanted.div_ceil(step).saturating_mul(step))
}

fn processes(peak: u32) -> u32 {
    peak.saturating_mul(2).max(LEAST_PROCESSES).next_multiple_of(8)
}

/// Limits that the profile has and that nothing was measured for.
fn kept(run: &Run<'_>) -> Vec<(&'static str, Line)> {
    let (given, usual) = (&run.ceiling.profile.resources, &run.base.profile.resources);
    let disk = given
        .disk
        .as_ref()
        .filter(|disk| Some(disk.value) != usual.disk.as_ref().map(|one| one.value));
    let text = [
        (
            "cpu",
            given.cpu.as_ref().map(|one| string(&one.value.to_string())),
        ),
        (
            "open_files",
            given.open_files.as_ref().map(|one| one.value.to_string()),
        ),
        ("disk", disk.map(|one| string(&one.value.to_string()))),
        (
            "file_size",
            given.file_size.as_ref().map(|one| string(&one.value.to_string())),
        ),
        (
            "timeout",
            given.timeout.as_ref().map(|one| string(&time(one.value))),
        ),
        ("idle", given.idle.as_ref().map(|one| string(&time(one.value)))),
    ];
    let line = |(key, text): (&'static str, Option<String>)| {
        Some((key, Line::new(State::Used, text?, super::AS_GIVEN)))
    };
    text.into_iter().filter_map(line).collect()
}

/// What was used, in words.
pub fn told(usage: &Usage) -> String {
    format!(
        "{:.2} s of processor time, {:.1} MB written to disk",
        usage.cpu.as_secs_f64(),
        usage.written.0 as f64 / 1e6
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_twice_the_peak_in_round_numbers() {
        for (peak, limit) in [
            (1, "128MiB"),
            (70 << 20, "192MiB"),
            (600 << 20, "1280MiB"),
            (2 << 30, "4GiB"),
        ] {
            assert_eq!(memory(Bytes(peak)).to_string(), limit);
        }
        assert_eq!([1, 15, 17, 200].map(processes), [32, 32, 40, 400]);
    }
}
