//! `unwrap`: give clients' files back what they were before `wrap`.

use std::process::ExitCode;

use super::changes::{Words, begin, finish};
use crate::cli::Unwrap;
use crate::error::Error;
use crate::wrap::plan;

const WORDS: Words = Words {
    verb: "unbox",
    done: "unboxed servers in",
    nothing: "nothing to unbox",
};

/// Gives them back.
///
/// # Errors
/// What keeps anything from being planned. A file that cannot be read or written is told, and the others go on.
pub fn run(args: &Unwrap) -> Result<ExitCode, Error> {
    let Unwrap { servers, change } = args;
    let (ground, _lock) = begin(servers, change)?;
    finish(&ground, servers, change, &WORDS, |file, content, known| {
        Ok(plan::unwrap(file, content, known, &servers.server))
    })
}
