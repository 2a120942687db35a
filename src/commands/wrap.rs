//! `wrap`: box the servers of MCP clients, in the clients' own files.

use std::process::ExitCode;

use super::changes::{Words, begin, finish};
use crate::cli::Wrap;
use crate::error::Error;
use crate::wrap::plan::{self, Wish};

const WORDS: Words = Words {
    verb: "box",
    done: "boxed servers in",
    nothing: "nothing to box",
};

/// Boxes them.
///
/// # Errors
/// What keeps anything from being planned. A file that cannot be read or written is told, and the others go on.
pub fn run(args: &Wrap) -> Result<ExitCode, Error> {
    let Wrap {
        servers,
        policy,
        change,
    } = args;
    let (ground, _lock) = begin(servers, change)?;
    let own = ground.own.to_str().ok_or_else(|| {
        Error::setup("our own path is no Unicode, and a configuration file holds nothing else")
            .hint("install mcp-sandbox in another folder")
    })?;
    let wish = Wish {
        own,
        servers: &servers.server,
        policy,
        project: &ground.project,
        facts: &ground.facts,
    };
    finish(&ground, servers, change, &WORDS, |file, content, known| {
        plan::wrap(file, content, known, &wish)
    })
}
