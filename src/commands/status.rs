//! The status file: how a run ended, so that nothing a server does can be taken for something we did.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use mcp_sandbox_platform::linux::{End, Exit};
use mcp_sandbox_platform::net::Denials;
use mcp_sandbox_platform::quote;
use serde::Serialize;

use super::blocked;
use super::limits::{self, Reached, Used};
use crate::error::{Error, Kind, reason};

/// A file that is opened before anything starts and written when all is over.
pub struct StatusFile(Option<File>);

/// What the file says.
#[derive(Debug, Serialize)]
struct Status<'a> {
    /// Version of this format.
    version: u32,
    outcome: Outcome,
    /// Our own exit code.
    exit_code: u8,
    /// The server's exit code, if it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_exit_code: Option<u8>,
    /// The signal that killed the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    tier: &'static str,
    /// What the box used, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Used>,
    /// The limits that were reached.
    limits_reached: Vec<Reached>,
    /// From the start of the launch to the end, in seconds.
    wall_seconds: f64,
    /// Destinations that the server was refused, and how often.
    blocked: Vec<blocked::Entry>,
    /// Files that the server was refused by `exclude` or because other programs trust them, and how often.
    blocked_files: Vec<blocked::FileEntry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Exited,
    Signaled,
    TimedOut,
    SetupFailed,
    NotExecutable,
    NotFound,
}

impl StatusFile {
    /// Creates or empties the file, so that a path that cannot be written is known before the server starts.
    pub fn create(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else {
            return Ok(StatusFile(None));
        };
        // A link in its place may be a server's, made in an earlier run, and lead to any file of the user.
        let mut options = File::options();
        options
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(libc::O_NOFOLLOW);
        let file = options.open(path).map_err(|error| {
            Error::setup(format!(
                "cannot write the status file {}: {}",
                quote(path),
                reason(&error)
            ))
            .hint("name a file in a folder that you may write to")
        })?;
        Ok(StatusFile(Some(file)))
    }

    /// Writes the end of a run.
    ///
    /// # Errors
    /// The file cannot be written, such as on a full disk.
    pub fn write(
        self,
        profile: Option<&str>,
        end: &Result<End, Error>,
        wall: Duration,
        denials: &Denials,
    ) -> Result<(), Error> {
        let Some(mut file) = self.0 else { return Ok(()) };
        let mut text = serde_json::to_string_pretty(&status(profile, end, wall, denials)).unwrap_or_default();
        text.push('\n');
        let written = file
            .rewind()
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_data());
        written.map_err(|error| Error::setup(format!("cannot write the status file: {}", reason(&error))))
    }
}

fn status<'a>(
    profile: Option<&'a str>,
    end: &Result<End, Error>,
    wall: Duration,
    denials: &Denials,
) -> Status<'a> {
    let exit = end.as_ref().ok().map(|end| end.exit);
    let outcome = match end {
        Ok(end) if end.account.timed_out => Outcome::TimedOut,
        Ok(End {
            exit: Exit::Code(_), ..
        }) => Outcome::Exited,
        Ok(End {
            exit: Exit::Signal(_),
            ..
        }) => Outcome::Signaled,
        Err(error) => match error.kind {
            Kind::Setup => Outcome::SetupFailed,
            Kind::NotExecutable => Outcome::NotExecutable,
            Kind::NotFound => Outcome::NotFound,
        },
    };
    Status {
        version: 1,
        outcome,
        exit_code: end.as_ref().map_or_else(|error| error.kind.code(), limits::code),
        server_exit_code: match exit {
            Some(Exit::Code(code)) => Some(code),
            _ => None,
        },
        signal: match exit {
            Some(Exit::Signal(signal)) => Some(signal),
            _ => None,
        },
        error: end.as_ref().err().map(Error::to_string),
        profile,
        tier: "namespaces",
        usage: end.as_ref().ok().map(|end| limits::used(&end.account)),
        limits_reached: end
            .as_ref()
            .map_or_else(|_| Vec::new(), |end| limits::reached(&end.account)),
        wall_seconds: wall.as_secs_f64(),
        blocked: blocked::entries(denials),
        blocked_files: blocked::file_entries(denials),
    }
}
