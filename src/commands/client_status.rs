//! `status`: every server of every MCP client, whether it is boxed, by which profile, what it may, and how good practice
//! finds that.

use std::path::Path;
use std::process::ExitCode;

use mcp_sandbox_platform::{Access, quote};
use serde_json::{Value, json};

use super::changes_table::{client_name, server_name};
use super::client_files::{self, Ground};
use super::out::{self, GREEN, PLAIN, RED, YELLOW};
use super::request;
use crate::cli::{Run, Status};
use crate::clients::find::FoundFile;
use crate::error::{Error, printable};
use crate::host::Facts;
use crate::lint::{self, Finding, Grade, Severity};
use crate::policy;
use crate::profile::Profile;
use crate::wrap::survey::{self, Kind, Seen};

/// How a server stands, from best to worst for who wants it boxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Boxed,
    /// It does not run on this machine, or not at all.
    Elsewhere,
    /// Something is wrong with its box: it would not start.
    Broken,
    /// Another program is to confine it; what that does is not known here.
    Other,
    Unknown,
    Unboxed,
}

struct Line {
    standing: Standing,
    word: &'static str,
    client: String,
    server: String,
    profile: String,
    may: String,
    grade: Option<Grade>,
    findings: Vec<Finding>,
    json: Value,
}

/// Prints the table.
///
/// # Errors
/// An unknown client, or a stdout that cannot be written to. With `--strict` a server that runs unboxed is exit code 1.
pub fn run(args: &Status) -> Result<ExitCode, Error> {
    let ground = client_files::gather(&args.files)?;
    let mut lines = Vec::new();
    let mut unread: Vec<(FoundFile, Error)> = Vec::new();
    for file in &ground.files {
        match survey::read(file, &ground.own) {
            Ok(content) => lines.extend(content.servers.iter().map(|seen| line(file, seen, &ground))),
            Err(error) => unread.push((file.clone(), error)),
        }
    }
    if args.json {
        let servers: Vec<&Value> = lines.iter().map(|line| &line.json).collect();
        let errors: Vec<Value> = unread
            .iter()
            .map(|(file, error)| {
                json!({"client": file.client.name, "path": file.path.to_string_lossy(), "error": error.to_string()})
            })
            .collect();
        let json = json!({"version": 1, "servers": servers, "unread": errors, "all_boxed": all_boxed(&lines, unread.len())});
        out::print(&format!("{json:#}\n"))?;
    } else {
        out::print(&text(&lines, out::colours()))?;
    }
    for (_, error) in &unread {
        out::warn(&error.to_string());
    }
    Ok(match args.strict && !all_boxed(&lines, unread.len()) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn all_boxed(lines: &[Line], unread: usize) -> bool {
    let fine = |line: &Line| matches!(line.standing, Standing::Boxed | Standing::Elsewhere);
    unread == 0 && lines.iter().all(fine)
}

fn line(file: &FoundFile, seen: &Seen, ground: &Ground) -> Line {
    let (mut profile, mut findings, mut grade) = (String::new(), Vec::new(), None);
    let (mut standing, mut word, mut may) = match &seen.kind {
        Kind::Boxed { run, argv, .. } => match of_box(run, argv, &ground.facts) {
            Ok(found) => {
                profile = found.name.clone();
                findings = lint::findings(&found, &ground.facts.profile);
                grade = Some(lint::grade(&findings));
                (Standing::Boxed, "boxed", width(&found))
            }
            Err(why) => (Standing::Broken, "BROKEN", why),
        },
        Kind::Open { argv } => (
            Standing::Unboxed,
            "UNBOXED",
            format!("everything you may: {}", quote(argv.join(" "))),
        ),
        Kind::Remote { url } => (Standing::Elsewhere, "remote", format!("runs at {}", quote(url))),
        Kind::Other { by } => (Standing::Other, "other", format!("started by {}", printable(by))),
        Kind::BuiltIn { kind } => (
            Standing::Elsewhere,
            "client",
            format!("part of the client ({})", quote(kind)),
        ),
        Kind::Unclear { why } => (Standing::Unknown, "unclear", printable(why)),
    };
    if seen.disabled && standing != Standing::Boxed {
        (standing, word) = (Standing::Elsewhere, "off");
    }
    if seen.client_sandbox && matches!(seen.kind, Kind::Boxed { .. }) {
        may += "; sandboxEnabled is on as well";
    }
    let json = json!({
        "client": file.client.name,
        "scope": file.kind.scope.name(),
        "path": file.path.to_string_lossy(),
        "name": seen.server.name,
        "within": seen.server.within,
        "state": word.to_lowercase(),
        "disabled": seen.disabled,
        "profile": (standing == Standing::Boxed).then_some(&profile),
        "may": may,
        "grade": grade.map(|grade| grade.to_string()),
        "findings": findings.iter().map(finding_as_json).collect::<Vec<_>>(),
    });
    Line {
        standing,
        word,
        client: client_name(file),
        server: server_name(&seen.server),
        profile,
        may,
        grade,
        findings,
        json,
    }
}

fn finding_as_json(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule.id,
        "severity": finding.severity.word(),
        "message": finding.message,
        "cure": finding.cure,
    })
}

/// The profile of a box, with its flags over it.
fn of_box(run: &Result<Run, String>, argv: &[String], facts: &Facts) -> Result<Profile, String> {
    let program = Path::new(&argv[0]);
    if program.is_absolute() && !program.exists() {
        return Err(format!("{} is not there: unwrap, and wrap again", quote(program)));
    }
    let run = run.as_ref().map_err(printable)?;
    let request = request(run.policy.clone(), run.command.clone());
    policy::open(&request, facts)
        .map(|chosen| chosen.profile)
        .map_err(|error| first_line(&error))
}

fn first_line(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// What a profile lets a server have, in few words.
fn width(profile: &Profile) -> String {
    let count = |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    for (access, verb) in [(Access::Write, "writes"), (Access::Read, "reads")] {
        let paths = profile
            .mounts
            .iter()
            .filter(|mount| mount.value.access == access)
            .count();
        if paths > 0 {
            parts.push(format!("{verb} {}", count(paths, "path")));
        }
        if profile.path_args.value.access() == Some(access) {
            parts.push(format!("{verb} the paths among its arguments"));
        }
    }
    if parts.is_empty() {
        parts.push("no files".into());
    }
    parts.push(match profile.allow.len() {
        0 => "no network".into(),
        hosts => format!("reaches {}", count(hosts, "host")),
    });
    let own = crate::profile::builtin::default_layer().env_pass.items;
    let passed = profile
        .env_pass
        .iter()
        .filter(|name| !own.iter().any(|known| known.value == name.value));
    match passed.count() {
        0 => {}
        variables => parts.push(count(variables, "variable")),
    }
    parts.join(", ")
}

fn text(lines: &[Line], colours: bool) -> String {
    if lines.is_empty() {
        return "no MCP client has a server here\n".into();
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.add_row(["STATE", "CLIENT", "SERVER", "PROFILE", "GRADE", "MAY"]);
    for line in lines {
        let grade = line.grade.map(|grade| grade.to_string()).unwrap_or_default();
        table.add_row([
            line.word,
            &line.client,
            &line.server,
            &line.profile,
            &grade,
            &line.may,
        ]);
    }
    let mut shown: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    if colours {
        for (text, line) in shown.iter_mut().skip(1).zip(lines) {
            let colour = match line.standing {
                Standing::Boxed => GREEN,
                Standing::Unboxed | Standing::Broken => RED,
                Standing::Other | Standing::Unknown => YELLOW,
                Standing::Elsewhere => continue,
            };
            *text = format!("{colour}{text}{PLAIN}");
        }
    }
    format!("{}\n{}\n{}\n", shown.join("\n"), reasons(lines), summary(lines))
}

/// Why a grade is not the best.
fn reasons(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let counts = line.findings.iter().filter(|one| one.severity > Severity::Low);
        for finding in counts {
            text += &format!(
                "\n{} of {}: {}: {}\n  hint: {}",
                line.server,
                line.client,
                finding.severity.word(),
                finding.message,
                finding.cure
            );
        }
    }
    if text.is_empty() { text } else { text + "\n" }
}

fn summary(lines: &[Line]) -> String {
    let count = |standing: Standing| lines.iter().filter(|line| line.standing == standing).count();
    let mut parts = vec![format!("{} boxed", count(Standing::Boxed))];
    for (standing, word) in [
        (Standing::Unboxed, "unboxed"),
        (Standing::Broken, "broken"),
        (Standing::Other, "started by others"),
        (Standing::Unknown, "unclear"),
    ] {
        match count(standing) {
            0 => {}
            many => parts.push(format!("{many} {word}")),
        }
    }
    let servers = if lines.len() == 1 { "server" } else { "servers" };
    let hint = match count(Standing::Unboxed) {
        0 => "",
        _ => "\nhint: `mcp-sandbox wrap` boxes what a profile fits, and asks before",
    };
    format!("{} {servers}: {}{hint}", lines.len(), parts.join(", "))
}
