//! `lint`: what a profile gives that good practice would not, each with its weight, its place and its cure, and a grade.
//!
//! It judges a merged profile: a value counts wherever it was written, and its finding points there. Nothing has to exist
//! on this host, so that a build service can judge what will run elsewhere; links that do exist are followed. Like
//! the grade, it is advice: what cannot be carried out safely is refused by [`crate::policy`].

mod files;
mod network;
mod places;
mod process;
mod rules;
pub mod sarif;
mod secret;

use std::fmt;

use crate::profile::{Host, Origin, Profile};

pub use process::risk as variable_risk;
pub use rules::{ALL, Rule};
pub use secret::{is_name as is_secret_name, is_value as is_secret_value};

/// How bad it is if the server is hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Less would do.
    Low,
    /// More than most servers need.
    Medium,
    /// It gives what other programs trust, or secrets.
    High,
    /// The box holds nothing back that matters.
    Critical,
}

/// One finding of a rule at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static Rule,
    pub severity: Severity,
    /// What is given, and why that is much.
    pub message: String,
    /// What to write instead.
    pub cure: String,
    pub origin: Origin,
}

/// What the findings of a profile come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing above low.
    A,
    /// One or two of medium.
    B,
    /// More of medium, or one of high.
    C,
    /// Two or more of high.
    D,
    /// One of critical.
    F,
}

impl Severity {
    pub const ALL: [Severity; 4] = [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// Judges a merged profile, flags included. In the order of the text.
pub fn findings(profile: &Profile, host: &Host) -> Vec<Finding> {
    let mut found = files::findings(profile, host);
    found.extend(network::findings(profile));
    found.extend(process::findings(profile, host));
    in_order(found)
}

/// Sorts findings by file and place, the worst of one place first, and drops repetitions.
pub fn in_order(mut found: Vec<Finding>) -> Vec<Finding> {
    let place = |one: &Finding| (one.origin.source().to_owned(), one.origin.place());
    found.sort_by(|one, two| {
        (place(one), two.severity, one.rule.id).cmp(&(place(two), one.severity, two.rule.id))
    });
    let mut kept: Vec<Finding> = Vec::new();
    for one in found {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

/// The grade of these findings: the worst severity decides, and how often it was found.
pub fn grade(findings: &[Finding]) -> Grade {
    let [critical, high, medium, _] = counts(findings);
    match (critical, high, medium) {
        (1.., ..) => Grade::F,
        (0, 2.., _) => Grade::D,
        (0, 1, _) | (0, 0, 3..) => Grade::C,
        (0, 0, 1..=2) => Grade::B,
        (0, 0, 0) => Grade::A,
    }
}

/// How many there are of each severity, in the order of [`Severity::ALL`].
pub fn counts(findings: &[Finding]) -> [usize; 4] {
    Severity::ALL.map(|severity| findings.iter().filter(|one| one.severity == severity).count())
}

/// The counts for a person: `1 high, 2 low`.
pub fn summary(findings: &[Finding]) -> String {
    let counts = counts(findings).into_iter().zip(Severity::ALL);
    let words: Vec<String> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}"))
        .collect();
    match words.is_empty() {
        true => "nothing found".into(),
        false => words.join(", "),
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grade::A => "A",
            Grade::B => "B",
            Grade::C => "C",
            Grade::D => "D",
            Grade::F => "F",
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
