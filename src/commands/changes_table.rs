//! The changes to clients' files, for people.

use mcp_sandbox_platform::quote;

use super::diff;
use super::out::{GREEN, PLAIN, YELLOW};
use crate::clients::find::{FoundFile, Server, servers};
use crate::edit::Document;
use crate::error::printable;
use crate::wrap::plan::{Action, FilePlan, Row};

/// Every server with what is done to it, then what a person should know.
pub fn table(plans: &[FilePlan], colours: bool) -> String {
    let rows: Vec<(&FilePlan, &Row)> = plans
        .iter()
        .flat_map(|plan| plan.rows.iter().map(move |row| (plan, row)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.add_row(["", "CLIENT", "SERVER", "DETAIL"]);
    for (plan, row) in &rows {
        let (word, detail) = action(&row.action);
        table.add_row([
            word.to_owned(),
            client_name(&plan.file),
            server_name(&row.server),
            detail,
        ]);
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    if colours {
        for (line, (_, row)) in lines.iter_mut().skip(1).zip(&rows) {
            match row.action {
                Action::Box { .. } | Action::Unbox { .. } => *line = format!("{GREEN}{line}{PLAIN}"),
                Action::NoProfile(_) => *line = format!("{YELLOW}{line}{PLAIN}"),
                _ => {}
            }
        }
    }
    let mut text = format!("{}\n", lines.join("\n"));
    for (_, row) in &rows {
        for note in &row.notes {
            text += &format!("note: {}: {}\n", server_name(&row.server), printable_line(note));
        }
    }
    if let Some((_, row)) = rows
        .iter()
        .find(|(_, row)| matches!(row.action, Action::NoProfile(_)))
    {
        let name = &row.server.name;
        text += &format!(
            "hint: say what a server without a profile may: mcp-sandbox wrap --server {name} --profile FILE, or --allow HOST --read PATH …; `mcp-sandbox learn -- COMMAND` writes such a profile, --profile default gives it nothing\n",
            name = printable(name)
        );
    }
    text
}

/// What is done to a server in a word, and how.
pub fn action(action: &Action) -> (&'static str, String) {
    match action {
        Action::Box { profile, flags } => {
            let profile = profile.as_deref().unwrap_or("default");
            let more: Vec<&str> = flags
                .iter()
                .map(String::as_str)
                .filter(|word| *word != "--profile")
                .collect();
            let more: Vec<&str> = more.into_iter().filter(|word| *word != profile).collect();
            let text = match more.is_empty() {
                true => format!("profile {}", quote(profile)),
                false => format!("profile {}, {}", quote(profile), printable(more.join(" "))),
            };
            ("box", text)
        }
        Action::Unbox { exact: true } => ("unbox", "as it was, to the byte".into()),
        Action::Unbox { exact: false } => (
            "unbox",
            "edited since, or boxed by hand: from the boxed command itself".into(),
        ),
        Action::Done(why) => ("ok", printable_line(why)),
        Action::Leave(why) => ("leave", printable_line(why)),
        Action::NoProfile(argv) => ("leave", format!("no profile fits {}", quote(argv.join(" ")))),
    }
}

fn printable_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A client, and whose file of it.
pub fn client_name(file: &FoundFile) -> String {
    match file.kind.scope.is_shared() {
        true => format!("{} ({})", file.client.title, file.kind.scope.name()),
        false => file.client.title.to_owned(),
    }
}

pub fn server_name(server: &Server) -> String {
    match &server.within {
        Some(within) => format!("{} ({})", printable(&server.name), printable(within)),
        None => printable(&server.name),
    }
}

/// The lines of files that change.
pub fn diffs(plans: &[FilePlan], colours: bool) -> String {
    let mut text = String::new();
    for plan in plans {
        let Some(new) = &plan.text else {
            continue;
        };
        // It was read once already, to prove it.
        if let Ok(new) = Document::parse(plan.doc.format, new.clone()) {
            let (was, is) = (servers(&plan.doc, plan.file.kind), servers(&new, plan.file.kind));
            text += "\n";
            text += &diff::unified(&plan.file.path, &plan.doc, &new, [&was, &is], colours);
        }
    }
    text
}
