//! A file that a server was refused, for whoever reports it.

use std::path::PathBuf;

use super::{Kind, Refusal};

/// One file, and the line that refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDenial {
    /// In the box.
    pub path: PathBuf,
    pub refusal: Refusal,
}

impl FileDenial {
    /// Why, as the end of a sentence that starts with the path.
    pub fn reason(&self) -> String {
        let pattern = &self.refusal.pattern;
        let text = crate::quote(&pattern.text);
        match self.refusal.kind {
            Kind::Excluded => format!("{text} in exclude ({})", pattern.reason),
            Kind::Protected => format!("it can be read, not changed: {text}, {}", pattern.reason),
        }
    }

    /// What would have to be written for the server to have it, where a line could say so.
    pub fn cure(&self) -> Option<String> {
        let text = &self.refusal.pattern.text;
        if text.starts_with('!') {
            return None;
        }
        let text = crate::quote(text);
        Some(match self.refusal.kind {
            Kind::Excluded => {
                format!("narrow {text} in exclude, or re-include the file with a later \"!\" line")
            }
            Kind::Protected => format!("add {text} to writable_sensitive in [filesystem]"),
        })
    }
}
