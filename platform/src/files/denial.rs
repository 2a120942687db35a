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

    /// What would have to be written for the server to have it.
    pub fn cure(&self) -> String {
        let text = crate::quote(&self.refusal.pattern.text);
        match self.refusal.kind {
            Kind::Excluded => format!("change {text} in exclude, or re-include the file below it with \"!\""),
            Kind::Protected => format!("add {text} to writable_sensitive in [filesystem]"),
        }
    }
}
