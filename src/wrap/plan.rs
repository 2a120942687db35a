//! What would become of one file: a new text, made and proven before anything is written.

use std::path::Path;

use super::back::back;
use super::change::{Change, forward, only_commands_differ, splice};
use super::choice::{Choice, choose};
use super::file::Snapshot;
use super::state::Record;
use super::survey::{Content, Kind, Seen};
use crate::cli::PolicyArgs;
use crate::clients::Scope;
use crate::clients::definition::{Definition, Launch, Start};
use crate::clients::find::{FoundFile, Server};
use crate::edit::{Document, Splice};
use crate::error::Error;
use crate::host::Facts;

/// What is to be done to a file.
#[derive(Debug)]
pub struct FilePlan {
    pub file: FoundFile,
    pub snapshot: Snapshot,
    pub doc: Document,
    /// None if nothing changes.
    pub text: Option<String>,
    pub rows: Vec<Row>,
    /// The records of the file as they are when it is done.
    pub records: Vec<Record>,
}

/// What is to be done to a server.
#[derive(Debug)]
pub struct Row {
    pub server: Server,
    pub action: Action,
    pub notes: Vec<String>,
    pub disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Box {
        profile: Option<String>,
        flags: Vec<String>,
    },
    /// `exact` if the bytes are those that were there.
    Unbox {
        exact: bool,
    },
    /// It is as it should be.
    Done(String),
    Leave(String),
    /// No profile fits this command.
    NoProfile(Vec<String>),
}

/// What was asked for, besides the files.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Our own program, as clients are to start it.
    pub own: &'a str,
    /// Names of servers; all if there is none.
    pub servers: &'a [String],
    pub policy: &'a PolicyArgs,
    pub project: &'a Path,
    pub facts: &'a Facts,
}

/// Plans to box the servers of a file.
///
/// # Errors
/// A profile that is not valid.
pub fn wrap(
    file: FoundFile,
    content: Content,
    known: Vec<Record>,
    wish: &Wish<'_>,
) -> Result<FilePlan, Error> {
    let managed = file.kind.scope == Scope::Managed && wish.facts.user.uid != 0;
    let mut rows = Vec::new();
    let mut edits = Vec::new();
    for seen in content.servers.iter().filter(|seen| wish.names(seen)) {
        let (action, notes) = match &seen.kind {
            Kind::Open { .. } if managed => (
                Action::Leave("managed by who runs this machine: root can box it".into()),
                Vec::new(),
            ),
            Kind::Open { argv } if is_line(&argv[0]) => (
                Action::Leave(
                    "its command is a whole line, which the client takes apart in its own way".into(),
                ),
                Vec::new(),
            ),
            Kind::Open { argv } => box_one(&content.doc, seen, argv, wish, &mut edits)?,
            Kind::Boxed { .. } => (Action::Done("boxed already".into()), Vec::new()),
            other => (Action::Leave(other.reason().unwrap_or_default()), Vec::new()),
        };
        rows.push(row(seen, action, notes));
    }
    Ok(finish(file, content, known, rows, edits))
}

/// Plans to give a file back what its servers were.
pub fn unwrap(file: FoundFile, content: Content, known: Vec<Record>, servers: &[String]) -> FilePlan {
    let mut rows = Vec::new();
    let mut edits = Vec::new();
    let wanted = |seen: &&Seen| servers.is_empty() || servers.contains(&seen.server.name);
    for seen in content.servers.iter().filter(wanted) {
        let action = match &seen.kind {
            Kind::Boxed { words, argv, .. } => {
                unbox_one(&content.doc, seen, *words, argv, &known, &mut edits)
            }
            _ => Action::Done("not boxed by us".into()),
        };
        rows.push(row(seen, action, Vec::new()));
    }
    finish(file, content, known, rows, edits)
}

impl Row {
    /// Whether the server's entry changes.
    pub fn changes(&self) -> bool {
        matches!(self.action, Action::Box { .. } | Action::Unbox { .. })
    }
}

impl Wish<'_> {
    fn names(&self, seen: &Seen) -> bool {
        self.servers.is_empty() || self.servers.contains(&seen.server.name)
    }
}

/// What happens to the text of one server.
struct Edit {
    server: Server,
    splices: Vec<Splice>,
    /// The command line that must come out.
    argv: Vec<String>,
    /// How it is taken back; none if it is what is taken back.
    record: Option<Vec<Change>>,
}

fn row(seen: &Seen, action: Action, mut notes: Vec<String>) -> Row {
    if seen.client_sandbox && matches!(seen.kind, Kind::Boxed { .. }) {
        notes.push("sandboxEnabled is on: the client's sandbox may keep the box from being made".into());
    }
    Row {
        server: seen.server.clone(),
        action,
        notes,
        disabled: seen.disabled,
    }
}

fn box_one(
    doc: &Document,
    seen: &Seen,
    argv: &[String],
    wish: &Wish<'_>,
    edits: &mut Vec<Edit>,
) -> Result<(Action, Vec<String>), Error> {
    let definition = Definition::read(doc, &seen.server.trail);
    let (profile, flags, notes) = match choose(argv, &definition, wish.policy, wish.project, wish.facts)? {
        Choice::Box {
            profile,
            flags,
            notes,
        } => (profile, flags, notes),
        Choice::NoProfile => return Ok((Action::NoProfile(argv.to_vec()), Vec::new())),
    };
    let Start::Command(launch) = &definition.start else {
        return Ok((Action::Leave("it has no command of its own".into()), notes));
    };
    let mut words = vec![wish.own.to_owned(), "run".to_owned()];
    words.extend(flags.iter().cloned());
    words.push("--".to_owned());
    let made = forward(doc, launch, &words).and_then(|changes| {
        let splices = changes.iter().map(|change| splice(doc, launch, change));
        Some((splices.collect::<Option<Vec<_>>>()?, changes))
    });
    let Some((splices, changes)) = made else {
        return Ok((Action::Leave(NOT_EXACT.into()), notes));
    };
    words.extend(argv.iter().cloned());
    edits.push(Edit {
        server: seen.server.clone(),
        splices,
        argv: words,
        record: Some(changes),
    });
    Ok((Action::Box { profile, flags }, notes))
}

/// Some clients take `npx -y PACKAGE` as a command. A program whose path holds blanks is there, or its path is put
/// together by the client.
fn is_line(command: &str) -> bool {
    command.contains(char::is_whitespace) && !command.contains("${") && !Path::new(command).exists()
}

const NOT_EXACT: &str = "its text is written in a way that cannot be changed exactly";

fn unbox_one(
    doc: &Document,
    seen: &Seen,
    words: Option<usize>,
    argv: &[String],
    known: &[Record],
    edits: &mut Vec<Edit>,
) -> Action {
    let Some(words) = words else {
        return Action::Leave("it runs its profile's own command: there is none to give back".into());
    };
    let definition = Definition::read(doc, &seen.server.trail);
    let Start::Command(launch) = &definition.start else {
        return Action::Leave(NOT_EXACT.into());
    };
    let record = known
        .iter()
        .find(|record| record.is_of(&seen.server.keys, seen.server.occurrence))
        .map(|record| record.changes.as_slice());
    match back(doc, launch, words, record) {
        Some(back) => {
            edits.push(Edit {
                server: seen.server.clone(),
                splices: back.splices,
                argv: argv[words..].to_vec(),
                record: None,
            });
            Action::Unbox { exact: back.exact }
        }
        None => Action::Leave(NOT_EXACT.into()),
    }
}

/// Puts the edits together. One that does not come out as it must is left out, with its server.
fn finish(
    file: FoundFile,
    content: Content,
    known: Vec<Record>,
    mut rows: Vec<Row>,
    mut edits: Vec<Edit>,
) -> FilePlan {
    let Content {
        snapshot,
        doc,
        servers,
    } = content;
    let mut text = proven(&doc, &edits);
    if text.is_none() && !edits.is_empty() {
        edits.retain(|edit| proven(&doc, std::slice::from_ref(edit)).is_some());
        text = proven(&doc, &edits);
        if text.is_none() {
            edits.clear();
        }
        for row in &mut rows {
            if row.changes() && !edits.iter().any(|edit| edit.server == row.server) {
                row.action = Action::Leave(NOT_EXACT.into());
            }
        }
    }
    // What is not boxed any more needs no record.
    let boxed = |record: &&Record| {
        servers.iter().any(|seen| {
            matches!(seen.kind, Kind::Boxed { .. }) && record.is_of(&seen.server.keys, seen.server.occurrence)
        })
    };
    let edited = |record: &Record| {
        edits
            .iter()
            .any(|edit| record.is_of(&edit.server.keys, edit.server.occurrence))
    };
    let mut records: Vec<Record> = known
        .iter()
        .filter(boxed)
        .filter(|record| !edited(record))
        .cloned()
        .collect();
    for edit in &edits {
        if let Some(changes) = &edit.record {
            records.push(Record {
                keys: edit.server.keys.clone(),
                occurrence: edit.server.occurrence,
                changes: changes.clone(),
            });
        }
    }
    FilePlan {
        file,
        snapshot,
        text: text.filter(|_| !edits.is_empty()),
        doc,
        rows,
        records,
    }
}

/// The new text, if it says what it must and nothing else changed, and if a change that has a record can be taken back to
/// the last byte.
fn proven(doc: &Document, edits: &[Edit]) -> Option<String> {
    let splices: Vec<Splice> = edits.iter().flat_map(|edit| edit.splices.clone()).collect();
    let text = doc.spliced(&splices);
    let new = Document::parse(doc.format, text.clone()).ok()?;
    let trails: Vec<Vec<usize>> = edits.iter().map(|edit| edit.server.trail.clone()).collect();
    if !only_commands_differ(doc, &new, &trails) {
        return None;
    }
    let mut undone = Vec::new();
    for edit in edits {
        let definition = Definition::read(&new, &edit.server.trail);
        let Start::Command(launch) = &definition.start else {
            return None;
        };
        if launch.argv() != edit.argv {
            return None;
        }
        if let Some(changes) = &edit.record {
            undone.extend(taken_back(&new, launch, changes)?);
        }
    }
    let reversible = edits.iter().any(|edit| edit.record.is_none()) || new.spliced(&undone) == doc.text;
    reversible.then_some(text)
}

fn taken_back(new: &Document, launch: &Launch<'_>, changes: &[Change]) -> Option<Vec<Splice>> {
    // A record leads back without the number of words.
    let back = back(new, launch, usize::MAX, Some(changes))?;
    back.exact.then_some(back.splices)
}
