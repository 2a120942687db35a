//! `explain`: what a server could see, do and reach. It prints the policy and the plan that `run` carries out.

use std::path::Path;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use mcp_sandbox_platform::linux::{self, ALLOWED, ARGUMENTS, REFUSED};
use mcp_sandbox_platform::{Access, HomeKind, Mount, Network, Policy, Support};
use serde_json::{Value, json};

use super::{failure, out, request};
use crate::cli::Explain;
use crate::error::Error;
use crate::host::Facts;
use crate::policy::{self, Resolved};

/// Resolves and shows; starts nothing, makes nothing.
pub fn run(args: Explain) -> Result<(), Error> {
    let resolved = policy::resolve(&request(args.policy, args.command), &Facts::gather()?)?;
    resolved
        .warnings
        .iter()
        .for_each(|warning| out::warn(&warning.warning()));
    let support = Support {
        landlock_abi: linux::landlock_abi(),
    };
    let plan = linux::plan(&resolved.policy, &support).map_err(failure::of_plan)?;
    if args.json {
        let json = json(&resolved, &plan.lines(), &support);
        return out::print(&format!("{json:#}\n"));
    }
    out::print(&text(&resolved))
}

/// The policy for a person.
pub fn text(resolved: &Resolved) -> String {
    let policy = &resolved.policy;
    let sections = [
        ("Profile", vec![profile(resolved)]),
        ("Command", vec![command(policy)]),
        ("Sees", sees(resolved)),
        ("Reaches", vec![[network(policy), String::new(), String::new()]]),
        ("Does", does(policy)),
        ("Environment", environment(policy)),
    ];
    let mut text = String::new();
    for (title, rows) in sections {
        text += &format!("{title}\n{}\n\n", indented(rows));
    }
    for path in &resolved.hidden {
        text += &format!(
            "Note: {} is not visible in the box; add --read or --write to show it\n",
            shown(path)
        );
    }
    text
}

type Row = [String; 3];

fn indented(rows: Vec<Row>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.add_rows(rows);
    let lines = table
        .lines()
        .map(|line| format!("  {}", line.trim()))
        .collect::<Vec<_>>();
    lines.join("\n")
}

fn profile(resolved: &Resolved) -> Row {
    let picked = if resolved.picked {
        "it fits the command"
    } else {
        ""
    };
    [
        out::printable(&resolved.policy.profile),
        picked.into(),
        String::new(),
    ]
}

fn command(policy: &Policy) -> Row {
    let words: Vec<String> = policy.command.argv.iter().map(shown).collect();
    [
        shown(&policy.command.program),
        words.join(" "),
        format!("in {}", shown(&policy.command.cwd)),
    ]
}

/// The user's own paths first; then what the box is made of.
fn sees(resolved: &Resolved) -> Vec<Row> {
    let policy = &resolved.policy;
    let home = match &policy.home.kind {
        HomeKind::Ephemeral(size) => format!("private, in memory, {size}, gone at the end"),
        HomeKind::Persistent(path) => format!("private, kept in {}", shown(path)),
    };
    let (asked, rest): (Vec<&Mount>, Vec<&Mount>) = policy
        .mounts
        .iter()
        .partition(|mount| resolved.asked.contains(mount));
    let row = |mount: &Mount| {
        let from = if mount.source == mount.at {
            String::new()
        } else {
            format!("from {}, ", shown(&mount.source))
        };
        [
            access(mount.access).into(),
            shown(&mount.at),
            format!("{from}{}", out::printable(&mount.reason)),
        ]
    };
    let own = [
        ["write".into(), shown(&policy.home.at), home],
        [
            "write".into(),
            "/tmp".into(),
            format!("private, in memory, {}, gone at the end", policy.tmp),
        ],
    ];
    asked
        .into_iter()
        .map(row)
        .chain(own)
        .chain(rest.into_iter().map(row))
        .collect()
}

fn network(policy: &Policy) -> String {
    match policy.network {
        Network::None => {
            "nothing but its own loopback: no host, no name server, no socket of the host".into()
        }
    }
}

fn does(policy: &Policy) -> Vec<Row> {
    let process = &policy.process;
    let children = if process.spawn {
        "may start programs it sees"
    } else {
        "starts no child process"
    };
    let rights = match process.capabilities.as_slice() {
        [] => "no capabilities".into(),
        kept => format!("keeps {} inside the box", kept.join(", ")),
    };
    let user = format!(
        "runs as {} ({}:{})",
        out::printable(&process.user.name),
        process.user.uid,
        process.user.gid
    );
    let calls = format!("{} system calls", linux::allowed_calls());
    [children.into(), rights, user, calls]
        .into_iter()
        .map(|what| [what, String::new(), String::new()])
        .collect()
}

fn environment(policy: &Policy) -> Vec<Row> {
    // Values may be secrets: names are enough to judge by.
    let names: Vec<String> = policy.process.env.iter().map(|(name, _)| shown(name)).collect();
    names
        .chunks(6)
        .map(|names| [names.join(" "), String::new(), String::new()])
        .collect()
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
    }
}

fn shown(text: impl AsRef<std::ffi::OsStr>) -> String {
    let quoted = mcp_sandbox_platform::quote(text);
    quoted[1..quoted.len() - 1].to_owned()
}

/// The policy for a program. Paths that are not UTF-8 are shown escaped.
fn json(resolved: &Resolved, plan: &[String], support: &Support) -> Value {
    let policy = &resolved.policy;
    let mounts: Vec<Value> = policy.mounts.iter().map(mount).collect();
    let (kind, place) = match &policy.home.kind {
        HomeKind::Ephemeral(size) => ("ephemeral", json!(size.0)),
        HomeKind::Persistent(path) => ("persistent", json!(shown(path))),
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
        "profile_fits_command": resolved.picked,
        "tier": "namespaces",
        "support": support,
        "command": {
            "program": shown(&policy.command.program),
            "argv": policy.command.argv.iter().map(shown).collect::<Vec<_>>(),
            "cwd": shown(&policy.command.cwd),
            "followed": resolved.notes,
        },
        "mounts": mounts,
        "links": policy.links.iter().map(|link| json!({"at": shown(&link.at), "target": shown(&link.target)})).collect::<Vec<_>>(),
        "home": {"at": shown(&policy.home.at), "kind": kind, if kind == "ephemeral" { "bytes" } else { "path" }: place},
        "tmp": {"at": "/tmp", "bytes": policy.tmp.0},
        "network": policy.network,
        "process": {
            "spawn": policy.process.spawn,
            "uid": policy.process.user.uid,
            "gid": policy.process.user.gid,
            "capabilities": policy.process.capabilities,
            "env": policy.process.env.iter().map(|(name, _)| shown(name)).collect::<Vec<_>>(),
        },
        "system_calls": {
            "allowed": groups(ALLOWED),
            "by_arguments": ARGUMENTS.iter().map(|(name, ..)| name).collect::<Vec<_>>(),
            "refused": groups(REFUSED),
        },
        "not_visible": resolved.hidden.iter().map(shown).collect::<Vec<_>>(),
        "plan": plan,
    })
}

fn mount(mount: &Mount) -> Value {
    let shown = |path: &Path| shown(path);
    json!({
        "source": shown(&mount.source),
        "at": shown(&mount.at),
        "access": mount.access,
        "create": mount.create,
        "reason": mount.reason,
    })
}
