//! `probe`: start a server in the box, ask what it offers, and judge what it says and does.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use mcp_sandbox_platform::quote;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::lint::FOUND;
use super::{lint as lint_command, out};
use crate::child;
use crate::cli::{PolicyArgs, Probe};
use crate::error::{Error, printable, reason};
use crate::host::Facts;
use crate::lint::{Finding, Severity, sarif};
use crate::probe::{self, DENIED, Hello, OUTPUT, Offers, Session, finding, judge};

/// How long a server gets to end by itself once nobody speaks to it any more.
const TIME_TO_END: Duration = Duration::from_secs(5);

/// What was learnt.
struct Report {
    hello: Hello,
    lists: Offers,
    /// The status file of the run.
    status: Value,
    findings: Vec<Finding>,
}

/// Probes and prints.
///
/// # Errors
/// The server cannot be started, or does not answer.
pub fn run(args: Probe) -> Result<ExitCode, Error> {
    let facts = Facts::gather()?;
    let folder = private_folder(&facts)?;
    let status = folder.join("status.json");
    let asked = conversation(&args, &status);
    let told = fs::read(&status)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let _ = fs::remove_dir_all(&folder);
    let report = report(asked?, told.unwrap_or(Value::Null));
    out::print(&match (args.json, args.sarif) {
        (true, _) => format!("{:#}\n", json(&report)),
        (false, true) => {
            let server = json!({"server": report.hello.server, "protocolVersion": report.hello.revision});
            let log = sarif::log_of(&probe::RULES, &report.findings, server, &facts.profile.cwd);
            format!("{log:#}\n")
        }
        (false, false) => text(&report),
    })?;
    let worst = report.findings.iter().map(|one| one.severity).max();
    Ok(match (lint_command::threshold(args.fail_on), worst) {
        (Some(threshold), Some(worst)) if worst >= threshold => FOUND.into(),
        _ => ExitCode::SUCCESS,
    })
}

/// What the server says, and the lines on its stdout that say nothing.
struct Said {
    hello: Hello,
    lists: Offers,
    strays: usize,
    stray: Vec<String>,
}

fn conversation(args: &Probe, status: &Path) -> Result<Said, Error> {
    let failed = |error: io::Error| Error::setup(format!("cannot start the box: {}", reason(&error)));
    let mut server = command(args, status).spawn().map_err(failed)?;
    let pipes = server.stdin.take().zip(server.stdout.take());
    let (input, output) = pipes.expect("both are piped");
    let mut session = Session::over(input, output, args.timeout)?;
    let asked = session.shake_hands().and_then(|hello| {
        let lists = session.offers(&hello)?;
        Ok((hello, lists))
    });
    if !session.end(TIME_TO_END) {
        // The box ends the server before it ends itself.
        child::signal(&server, Signal::SIGTERM);
    }
    session.forget();
    let _ = server.wait();
    let (hello, lists) = asked?;
    Ok(Said {
        hello,
        lists,
        strays: session.strays,
        stray: session.stray.into(),
    })
}

/// Our own `run`, so that the server is started exactly as it will be.
fn command(args: &Probe, status: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["run", "--quiet", "--grace", "2s", "--status-file"])
        .arg(status);
    command.args(policy_flags(&args.policy));
    command.arg("--").args(&args.command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The flags as they were typed.
fn policy_flags(policy: &PolicyArgs) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut flag = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
        let mut word = OsString::from(name);
        word.push("=");
        word.push(value);
        words.push(word);
    };
    let mut pair = |name: &str, (one, two): (OsString, Option<OsString>), between: &str| {
        let mut value = one;
        if let Some(two) = two {
            value.push(between);
            value.push(two);
        }
        flag(name, &value);
    };
    for (name, paths) in [("--read", &policy.read), ("--write", &policy.write)] {
        for (path, at) in paths {
            pair(name, (path.into(), at.as_ref().map(OsString::from)), ":");
        }
    }
    policy
        .env
        .iter()
        .for_each(|(name, value)| pair("--env", (name.clone(), value.clone()), "="));
    policy.profile.iter().for_each(|value| flag("--profile", value));
    policy.context.iter().for_each(|value| flag("--context", value));
    policy.allow.iter().for_each(|value| flag("--allow", value));
    policy.cwd.iter().for_each(|value| flag("--cwd", value));
    words
}

/// A folder that nobody else can put anything into.
fn private_folder(facts: &Facts) -> Result<std::path::PathBuf, Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    remove_abandoned(&facts.profile.state_dir);
    let folder = facts
        .profile
        .state_dir
        .join(format!("{FOLDER}{}", std::process::id()));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map(|()| folder.clone())
        .map_err(|error| {
            Error::setup(format!(
                "cannot make the folder {}: {}",
                quote(&folder),
                reason(&error)
            ))
        })
}

/// How the folder of every probe begins.
const FOLDER: &str = "probe-";

/// A probe that was interrupted has left its folder. None lasts a day.
fn remove_abandoned(state: &Path) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    for entry in fs::read_dir(state).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        let ours = number.is_some_and(|number| number.parse::<u32>().is_ok());
        let made = entry.metadata().and_then(|meta| meta.modified());
        if ours && made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > DAY)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn report(said: Said, status: Value) -> Report {
    let mut findings = Vec::new();
    let about = json!({"serverInfo": said.hello.server, "instructions": said.hello.instructions});
    findings.extend(judge("server", &about));
    for (member, items) in &said.lists {
        for item in items {
            findings.extend(judge(
                &format!("{} {}", singular(member), quote(name(item))),
                item,
            ));
        }
    }
    if said.strays > 0 {
        let lines = said.stray.join("\", \"");
        let message = format!(
            "{} lines on stdout are no messages, such as \"{lines}\"",
            said.strays
        );
        findings.push(finding(
            &OUTPUT,
            Severity::Medium,
            "stdout",
            message,
            "let the server write it to stderr",
        ));
    }
    for (what, count) in denied(&status) {
        let message = format!("{} was refused, {count} times", printable(&what));
        let cure = "ask why the server wants it; `mcp-sandbox why` tells what would permit it";
        findings.push(finding(&DENIED, Severity::Medium, &what, message, cure));
    }
    Report {
        hello: said.hello,
        lists: said.lists,
        status,
        findings,
    }
}

/// Hosts and files that the server was refused, and how often.
fn denied(status: &Value) -> Vec<(String, u64)> {
    let entries = |member: &str| status[member].as_array().cloned().unwrap_or_default();
    let hosts = entries("blocked").into_iter().map(|one| {
        let host = one["host"].as_str().unwrap_or_default().to_owned();
        let host = match one["port"].as_u64() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        (host, one["count"].as_u64().unwrap_or(1))
    });
    let files = entries("blocked_files").into_iter().map(|one| {
        let path = one["path"].as_str().unwrap_or_default().to_owned();
        (path, one["count"].as_u64().unwrap_or(1))
    });
    hosts.chain(files).collect()
}

fn name(item: &Value) -> &str {
    let named = ["name", "uri", "uriTemplate"]
        .into_iter()
        .find_map(|member| item[member].as_str());
    named.unwrap_or("without a name")
}

fn singular(member: &str) -> &'static str {
    match member {
        "tools" => "tool",
        "prompts" => "prompt",
        "resources" => "resource",
        _ => "resource template",
    }
}

/// What a model is sent for it: bytes of JSON.
fn size(item: &Value) -> usize {
    item.to_string().len()
}

fn described(item: &Value) -> usize {
    item["description"].as_str().map_or(0, str::len)
}

fn text(report: &Report) -> String {
    let server = &report.hello.server;
    let of = |member: &str| printable(server[member].as_str().unwrap_or("?"));
    let mut text = format!(
        "Server\n  {} {}, protocol {}\n",
        of("name"),
        of("version"),
        printable(&report.hello.revision)
    );
    for (member, items) in report.lists.iter().filter(|(_, items)| !items.is_empty()) {
        let whole: usize = items.iter().map(size).sum();
        text += &format!("\n{} {member}, {whole} bytes\n", items.len());
        for item in items {
            let hints: Vec<&str> = [
                "readOnlyHint",
                "destructiveHint",
                "idempotentHint",
                "openWorldHint",
            ]
            .into_iter()
            .filter(|hint| item["annotations"][hint] == json!(true))
            .map(|hint| hint.trim_end_matches("Hint"))
            .collect();
            let line = format!(
                "  {:<40} {:>6} bytes, description {:>5}  {}",
                printable(name(item)),
                size(item),
                described(item),
                hints.join(" ")
            );
            text += &format!("{}\n", line.trim_end());
        }
    }
    text += "\nRefused\n";
    let denied = denied(&report.status);
    match denied.is_empty() {
        true => text += "  nothing\n",
        false => denied
            .iter()
            .for_each(|(what, count)| text += &format!("  {} ({count} times)\n", printable(what))),
    }
    text += &format!("\nUsed\n  {}\n", used(&report.status["usage"]));
    text += "\nFindings\n";
    if report.findings.is_empty() {
        text += "  none\n";
    }
    for one in &report.findings {
        text += &format!(
            "  {}: {} [{}]\n",
            one.severity,
            printable(&one.message),
            one.rule.id
        );
    }
    text
}

fn used(usage: &Value) -> String {
    let seconds = |member: &str| usage[member].as_f64().unwrap_or_default();
    let mut parts = vec![format!(
        "{:.2} s of processor time in {:.2} s",
        seconds("cpu_seconds"),
        seconds("wall_seconds")
    )];
    parts.extend(
        usage["memory_peak_bytes"]
            .as_u64()
            .map(|peak| format!("memory peak {:.1} MB", peak as f64 / 1e6)),
    );
    parts.extend(
        usage["processes_peak"]
            .as_u64()
            .map(|peak| format!("processes and threads peak {peak}")),
    );
    parts.join(", ")
}

fn json(report: &Report) -> Value {
    let item = |item: &Value| {
        json!({
            "name": name(item),
            "bytes": size(item),
            "descriptionBytes": described(item),
            "annotations": item["annotations"],
        })
    };
    let lists = report.lists.iter().map(|(member, items)| {
        (
            (*member).to_owned(),
            items.iter().map(item).collect::<Vec<_>>().into(),
        )
    });
    let finding = |one: &Finding| {
        json!({
            "rule": one.rule.id,
            "severity": one.severity.word(),
            "about": printable(one.origin.source()),
            "message": printable(&one.message),
        })
    };
    json!({
        "version": 1,
        "server": report.hello.server,
        "protocolVersion": report.hello.revision,
        "offers": lists.collect::<serde_json::Map<_, _>>(),
        "blocked": report.status["blocked"],
        "blockedFiles": report.status["blocked_files"],
        "usage": report.status["usage"],
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
