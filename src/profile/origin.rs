//! Where a value was written: every leaf of a profile remembers its file, line and column, so that an
//! error found much later still points at the text that caused it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Diagnostic, printable};

/// A text that gives settings: a profile's file, a built-in profile, or a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As messages show it: the file as the user named it, `built-in profile NAME`, or the flag.
    pub name: String,
    /// The file, absolute; its folder is what `${profile_dir}` means. Built-in profiles and flags have none.
    pub file: Option<PathBuf>,
}

/// One place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    source: Arc<Source>,
    /// Line and column in characters, counted from 1.
    place: Option<(usize, usize)>,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub origin: Origin,
}

impl Origin {
    pub fn new(source: &Arc<Source>, place: (usize, usize)) -> Self {
        Origin {
            source: Arc::clone(source),
            place: Some(place),
        }
    }

    /// The origin of what a command-line flag gives, such as `--read`.
    pub fn flag(name: &str) -> Self {
        let source = Source {
            name: name.to_owned(),
            file: None,
        };
        Origin {
            source: Arc::new(source),
            place: None,
        }
    }

    /// The folder that `${profile_dir}` means here.
    pub fn profile_dir(&self) -> Option<&Path> {
        self.source.file.as_deref().and_then(Path::parent)
    }

    /// Whether the value came from the command line and not from a file.
    pub fn is_flag(&self) -> bool {
        self.place.is_none()
    }

    /// The source as messages show it.
    pub fn source(&self) -> &str {
        &self.source.name
    }

    /// The file, absolute; built-in profiles and flags have none.
    pub fn file(&self) -> Option<&Path> {
        self.source.file.as_deref()
    }

    /// Line and column in characters, counted from 1; flags have none.
    pub fn place(&self) -> Option<(usize, usize)> {
        self.place
    }

    /// A finding at this place.
    pub fn diagnostic(&self, message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: self.source.name.clone(),
            place: self.place,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    pub fn at<T>(&self, value: T) -> Located<T> {
        Located {
            value,
            origin: self.clone(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, _)) => write!(f, "{}:{line}", printable(&self.source.name)),
            None => f.write_str(&self.source.name),
        }
    }
}
