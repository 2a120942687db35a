//! `unwrap`: give clients' files back what they were before `wrap`.

use std::process::ExitCode;

use super::changes::{Refused, Words, begin, carry_out, check_names};
use super::{client_files, out};
use crate::cli::Unwrap;
use crate::error::Error;
use crate::wrap::{plan, survey};

const WORDS: Words = Words {
    verb: "unbox",
    done: "unboxed servers in",
    nothing: "nothing to unbox",
};

/// Plans for every file, shows, asks and writes.
///
/// # Errors
/// What keeps anything from being planned. A file that cannot be read or written is told, and the others go on.
pub fn run(args: &Unwrap) -> Result<ExitCode, Error> {
    let ground = client_files::gather(&args.files)?;
    let _lock = begin(&args.change, args.all, &ground)?;
    if ground.files.is_empty() && !args.change.json {
        out::warn("no MCP client has a configuration here");
    }
    let (mut plans, mut refused) = (Vec::new(), Vec::new());
    for file in ground.files.clone() {
        match survey::read(&file, &ground.own) {
            Ok(content) => {
                let known = ground.state.records(&file.real);
                plans.push(plan::unwrap(file, content, known, &args.server));
            }
            Err(error) => refused.push(Refused { file, error }),
        }
    }
    check_names(&args.server, &plans)?;
    carry_out(plans, &refused, &args.change, &ground.state, &WORDS)
}
