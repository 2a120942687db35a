//! `wrap`: box the servers of MCP clients, in the clients' own files.

use std::process::ExitCode;

use super::changes::{Refused, Words, begin, carry_out, check_names};
use super::{client_files, out};
use crate::cli::Wrap;
use crate::error::Error;
use crate::wrap::plan::{self, Wish};
use crate::wrap::survey;

const WORDS: Words = Words {
    verb: "box",
    done: "boxed servers in",
    nothing: "nothing to box",
};

/// Plans for every file, shows, asks and writes.
///
/// # Errors
/// What keeps anything from being planned. A file that cannot be read or written is told, and the others go on.
pub fn run(args: &Wrap) -> Result<ExitCode, Error> {
    let ground = client_files::gather(&args.files)?;
    let _lock = begin(&args.change, args.all, &ground)?;
    if ground.files.is_empty() && !args.change.json {
        out::warn("no MCP client has a configuration here");
    }
    let own = ground.own.to_str().ok_or_else(|| {
        Error::setup("our own path is no Unicode, and a configuration file holds nothing else")
            .hint("install mcp-sandbox in another folder")
    })?;
    let wish = Wish {
        own,
        servers: &args.server,
        policy: &args.policy,
        project: &ground.project,
        facts: &ground.facts,
    };
    let (mut plans, mut refused) = (Vec::new(), Vec::new());
    for file in ground.files.clone() {
        let content = match survey::read(&file, &ground.own) {
            Ok(content) => content,
            Err(error) => {
                refused.push(Refused { file, error });
                continue;
            }
        };
        let known = ground.state.records(&file.real);
        plans.push(plan::wrap(file, content, known, &wish)?);
    }
    check_names(&args.server, &plans)?;
    carry_out(plans, &refused, &args.change, &ground.state, &WORDS)
}
