//! What the clients' files say now: every server, and who starts it.

use std::path::Path;

use mcp_sandbox_platform::quote;

use super::file::Snapshot;
use crate::cli::Run;
use crate::clients::definition::{Definition, Start};
use crate::clients::find::{FoundFile, Server, servers};
use crate::clients::wrappers::{self, Starts};
use crate::edit::Document;
use crate::error::{Diagnostic, Error};

/// A file that was read and understood.
#[derive(Debug)]
pub struct Content {
    pub snapshot: Snapshot,
    pub doc: Document,
    pub servers: Vec<Seen>,
}

/// A server of a file.
#[derive(Debug)]
pub struct Seen {
    pub server: Server,
    pub kind: Kind,
    pub disabled: bool,
    /// The client would put it in a sandbox of the client's own.
    pub client_sandbox: bool,
}

/// Who starts a server.
#[derive(Debug)]
pub enum Kind {
    /// We do. `words` of the command line come before what it was; none if nothing was.
    Boxed {
        run: Box<Result<Run, String>>,
        words: Option<usize>,
        argv: Vec<String>,
    },
    /// The client, with nothing in between.
    Open { argv: Vec<String> },
    /// It runs elsewhere.
    Remote { url: String },
    /// Another program that confines it.
    Other { by: String },
    /// It is a part of the client.
    BuiltIn { kind: String },
    /// It cannot be told, for this reason.
    Unclear { why: String },
}

/// Reads a file and its servers. `own` is our own path.
///
/// # Errors
/// It cannot be read, or is not what its format allows. It is never changed then.
pub fn read(file: &FoundFile, own: &Path) -> Result<Content, Error> {
    let snapshot = Snapshot::read(&file.real)?;
    let doc = Document::parse(file.kind.format, snapshot.bytes.clone()).map_err(|malformed| {
        Error::profile(vec![Diagnostic {
            file: file.path.to_string_lossy().into_owned(),
            place: malformed.place,
            message: format!("it does not parse: {}", malformed.message),
            hint: Some("nothing in it is changed; repair it first".into()),
        }])
    })?;
    let servers = servers(&doc, file.kind)
        .into_iter()
        .map(|server| see(&doc, server, own))
        .collect();
    Ok(Content {
        snapshot,
        doc,
        servers,
    })
}

fn see(doc: &Document, server: Server, own: &Path) -> Seen {
    let definition = Definition::read(doc, &server.trail);
    let kind = match definition.start {
        Start::Remote(url) => Kind::Remote { url },
        Start::BuiltIn(kind) => Kind::BuiltIn { kind },
        Start::Unclear(why) => Kind::Unclear { why },
        Start::Command(launch) => {
            let argv = launch.argv();
            match wrappers::of(&argv, own) {
                Starts::Ours(run) => {
                    let end = argv.iter().position(|word| word == "--");
                    Kind::Boxed {
                        run,
                        words: end.map(|end| end + 1).filter(|start| *start < argv.len()),
                        argv,
                    }
                }
                Starts::Other(by) => Kind::Other { by },
                Starts::Server if definition.client_sandbox => Kind::Other {
                    by: "the client itself (sandboxEnabled)".into(),
                },
                Starts::Server => Kind::Open { argv },
            }
        }
    };
    Seen {
        server,
        kind,
        disabled: definition.disabled,
        client_sandbox: definition.client_sandbox,
    }
}

impl Kind {
    /// What keeps it from being boxed, for a person.
    pub fn reason(&self) -> Option<String> {
        Some(match self {
            Kind::Open { .. } => return None,
            Kind::Boxed { .. } => "boxed already".into(),
            Kind::Remote { url } => format!("remote: it runs at {}", quote(url)),
            Kind::Other { by } => format!("started by {by}"),
            Kind::BuiltIn { kind } => format!("part of the client ({})", quote(kind)),
            Kind::Unclear { why } => why.clone(),
        })
    }
}
