//! What `wrap` and `unwrap` have in common: show what would change, ask, change, and tell what was done.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use mcp_sandbox_platform::quote;

use super::client_files::Ground;
use super::out;
use super::{changes_json, changes_table, client_files};
use crate::cli::{ChangeArgs, Servers};
use crate::clients::Scope;
use crate::clients::find::{FoundFile, servers};
use crate::error::{Error, Kind};
use crate::wrap::plan::{Action, FilePlan};
use crate::wrap::state::{Lock, Record, State};
use crate::wrap::survey::{self, Content};

/// What the two commands call what they do.
pub struct Words {
    /// As in "box 3 servers?".
    pub verb: &'static str,
    pub done: &'static str,
    pub nothing: &'static str,
}

/// A file that could not be planned for.
pub struct Refused {
    pub file: FoundFile,
    pub error: Error,
}

/// What became of a file.
pub enum Outcome {
    Unchanged,
    Planned,
    Written { backup: PathBuf },
    Failed { error: Error, written: bool },
}

/// What the clients' files are, and who else may not change them meanwhile.
///
/// # Errors
/// Those of [`client_files::gather`]; nobody can be asked.
pub fn begin(servers: &Servers, args: &ChangeArgs) -> Result<(Ground, Option<Lock>), Error> {
    let ground = client_files::gather(&servers.files)?;
    let lock = lock(args, servers.all, &ground)?;
    if ground.files.is_empty() && !args.json {
        out::warn("no MCP client has a configuration here");
    }
    Ok((ground, lock))
}

/// Plans for every file, shows, asks and writes.
///
/// # Errors
/// What keeps anything from being planned. A file that cannot be read or written is told, and the others go on.
pub fn finish(
    ground: &Ground,
    servers: &Servers,
    args: &ChangeArgs,
    words: &Words,
    plan: impl Fn(FoundFile, Content, Vec<Record>) -> Result<FilePlan, Error>,
) -> Result<ExitCode, Error> {
    let (mut plans, mut refused) = (Vec::new(), Vec::new());
    for file in ground.files.clone() {
        match survey::read(&file, &ground.own) {
            Ok(content) => {
                let known = ground.state.records(&file.real);
                plans.push(plan(file, content, known)?);
            }
            Err(error) => refused.push(Refused { file, error }),
        }
    }
    check_names(&servers.server, &plans)?;
    carry_out(plans, &refused, args, &ground.state, words)
}

/// Makes sure that somebody can answer, or has answered already; and that nobody else of us is at work.
///
/// # Errors
/// Nobody can be asked.
fn lock(args: &ChangeArgs, all: bool, ground: &Ground) -> Result<Option<Lock>, Error> {
    if args.dry_run {
        return Ok(None);
    }
    if !args.yes && (args.json || !can_ask()) {
        return Err(Error::setup(
            "files are changed only after a question, and there is no terminal to ask on",
        )
        .hint("--yes answers it; --dry-run shows what would change"));
    }
    if args.yes && !can_ask() && !ground.named && !all {
        return Err(Error::setup("without a terminal, clients are named").hint("name them, or give --all"));
    }
    let waiting = || out::warn("mcp-sandbox: waiting for another wrap or unwrap to end");
    ground.state.lock(waiting).map(Some)
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Every server that was named is one.
///
/// # Errors
/// One is not.
fn check_names(names: &[String], plans: &[FilePlan]) -> Result<(), Error> {
    let known = plans.iter().flat_map(|plan| servers(&plan.doc, plan.file.kind));
    let known: Vec<String> = known.map(|server| server.name).collect();
    match names.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(client_files::unknown_server(
            name,
            known.iter().map(String::as_str),
        )),
        None => Ok(()),
    }
}

/// Shows, asks, changes.
///
/// # Errors
/// stdout cannot be written to. Files that could not be changed make the exit code.
fn carry_out(
    plans: Vec<FilePlan>,
    refused: &[Refused],
    args: &ChangeArgs,
    state: &State,
    words: &Words,
) -> Result<ExitCode, Error> {
    if !args.json {
        out::print(&changes_table::table(&plans, out::colours()))?;
        out::print(&changes_table::diffs(&plans, out::colours()))?;
    }
    for one in refused {
        out::warn(&one.error.to_string());
    }
    let changes = plans
        .iter()
        .flat_map(|plan| &plan.rows)
        .filter(|row| row.changes())
        .count();
    let files = plans.iter().filter(|plan| plan.text.is_some()).count();
    if changes == 0 && !args.json {
        out::warn(words.nothing);
    }
    let go = changes > 0 && !args.dry_run && (args.yes || ask(words.verb, changes, files)?);
    let mut done = Vec::new();
    for plan in plans {
        let outcome = match &plan.text {
            None => Outcome::Unchanged,
            Some(_) if !go => Outcome::Planned,
            Some(text) => change(&plan, text, state),
        };
        if !args.json {
            tell(&plan, &outcome, words);
        }
        done.push((plan, outcome));
    }
    if args.json {
        out::print(&format!("{:#}\n", changes_json::files(&done, refused)))?;
    } else {
        restart(&done);
    }
    let failed = done
        .iter()
        .any(|(_, outcome)| matches!(outcome, Outcome::Failed { .. }));
    Ok(match failed || !refused.is_empty() {
        true => Kind::Setup.code().into(),
        false => ExitCode::SUCCESS,
    })
}

/// A copy first, then the record, then the file: whenever we are killed, what is on the disk can be undone.
fn change(plan: &FilePlan, text: &str, state: &State) -> Outcome {
    let path = &plan.file.real;
    let unboxes = plan
        .rows
        .iter()
        .any(|row| matches!(row.action, Action::Unbox { .. }));
    let attempt = || -> Result<PathBuf, (Error, bool)> {
        plan.snapshot.check_unchanged().map_err(|error| (error, false))?;
        let backup = state
            .back_up(path, &plan.snapshot.bytes)
            .map_err(|error| (error, false))?;
        if !unboxes {
            state
                .record(path, plan.records.clone())
                .map_err(|error| (error, false))?;
        }
        plan.snapshot
            .replace(text.as_bytes())
            .map_err(|failed| (failed.error, failed.written))?;
        if unboxes {
            // Without it nothing is lost: a record counts only where the text is what it says.
            state
                .record(path, plan.records.clone())
                .map_err(|error| (error, true))?;
        }
        if let Some(late) = plan.snapshot.late_write() {
            let kept = state.back_up(path, &late).map_err(|error| (error, true))?;
            let message = format!("{} was written by somebody else at the same moment", quote(path));
            let hint = format!(
                "what they wrote is in {}; close the client and try again",
                quote(&kept)
            );
            return Err((Error::setup(message).hint(hint), true));
        }
        Ok(backup)
    };
    match attempt() {
        Ok(backup) => Outcome::Written { backup },
        Err((error, written)) => Outcome::Failed { error, written },
    }
}

fn ask(verb: &str, servers: usize, files: usize) -> Result<bool, Error> {
    let plural = |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
    let question = format!(
        "{verb} {} in {}? [y/N] ",
        plural(servers, "server"),
        plural(files, "file")
    );
    let _ = write!(io::stderr(), "{question}");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Error::setup(format!("no answer can be read: {error}")))?;
    let yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if !yes {
        out::warn("nothing was changed");
    }
    Ok(yes)
}

fn tell(plan: &FilePlan, outcome: &Outcome, words: &Words) {
    let path = quote(&plan.file.path);
    match outcome {
        Outcome::Unchanged | Outcome::Planned => {}
        Outcome::Written { backup } => {
            out::warn(&format!(
                "{} {path}; what it was is in {}",
                words.done,
                quote(backup)
            ));
        }
        Outcome::Failed { error, written } => {
            let state = match written {
                true => "holds the new text",
                false => "is whole and as it was",
            };
            out::warn(&format!("{error}\n  {path} {state}"));
        }
    }
}

fn boxes(plan: &FilePlan) -> bool {
    plan.rows
        .iter()
        .any(|row| matches!(row.action, Action::Box { .. }))
}

/// Clients read their files when they start.
fn restart(done: &[(FilePlan, Outcome)]) {
    let mut titles: Vec<&str> = Vec::new();
    let mut rewriting: Vec<&str> = Vec::new();
    for (plan, outcome) in done {
        if matches!(outcome, Outcome::Written { .. }) {
            titles.push(plan.file.client.title);
            rewriting.extend(plan.file.client.rewrites.then_some(plan.file.client.title));
        }
    }
    titles.dedup();
    rewriting.dedup();
    if !titles.is_empty() {
        out::warn(&format!(
            "restart {}: running clients keep the servers they started",
            titles.join(", ")
        ));
    }
    for (plan, outcome) in done {
        if matches!(outcome, Outcome::Written { .. }) && plan.file.kind.scope == Scope::Project && boxes(plan)
        {
            out::warn(&format!(
                "{} is part of the project: whoever else uses it needs mcp-sandbox at the same path",
                quote(&plan.file.path)
            ));
        }
    }
    for title in rewriting {
        out::warn(&format!(
            "{title} writes this file itself while it runs: if it was running, see with `mcp-sandbox status` that the change is still there"
        ));
    }
}
