//! The change to a file for a person: a unified diff that shows no secret.

use std::path::Path;
use std::time::Duration;

use similar::TextDiff;

use super::out::{GREEN, PLAIN, RED};
use crate::clients::find::Server;
use crate::edit::{Document, Node, Splice, quoted};
use crate::error::printable;

/// Tables of a server that hold what only it may know.
const SECRET: [&str; 6] = [
    "env",
    "envs",
    "environment",
    "headers",
    "http_headers",
    "requestOptions",
];
/// A diff need not be the shortest one.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The lines that change, with some around them.
pub fn unified(
    path: &Path,
    old: &Document,
    new: &Document,
    servers: [&[Server]; 2],
    colours: bool,
) -> String {
    let (old, new) = (without_secrets(old, servers[0]), without_secrets(new, servers[1]));
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(&old, &new);
    let name = printable(path);
    let text = diff
        .unified_diff()
        .context_radius(2)
        .header(&name, &name)
        .to_string();
    let lines = text.lines().map(|line| match line.chars().next() {
        Some('+') if colours => format!("{GREEN}{}{PLAIN}\n", shown(line)),
        Some('-') if colours => format!("{RED}{}{PLAIN}\n", shown(line)),
        _ => format!("{}\n", shown(line)),
    });
    lines.collect()
}

/// The text of a file may hold what a terminal acts on.
pub(super) fn shown(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// The text with every value of a variable or header replaced, but for those that only refer to one.
fn without_secrets(doc: &Document, servers: &[Server]) -> String {
    let mut splices = Vec::new();
    for server in servers {
        let Some(node) = doc.root.at(&server.trail) else {
            continue;
        };
        for table in SECRET.iter().filter_map(|key| node.get(key)) {
            hide(table, &mut splices);
        }
    }
    doc.spliced(&splices)
}

fn hide(node: &Node, splices: &mut Vec<Splice>) {
    for entry in node.entries() {
        match entry.node.str() {
            Some(text) if !text.starts_with('$') && !text.is_empty() => splices.push(Splice {
                at: entry.node.span.clone(),
                with: quoted("…"),
            }),
            _ => hide(&entry.node, splices),
        }
    }
}
