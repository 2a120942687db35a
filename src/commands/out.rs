//! Printing for people and pipes: a reader that went away is no error.

use std::io::{self, Write};

pub use crate::error::printable;

use crate::error::{Error, reason};

/// Writes text to stdout as it is.
///
/// # Errors
/// What keeps stdout from taking it, other than a closed pipe.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::setup(format!(
            "cannot write to stdout: {}",
            reason(&error)
        ))),
        _ => Ok(()),
    }
}

/// Writes one line to stderr; there is nowhere to tell that it failed.
pub fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
