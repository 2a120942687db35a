//! What a server was refused, told to a person while it runs and counted at its end.

use mcp_sandbox_platform::files::FileDenial;
use mcp_sandbox_platform::net::{Denial, Denials, Destination};
use mcp_sandbox_platform::quote;
use serde::Serialize;

use super::out;

/// Counts what is refused, and tells of each destination once.
pub fn denials() -> Denials {
    Denials::new(
        |denial| out::warn_at_once(&line(denial)),
        |denial| out::warn_at_once(&file_line(denial)),
    )
}

/// A line that a person can act on.
fn line(denial: &Denial) -> String {
    let (to, reason) = (denial.destination.to_string(), &denial.reason);
    let cure = denial
        .cure
        .iter()
        .map(|cure| format!("; to allow it, add {} to [network] allow", quote(cure)));
    format!(
        "mcp-sandbox: blocked: {}: {reason}{}",
        out::printable(&to),
        cure.collect::<String>()
    )
}

fn file_line(denial: &FileDenial) -> String {
    let path = out::printable(&denial.path);
    let cure = denial.cure().map(|cure| format!("; to allow it, {cure}"));
    format!(
        "mcp-sandbox: blocked: {path}: {}{}",
        denial.reason(),
        cure.unwrap_or_default()
    )
}

/// The most bytes of the line at the end. What a pipe takes whole or not at all (PIPE_BUF of pipe(7)), less what stands
/// around the list: a client that does not read must not keep us from ending.
const MOST_BYTES: usize = 4096 - 100;

/// What was refused more than once, in one line: as much as fits.
pub fn summary(denials: &Denials) -> Option<String> {
    let hosts = denials.counts().into_iter();
    let hosts = hosts.map(|(to, count)| (out::printable(to.to_string()), count));
    let files = denials.files().into_iter();
    let files = files.map(|(path, count)| (out::printable(path), count));
    let repeated: Vec<_> = hosts.chain(files).filter(|(_, count)| *count > 1).collect();
    let mut text = String::new();
    for (told, (to, count)) in repeated.iter().enumerate() {
        let comma = if told == 0 { "" } else { ", " };
        let entry = format!("{comma}{to} ({count} times)");
        if text.len() + entry.len() > MOST_BYTES {
            text += &format!(" and {} more", repeated.len() - told);
            break;
        }
        text += &entry;
    }
    (!repeated.is_empty()).then(|| format!("mcp-sandbox: blocked in all: {text}"))
}

/// An entry of the status file.
#[derive(Debug, Serialize)]
pub struct Entry {
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    count: u64,
}

/// Everything that was refused, for programs.
pub fn entries(denials: &Denials) -> Vec<Entry> {
    let entry = |(Destination { host, port }, count)| Entry { host, port, count };
    denials.counts().into_iter().map(entry).collect()
}

/// A file in the status file.
#[derive(Debug, Serialize)]
pub struct FileEntry {
    /// In the box; bytes that are not UTF-8 are escaped.
    path: String,
    count: u64,
}

pub fn file_entries(denials: &Denials) -> Vec<FileEntry> {
    let entry = |(path, count)| FileEntry {
        path: out::printable(path),
        count,
    };
    denials.files().into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use mcp_sandbox_platform::net::Refusal;

    use super::*;

    #[test]
    fn a_line_says_what_to_add() {
        let denial = Denial::of("a.example", 443, Refusal::NotListed);
        assert_eq!(
            line(&denial),
            "mcp-sandbox: blocked: a.example:443: nothing in allow names it; to allow it, add \"a.example:443\" to \
             [network] allow"
        );
    }

    #[test]
    fn the_summary_leaves_out_what_was_told_in_full() {
        let denials = Denials::new(|_| {}, |_| {});
        denials.record(Denial::of("once.example", 443, Refusal::NotListed));
        assert_eq!(summary(&denials), None);
        (0..3).for_each(|_| denials.record(Denial::of("often.example", 443, Refusal::Port)));
        assert_eq!(
            summary(&denials).as_deref(),
            Some("mcp-sandbox: blocked in all: often.example:443 (3 times)")
        );
        assert_eq!(entries(&denials).len(), 2);
    }

    #[test]
    fn the_summary_of_many_is_one_write_to_a_pipe() {
        let denials = Denials::new(|_| {}, |_| {});
        let name = |number| format!("{}{number}.example", "n".repeat(50));
        (0..400).for_each(|at| denials.record(Denial::of(name(at % 200), 443, Refusal::NotListed)));
        let summary = summary(&denials).unwrap();
        assert!(summary.len() < 4096 && summary.ends_with(" more"), "{summary}");
        assert!(
            summary.contains(&format!("{}:443 (2 times), ", name(0))),
            "{summary}"
        );
    }
}
