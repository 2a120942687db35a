//! What the probe says: one line for each attack.

use std::collections::BTreeMap;
use std::process::Output;

/// What a command that runs the probe printed and how it ended.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    /// By attack, in the order of the command line: `NAME`, then `done: …`, `stopped: …` or `killed: …`.
    lines: Vec<(String, String)>,
    pub stderr: String,
}

impl Answer {
    pub fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout);
        let lines = stdout.lines().filter_map(|line| line.split_once(' '));
        Answer {
            code: output.status.code(),
            lines: lines.map(|(name, rest)| (name.into(), rest.into())).collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The evidence of the one attack that was made; fails if it was stopped.
    #[track_caller]
    pub fn done(&self) -> String {
        let [(_, line)] = &self.lines[..] else {
            panic!("not one attack: {self:?}")
        };
        let evidence = line.strip_prefix("done: ");
        unescaped(evidence.unwrap_or_else(|| panic!("not done: {self:?}")))
    }

    /// The one attack was stopped with this errno.
    #[track_caller]
    pub fn stopped(&self, errno: &str) {
        let [(_, line)] = &self.lines[..] else {
            panic!("not one attack: {self:?}")
        };
        assert_eq!(line, &format!("stopped: {errno}"), "{self:?}");
    }

    /// Every attack was stopped, by whichever layer came first.
    #[track_caller]
    pub fn all_stopped(&self) {
        let stopped = |(_, line): (&str, &str)| line.starts_with("stopped: ");
        assert!(!self.lines.is_empty() && self.all().all(stopped), "{self:?}");
    }

    /// The one attack ended its process.
    #[track_caller]
    pub fn killed(&self, signal: i32) {
        let [(_, line)] = &self.lines[..] else {
            panic!("not one attack: {self:?}")
        };
        assert_eq!(line, &format!("killed: {signal}"), "{self:?}");
    }

    /// Every attack with its answer, in order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines
            .iter()
            .map(|(name, line)| (name.as_str(), line.as_str()))
    }

    /// The evidence of each attack by name, where several were made.
    #[track_caller]
    pub fn evidence(&self) -> BTreeMap<&str, String> {
        let evidence = |line: &str| line.strip_prefix("done: ").map(unescaped);
        let all = self.all();
        all.map(|(name, line)| {
            (
                name,
                evidence(line).unwrap_or_else(|| panic!("{name} not done: {self:?}")),
            )
        })
        .collect()
    }

    /// The sandbox itself refused: code 125 and a message that holds `text`.
    #[track_caller]
    pub fn refused(&self, text: &str) {
        assert_eq!(self.code, Some(125), "{self:?}");
        assert!(self.stderr.contains(text), "{self:?}");
        assert!(self.lines.is_empty(), "{self:?}");
    }
}

/// Undoes what the probe does to line ends, tabs and quotes.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}
