//! `lint`: what profiles give that good practice would not.
//!
//! A profile is judged by itself and with each of its contexts, since either can be what a server runs with.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::out;
use crate::cli::{FailOn, Lint, LintFormat};
use crate::error::{Diagnostic, Error, printable};
use crate::host::Facts;
use crate::lint::{self, Finding, Grade, Severity, sarif};
use crate::policy::{self, Request};

/// The exit code when a finding is as bad as `--fail-on` says.
pub const FOUND: u8 = 1;

/// A profile that was judged.
type Judged = (String, Grade, Vec<Finding>);

/// Judges and prints.
///
/// # Errors
/// A profile that is not there or not valid.
pub fn run(args: Lint) -> Result<ExitCode, Error> {
    let facts = Facts::gather()?;
    let references = match args.profiles.is_empty() {
        true => vec![None],
        false => args.profiles.into_iter().map(Some).collect(),
    };
    let request = |profile| Request {
        profile,
        context: args.context.clone(),
        command: args.command.clone(),
        ..Request::default()
    };
    let judged = references
        .into_iter()
        .map(|profile| judge(&request(profile), &facts));
    let judged: Vec<Judged> = judged.collect::<Result<_, Error>>()?;
    out::print(&match args.format {
        LintFormat::Text => text(&judged),
        LintFormat::Json => format!("{:#}\n", json(&judged)),
        LintFormat::Sarif => format!("{:#}\n", sarif::log(&judged, &facts.profile.cwd)),
    })?;
    let worst = judged
        .iter()
        .flat_map(|(_, _, found)| found)
        .map(|one| one.severity)
        .max();
    Ok(match (threshold(args.fail_on), worst) {
        (Some(threshold), Some(worst)) if worst >= threshold => FOUND.into(),
        _ => ExitCode::SUCCESS,
    })
}

fn judge(request: &Request, facts: &Facts) -> Result<Judged, Error> {
    let chosen = policy::open(request, facts)?;
    for warning in &chosen.warnings {
        out::warn(&warning.warning());
    }
    let plain = chosen.profile;
    let mut found = lint::findings(&plain, &facts.profile);
    let mut grade = lint::grade(&found);
    if request.context.is_none() {
        for context in &plain.contexts {
            let context = Some(context.clone());
            let variant = policy::open(
                &Request {
                    context,
                    ..request.clone()
                },
                facts,
            )?
            .profile;
            let more = lint::findings(&variant, &facts.profile);
            grade = grade.max(lint::grade(&more));
            found.extend(more);
        }
    }
    let name = request.profile.clone().unwrap_or(plain.name);
    Ok((name, grade, lint::in_order(found)))
}

/// The severity from which on a command fails.
pub fn threshold(fail_on: FailOn) -> Option<Severity> {
    match fail_on {
        FailOn::Never => None,
        FailOn::Low => Some(Severity::Low),
        FailOn::Medium => Some(Severity::Medium),
        FailOn::High => Some(Severity::High),
        FailOn::Critical => Some(Severity::Critical),
    }
}

fn text(judged: &[Judged]) -> String {
    let one = |(name, grade, found): &Judged| {
        let lines: String = found.iter().map(|one| format!("{}\n", line(one))).collect();
        format!(
            "{lines}{}: grade {grade} ({})\n",
            printable(name),
            lint::summary(found)
        )
    };
    judged.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn line(finding: &Finding) -> String {
    let message = format!("{} [{}]", finding.message, finding.rule.id);
    diagnostic(finding, message).labelled(finding.severity.word())
}

fn diagnostic(finding: &Finding, message: String) -> Diagnostic {
    finding.origin.diagnostic(message, finding.cure.clone())
}

fn json(judged: &[Judged]) -> Value {
    let finding = |one: &Finding| {
        let (line, column) = one.origin.place().unzip();
        json!({
            "rule": one.rule.id,
            "severity": one.severity.word(),
            "message": one.message,
            "cure": one.cure,
            "file": printable(one.origin.source()),
            "line": line,
            "column": column,
        })
    };
    let profile = |(name, grade, found): &Judged| {
        json!({
            "profile": name,
            "grade": grade.to_string(),
            "counts": counts(found),
            "findings": found.iter().map(finding).collect::<Vec<_>>(),
        })
    };
    json!({"version": 1, "profiles": judged.iter().map(profile).collect::<Vec<_>>()})
}

/// How many findings there are of each severity.
pub fn counts(found: &[Finding]) -> Value {
    let counts = Severity::ALL.into_iter().zip(lint::counts(found));
    counts
        .map(|(severity, count)| (severity.word().to_owned(), json!(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
