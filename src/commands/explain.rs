//! `explain`: what a server could see, do and reach. It prints the policy and the plan that `run` carries out.

use std::ffi::OsString;

use mcp_sandbox_platform::files::Pattern;
use mcp_sandbox_platform::linux::{self, ALLOWED, ARGUMENTS, Plan, REFUSED};
use mcp_sandbox_platform::{Access, HomeKind, Mount, Policy, Support, quote};
use serde_json::{Value, json};

use super::{limits, out, plan, reach, request, run};
use crate::cli::Explain;
use crate::error::{Error, printable};
use crate::host::Facts;
use crate::lint;
use crate::policy::{self, Resolved};
use crate::prepare::Found;
use crate::profile::Host;
use crate::runtime::SYSTEM_REASON;

/// Resolves and shows; starts nothing, makes nothing.
pub fn run(args: Explain) -> Result<(), Error> {
    let facts = Facts::gather()?;
    let resolved = policy::resolve(&request(args.policy, args.command), &facts)?;
    let (plan, support) = plan(&resolved)?;
    if args.json {
        let json = json(&resolved, &plan, &support, &facts.profile);
        return out::print(&format!("{json:#}\n"));
    }
    out::print(&format!(
        "{}\n",
        text(&resolved, &plan, &facts.profile).trim_end()
    ))
}

/// The policy for a person.
pub fn text(resolved: &Resolved, plan: &Plan, host: &Host) -> String {
    let policy = &resolved.policy;
    let sections = [
        ("Profile", profile(resolved, host)),
        ("Command", command(resolved)),
        ("Sees", sees(resolved)),
        ("Reaches", reach::lines(&policy.network)),
        ("Does", does(policy)),
        ("Uses", limits::table(&plan.limits)),
        ("Environment", environment(policy)),
    ];
    let mut text = String::new();
    for (title, lines) in sections {
        text += &format!("{title}\n  {}\n\n", lines.join("\n  "));
    }
    if let Found::Missing(wanted) = &resolved.package {
        text += &format!(
            "Note: {} is not prepared yet; `run` does it first, and starts the package's own program then\n\n",
            printable(wanted.requested())
        );
    }
    if let Some(launcher) = resolved.behind_shell {
        text += &format!("Note: {}\n\n", run::behind_shell(launcher));
    }
    for path in &resolved.hidden {
        text += &format!(
            "Note: {} is not visible in the box; add --read or --write to show it\n",
            printable(path)
        );
    }
    if !resolved.hidden.is_empty() {
        text.push('\n');
    }
    text
}

/// Columns of a line, its two of indentation left out: more than this wraps on many terminals.
const WIDTH: usize = 78;
/// Columns of the access before a path.
const ACCESS: usize = 7;

fn profile(resolved: &Resolved, host: &Host) -> Vec<String> {
    let name = printable(&resolved.policy.profile);
    let name = match resolved.picked {
        true => format!("{name} (it fits the command)"),
        false => name,
    };
    let description = resolved.profile.description.as_ref();
    let description = description.map(|text| printable(&text.value));
    std::iter::once(name)
        .chain(description)
        .chain([graded(resolved, host)])
        .collect()
}

/// What `lint` makes of the profile, flags included.
fn graded(resolved: &Resolved, host: &Host) -> String {
    let found = lint::findings(&resolved.profile, host);
    let tells = match found.is_empty() {
        true => "",
        false => "; `mcp-sandbox lint` tells them",
    };
    format!("grade {} ({}{tells})", lint::grade(&found), lint::summary(&found))
}

fn command(resolved: &Resolved) -> Vec<String> {
    let policy = &resolved.policy;
    let argv: Vec<String> = policy.command.argv.iter().map(word).collect();
    let package = match &resolved.package {
        Found::Ready(ready) => Some(format!(
            "of the package {} {}, {}",
            printable(&ready.locked.name),
            printable(&ready.locked.version),
            printable(&ready.locked.integrity)
        )),
        Found::Plain | Found::Missing(_) => None,
    };
    let program = [
        argv.join(" "),
        format!("executes {}", printable(&policy.command.program)),
    ];
    let cwd = format!("in {}", printable(&policy.command.cwd));
    program.into_iter().chain(package).chain([cwd]).collect()
}

/// The package that is started in place of a launcher, for programs.
fn package(found: &Found) -> Value {
    match found {
        Found::Plain => Value::Null,
        Found::Missing(wanted) => json!({"requested": wanted.requested(), "prepared": false}),
        Found::Ready(ready) => json!({
            "requested": ready.locked.requested,
            "prepared": true,
            "name": ready.locked.name,
            "version": ready.locked.version,
            "integrity": ready.locked.integrity,
        }),
    }
}

/// A word of a command line, quoted where it would not be seen as one.
fn word(word: &OsString) -> String {
    match word.is_empty()
        || word
            .as_encoded_bytes()
            .iter()
            .any(|byte| byte.is_ascii_whitespace())
    {
        true => quote(word),
        false => printable(word),
    }
}

/// The user's own paths first; then what the box is made of, the same for every command last.
fn sees(resolved: &Resolved) -> Vec<String> {
    let policy = &resolved.policy;
    let (asked, rest): (Vec<&Mount>, Vec<&Mount>) = policy
        .mounts
        .iter()
        .partition(|mount| resolved.asked.contains(mount));
    let (system, runtime): (Vec<&Mount>, Vec<&Mount>) = rest
        .into_iter()
        .partition(|mount| mount.reason.starts_with(SYSTEM_REASON));
    let mut rows: Vec<Row> = asked.into_iter().map(row).collect();
    rows.extend(own(policy));
    rows.extend(runtime.into_iter().map(row));
    let mut lines = aligned(&rows);
    lines.extend(kept_back(policy));
    lines.push("read   of the system: programs, libraries, certificates, time zones, locale".into());
    let paths = system.iter().map(|mount| printable(&mount.at));
    let wrapped = wrapped(paths, WIDTH - ACCESS);
    lines.extend(wrapped.into_iter().map(|line| format!("{:ACCESS$}{line}", "")));
    lines
}

/// What mounts show and the server does not get.
fn kept_back(policy: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    for one in &policy.exclusions {
        let texts = one.patterns.iter().map(|pattern| quote(&pattern.text));
        lines.push(format!(
            "never  of {}, by whatever name (names can be listed):",
            printable(&one.base)
        ));
        let wrapped = wrapped(texts, WIDTH - ACCESS);
        lines.extend(wrapped.into_iter().map(|line| format!("{:ACCESS$}{line}", "")));
        lines.push(format!(
            "{:ACCESS$}no program in it is executed, but by an interpreter",
            ""
        ));
    }
    if policy.mounts.iter().any(|mount| mount.access == Access::Write) {
        lines.push("read   in writable folders: what other programs execute or trust, such as".into());
        lines.push(format!(
            "{:ACCESS$}.git/hooks, .git/config, .mcp.json, .vscode (see why PATH)",
            ""
        ));
    }
    lines
}

/// A word such as the access, a path in the box or a host, where it is from.
pub type Row = (&'static str, String, String);

fn row(mount: &Mount) -> Row {
    let from = match mount.source == mount.at {
        true => String::new(),
        false => format!("from {}, ", printable(&mount.source)),
    };
    let reason = format!("{from}{}", printable(&mount.reason));
    (name(mount.access), printable(&mount.at), reason)
}

/// What the box has of its own.
fn own(policy: &Policy) -> [Row; 2] {
    let home = match &policy.home.kind {
        HomeKind::Ephemeral(size) => format!("private home in memory, {size}, gone at the end"),
        HomeKind::Persistent(path) => format!("private home, kept in {}", printable(path)),
    };
    let tmp = format!("private, in memory, {}, gone at the end", policy.tmp);
    [
        (name(Access::Write), printable(&policy.home.at), home),
        (name(Access::Write), "/tmp".into(), tmp),
    ]
}

/// Rows in columns; the last column goes to a line of its own where it would not fit.
pub fn aligned(rows: &[Row]) -> Vec<String> {
    const MOST: usize = 30;
    let widths = rows.iter().map(|(_, at, _)| at.chars().count());
    let width = widths.filter(|width| *width <= MOST).max().unwrap_or(0);
    let lines = rows.iter().flat_map(|(word, at, reason)| {
        let line = format!("{word:ACCESS$}{at:width$}  {reason}");
        match line.chars().count() <= WIDTH {
            true => vec![line],
            false => vec![
                format!("{word:ACCESS$}{at}"),
                format!("{:1$}{reason}", "", ACCESS + 2),
            ],
        }
    });
    lines.collect()
}

/// Words in lines of at most `width` columns.
fn wrapped(words: impl IntoIterator<Item = String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

fn does(policy: &Policy) -> Vec<String> {
    let process = &policy.process;
    let children = match process.spawn {
        true => "may start programs it sees",
        false => "starts no child process",
    };
    let rights = match process.capabilities.as_slice() {
        [] => "no capabilities".into(),
        kept => format!("keeps {} inside the box", kept.join(", ")),
    };
    let user = format!(
        "runs as {} ({}:{})",
        printable(&process.user.name),
        process.user.uid,
        process.user.gid
    );
    let calls = format!("{} system calls", linux::allowed_calls());
    vec![children.into(), rights, user, calls]
}

fn environment(policy: &Policy) -> Vec<String> {
    // Values may be secrets: names are enough to judge by.
    wrapped(policy.process.env.iter().map(|(name, _)| printable(name)), WIDTH)
}

fn name(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
    }
}

/// The policy for a program. Paths that are not UTF-8 are shown escaped.
fn json(resolved: &Resolved, plan: &Plan, support: &Support, host: &Host) -> Value {
    let policy = &resolved.policy;
    let found = lint::findings(&resolved.profile, host);
    let mounts: Vec<Value> = policy.mounts.iter().map(mount).collect();
    let (kind, place) = match &policy.home.kind {
        HomeKind::Ephemeral(size) => ("ephemeral", json!(size.0)),
        HomeKind::Persistent(path) => ("persistent", json!(printable(path))),
    };
    let groups = |groups: &[linux::Group]| -> Vec<Value> {
        groups
            .iter()
            .map(|group| json!({"reason": group.reason, "calls": group.calls}))
            .collect()
    };
    json!({
        "version": 1,
        "profile": policy.profile,
        "description": resolved.profile.description.as_ref().map(|text| &text.value),
        "profile_fits_command": resolved.picked,
        "lint": {"grade": lint::grade(&found).to_string(), "counts": super::lint::counts(&found)},
        "tier": "namespaces",
        "support": support,
        "command": {
            "program": printable(&policy.command.program),
            "argv": policy.command.argv.iter().map(printable).collect::<Vec<_>>(),
            "cwd": printable(&policy.command.cwd),
            "followed": resolved.notes,
        },
        "package": package(&resolved.package),
        "mounts": mounts,
        "links": policy.links.iter().map(|link| json!({"at": printable(&link.at), "target": printable(&link.target)})).collect::<Vec<_>>(),
        "excluded": policy.exclusions.iter().map(|one| json!({
            "base": printable(&one.base),
            "patterns": patterns(&one.patterns),
        })).collect::<Vec<_>>(),
        "protected": patterns(&policy.protected),
        "home": {"at": printable(&policy.home.at), "kind": kind, if kind == "ephemeral" { "bytes" } else { "path" }: place},
        "tmp": {"at": "/tmp", "bytes": policy.tmp.0},
        "network": reach::json(&policy.network),
        "process": {
            "spawn": policy.process.spawn,
            "uid": policy.process.user.uid,
            "gid": policy.process.user.gid,
            "capabilities": policy.process.capabilities,
            "env": policy.process.env.iter().map(|(name, _)| printable(name)).collect::<Vec<_>>(),
        },
        "system_calls": {
            "allowed": groups(ALLOWED),
            "by_arguments": ARGUMENTS.iter().map(|(name, ..)| name).collect::<Vec<_>>(),
            "refused": groups(REFUSED),
        },
        "not_visible": resolved.hidden.iter().map(printable).collect::<Vec<_>>(),
        "limits": plan.limits.chosen,
        "plan": plan.lines(),
    })
}

fn patterns(patterns: &[Pattern]) -> Value {
    let pattern = |one: &Pattern| json!({"text": one.text, "reason": one.reason});
    patterns.iter().map(pattern).collect()
}

fn mount(mount: &Mount) -> Value {
    json!({
        "source": printable(&mount.source),
        "at": printable(&mount.at),
        "access": mount.access,
        "create": mount.create,
        "reason": mount.reason,
    })
}
