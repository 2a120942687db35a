//! The errors people read, and the exit codes programs read.
//!
//! An error names the thing in quotes, says why, and tells what to do on `hint:` lines.

use std::ffi::OsStr;
use std::fmt;
use std::io;

use mcp_sandbox_platform::quote;

/// Why we end without the server's own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Set-up or profile error: 125.
    Setup,
    /// The command was found but cannot be executed: 126.
    NotExecutable,
    /// The command was not found: 127.
    NotFound,
}

/// The exit code of a server that was ended because its time was over, as timeout(1) has it.
pub const TIMED_OUT: u8 = 124;

impl Kind {
    /// The exit code, as timeout(1) and env(1) use them.
    pub fn code(self) -> u8 {
        match self {
            Kind::Setup => 125,
            Kind::NotExecutable => 126,
            Kind::NotFound => 127,
        }
    }
}

/// An error with its cure.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hints: Vec<String>,
    /// Findings in profiles, each with its place; empty for other errors.
    pub diagnostics: Vec<Diagnostic>,
}

/// One finding at one place of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user named it, or `built-in profile NAME`.
    pub file: String,
    /// Line and column, counted from 1; absent when the finding is about the whole file.
    pub place: Option<(usize, usize)>,
    pub message: String,
    pub hint: Option<String>,
}

impl Error {
    pub fn setup(message: impl Into<String>) -> Self {
        Self::new(Kind::Setup, message)
    }

    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            hints: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// All findings of one or more profiles at once.
    pub fn profile(diagnostics: Vec<Diagnostic>) -> Self {
        Error {
            diagnostics,
            ..Self::setup("")
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.diagnostics.iter().map(Diagnostic::to_string).collect();
        if !self.message.is_empty() {
            lines.push(format!("error: {}", self.message));
        }
        lines.extend(self.hints.iter().map(|hint| format!("  hint: {hint}")));
        f.write_str(&lines.join("\n"))
    }
}

impl Diagnostic {
    /// The finding as one that does not keep the profile from being used.
    pub fn warning(&self) -> String {
        self.labelled("warning")
    }

    /// The finding with another word than `error`.
    pub fn labelled(&self, label: &str) -> String {
        let file = printable(&self.file);
        let place = self
            .place
            .map(|(line, column)| format!(":{line}:{column}"))
            .unwrap_or_default();
        let hint = self
            .hint
            .as_ref()
            .map(|hint| format!("\n  hint: {hint}"))
            .unwrap_or_default();
        format!("{file}{place}: {label}: {}{hint}", self.message)
    }
}

/// Text for a terminal: escaped as by [`quote`], without quotes around it.
pub fn printable(text: impl AsRef<OsStr>) -> String {
    let quoted = quote(text);
    quoted[1..quoted.len() - 1].to_owned()
}

/// What the operating system says, in lower case and without the number that std adds.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.labelled("error"))
    }
}

impl std::error::Error for Error {}
