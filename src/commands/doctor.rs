//! `doctor`: what this host can enforce, found out by doing it, and the cure of what fails.

use std::process::ExitCode;

use mcp_sandbox_platform::linux::{self, Finding, State};
use serde_json::json;

use super::{demo, out};
use crate::error::Error;

/// Tries every ability by itself, then the default box as a whole with a hostile server in it.
///
/// # Errors
/// stdout cannot be written to. A host where `run` would not work is exit code 1.
pub fn run(json: bool) -> Result<ExitCode, Error> {
    let mut findings = linux::probe();
    let whole = whole_box();
    let run_works = whole.state == State::Ok;
    findings.push(whole);
    if json {
        let json = json!({"version": 1, "abilities": findings, "run_works": run_works});
        out::print(&format!("{json:#}\n"))?;
    } else {
        out::print(&text(&findings, run_works))?;
    }
    Ok(if run_works {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The only proof that `run` works is to run. What the parts promise must hold for the whole.
fn whole_box() -> Finding {
    let (state, detail) = match demo::summary() {
        Ok(summary) if summary.stopped == summary.attempts => (
            State::Ok,
            format!("started, and stopped {} hostile attempts", summary.stopped),
        ),
        Ok(summary) => {
            let missed = summary.attempts - summary.stopped;
            (
                State::Missing,
                format!("started, but did not stop {missed} hostile attempts"),
            )
        }
        // The demo needs more than a box does, such as a folder for its secrets.
        Err(error) => match demo::starts() {
            Ok(()) => (State::Ok, format!("started; but no demo, {}", error.message)),
            Err(error) => (State::Missing, error.message),
        },
    };
    Finding {
        ability: "the default box as a whole",
        state,
        required: true,
        detail,
        cost: (state != State::Ok).then_some("`mcp-sandbox run` starts nothing"),
        cure: match state {
            State::Ok => Vec::new(),
            _ => vec!["cure what is missing above; if nothing is: mcp-sandbox demo shows more".into()],
        },
    }
}

fn text(findings: &[Finding], run_works: bool) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.ability.len())
        .max()
        .unwrap_or_default();
    let mut text: String = findings.iter().map(|finding| entry(finding, width)).collect();
    text += match run_works {
        true => "\n`mcp-sandbox run` works on this host.\n",
        false => "\n`mcp-sandbox run` does not work on this host.\n",
    };
    text
}

fn entry(finding: &Finding, width: usize) -> String {
    let state = match (finding.state, finding.required) {
        (State::Ok, _) => "ok",
        (State::Missing, true) => "MISSING",
        (State::Missing, false) => "missing",
        (State::Untried, _) => "untried",
    };
    let detail = out::printable(&finding.detail);
    let mut text = format!("{state:<8} {:<width$}  {detail}\n", finding.ability);
    if finding.state != State::Missing {
        return text;
    }
    if let Some(cost) = finding.cost {
        text += &format!("         costs: {cost}\n");
    }
    for (index, cure) in finding.cure.iter().enumerate() {
        let label = if index == 0 { "cure:" } else { "" };
        // What has several lines is for copying as it is.
        text += &match cure.contains('\n') {
            true => format!("         {label}\n\n{cure}\n\n"),
            false => format!("         {label:<6} {cure}\n"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(state: State) -> Finding {
        Finding {
            ability: "user namespace",
            state,
            required: true,
            detail: "why".into(),
            cost: Some("everything"),
            cure: vec!["do this".into(), "then that".into()],
        }
    }

    #[test]
    fn what_is_missing_comes_with_its_cost_and_cure() {
        let text = text(&[finding(State::Ok), finding(State::Missing)], false);
        let expected = "\
ok       user namespace  why
MISSING  user namespace  why
         costs: everything
         cure:  do this
                then that

`mcp-sandbox run` does not work on this host.
";
        assert_eq!(text, expected);
    }
}
