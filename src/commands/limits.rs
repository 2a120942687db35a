//! The limits as people and programs read them: before a run what holds, after it what was used and reached.

use mcp_sandbox_platform::linux::{Account, End, Enforcement};
use mcp_sandbox_platform::{Hit, Kind};
use serde::Serialize;

use crate::error::{TIMED_OUT, printable};

/// The usage of the status file.
#[derive(Debug, Serialize)]
pub struct Used {
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_peak_bytes: Option<u64>,
    cpu_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes_peak: Option<u32>,
    written_bytes: u64,
    /// From the start of the box to its end.
    wall_seconds: f64,
}

/// A limit that was reached, in the status file.
#[derive(Debug, Serialize)]
pub struct Reached {
    limit: Kind,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak: Option<String>,
    effect: String,
    /// The line that sets it.
    set_by: String,
    /// The server was ended for it.
    ended: bool,
}

/// Our exit code for the end of a run.
pub fn code(end: &End) -> u8 {
    match end.account.timed_out {
        true => TIMED_OUT,
        false => end.exit.code(),
    }
}

pub fn used(account: &Account) -> Used {
    let usage = &account.usage;
    Used {
        memory_peak_bytes: usage.memory.map(|bytes| bytes.0),
        cpu_seconds: usage.cpu.as_secs_f64(),
        processes_peak: usage.processes,
        written_bytes: usage.written.0,
        wall_seconds: usage.wall.as_secs_f64(),
    }
}

pub fn reached(account: &Account) -> Vec<Reached> {
    let reached = |hit: &Hit| Reached {
        limit: hit.kind,
        value: hit.value.clone(),
        peak: hit.peak.clone(),
        effect: hit.effect.clone(),
        set_by: hit.reason.clone(),
        ended: hit.ended,
    };
    account.hits.iter().map(reached).collect()
}

/// A line for each limit that was reached, and one for what was used if that is wanted.
pub fn lines(account: &Account, stats: bool) -> Vec<String> {
    let reached = |hit: &Hit| {
        let peak = hit
            .peak
            .as_ref()
            .map(|peak| format!(", peak {peak}"))
            .unwrap_or_default();
        format!(
            "mcp-sandbox: limit reached: {} = {}{peak}: {} (set by {})",
            hit.kind.key(),
            hit.value,
            hit.effect,
            printable(&hit.reason),
        )
    };
    let stats = stats.then(|| format!("mcp-sandbox: {}", stats_of(account)));
    account.hits.iter().map(reached).chain(stats).collect()
}

fn stats_of(account: &Account) -> String {
    let usage = &account.usage;
    let memory = usage
        .memory
        .map(|bytes| format!("memory peak {:.1} MB, ", bytes.0 as f64 / 1e6));
    let processes = usage
        .processes
        .map(|count| format!("processes and threads peak {count}, "));
    format!(
        "used {:.2} s of processor time in {:.2} s, {}{}{:.1} MB written to disk",
        usage.cpu.as_secs_f64(),
        usage.wall.as_secs_f64(),
        memory.unwrap_or_default(),
        processes.unwrap_or_default(),
        usage.written.0 as f64 / 1e6,
    )
}

/// Every limit with its mechanism, for the status line.
pub fn summary(limits: &Enforcement) -> String {
    let each = limits
        .chosen
        .iter()
        .map(|one| format!("{} {} ({})", one.kind.key(), one.value, one.by));
    let each: Vec<String> = each.collect();
    match each.as_slice() {
        [] => "no limits".into(),
        _ => format!("limits: {}", each.join(", ")),
    }
}

/// Every limit with its mechanism and the line that sets it, for `explain`.
pub fn table(limits: &Enforcement) -> Vec<String> {
    const WIDTH: usize = 78;
    if limits.chosen.is_empty() {
        return vec!["as much of the machine as it wants".into()];
    }
    let lines = limits.chosen.iter().flat_map(|one| {
        let what = format!("{} {}", words(one.kind), one.value);
        let (by, reason) = (format!("by {}", one.by), printable(&one.reason));
        let line = format!("{what:<28}  {by:<16}  {reason}");
        match line.chars().count() <= WIDTH {
            true => vec![line],
            false => vec![format!("{what:<28}  {by}"), format!("{:30}{reason}", "")],
        }
    });
    lines.collect()
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Memory => "memory",
        Kind::Cpu => "of a core",
        Kind::Processes => "processes and threads",
        Kind::OpenFiles => "open files per process",
        Kind::Disk => "disk",
        Kind::FileSize => "size of a file",
        Kind::Timeout => "time",
        Kind::Idle => "time without a word",
    }
}
