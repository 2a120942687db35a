//! The text of a profile that was learned: TOML with a reason at every line.
//!
//! A server chooses the paths and names that come here. In a string everything that TOML gives a meaning to is escaped, and
//! in a comment every control character, so that none of them ends a line.

use std::fmt::Write as _;

use crate::error::printable;

/// One thing that a profile gives, or could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// In TOML.
    pub text: String,
    /// Why it is there, as the end of a line.
    pub why: String,
    pub state: State,
}

/// How a line came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The server used it.
    Used,
    /// The server asked for it and was refused; the line gives it.
    Refused,
    /// Left to a person: it stands in a comment.
    KeptBack,
}

impl Line {
    pub fn new(state: State, text: impl Into<String>, why: impl Into<String>) -> Self {
        Line {
            text: text.into(),
            why: why.into(),
            state,
        }
    }

    pub fn gives(&self) -> bool {
        self.state != State::KeptBack
    }
}

/// A basic string of TOML 1.0. Nothing for what would mean something else in a profile's path or command: a variable.
pub fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if must_be_escaped(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What TOML does not allow in a string, and what a reader would not see.
fn must_be_escaped(c: char) -> bool {
    c.is_control() || printable(c.to_string()) != c.to_string()
}

/// A table, its keys and lists.
#[derive(Debug, Default)]
pub struct Table {
    header: &'static str,
    body: String,
    /// Something in it holds.
    holds: bool,
}

impl Table {
    pub fn new(header: &'static str) -> Self {
        Table {
            header,
            ..Table::default()
        }
    }

    /// A comment of its own.
    pub fn remark(&mut self, text: &str) {
        let _ = writeln!(self.body, "# {}", comment(text));
    }

    /// `key = value`, where no reason is needed.
    pub fn plain(&mut self, key: &str, text: &str) {
        self.holds = true;
        let _ = writeln!(self.body, "{key} = {text}");
    }

    /// `key = value  # why`
    pub fn value(&mut self, key: &str, line: &Line) {
        let mark = if line.gives() { "" } else { "# " };
        self.holds |= line.gives();
        let _ = writeln!(self.body, "{mark}{key} = {}  # {}", line.text, comment(&line.why));
    }

    /// A list with one line for each entry. One that gives nothing is a comment as a whole: an empty list would empty what
    /// every profile has.
    pub fn list(&mut self, key: &str, lines: &[Line]) {
        if lines.is_empty() {
            return;
        }
        let gives = lines.iter().any(Line::gives);
        let around = if gives { "" } else { "# " };
        self.holds |= gives;
        let _ = writeln!(self.body, "{around}{key} = [");
        for line in lines {
            let mark = if line.gives() { "  " } else { "  # " };
            let mark = if gives { mark } else { "#   " };
            let _ = writeln!(self.body, "{mark}{},  # {}", line.text, comment(&line.why));
        }
        let _ = writeln!(self.body, "{around}]");
    }

    /// The text, with a blank line before it; the header is a comment where nothing holds.
    pub fn finish(self) -> String {
        match (self.body.is_empty(), self.header) {
            (true, _) => String::new(),
            (_, "") => self.body,
            (_, header) if self.holds => format!("\n[{header}]\n{}", self.body),
            (_, header) => format!("\n# [{header}]\n{}", self.body),
        }
    }
}

/// Text that stays in its comment: the quotes and backslashes of what was quoted before stay as they are.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    #[test]
    fn strings_are_read_as_they_were() {
        for text in [
            "plain",
            "a\"b\\c",
            "x\"]\n[network]\nallow = [\"evil\"]",
            "\u{202e}\u{7f}\t",
            "ä ö",
        ] {
            let document = format!("key = {}", string(text));
            assert_eq!(document.lines().count(), 1, "{document}");
            let read = DeTable::parse(&document).unwrap();
            assert_eq!(read.get_ref()["key"].get_ref().as_str(), Some(text));
        }
    }

    #[test]
    fn comments_do_not_end() {
        let mut table = Table::new("network");
        let line = |state| Line::new(state, string("a\n]"), "b\nallow = [\"evil\"]\r");
        table.list("allow", &[line(State::Used), line(State::KeptBack)]);
        table.value("dns", &line(State::KeptBack));
        let text = table.finish();
        let read = DeTable::parse(&text).unwrap();
        let network = read.get_ref()["network"].get_ref();
        assert_eq!(network["allow"].get_ref().as_array().unwrap().len(), 1, "{text}");
        assert!(network.get("dns").is_none());
    }

    #[test]
    fn what_gives_nothing_is_a_comment() {
        let mut table = Table::new("network");
        table.list("allow", &[Line::new(State::KeptBack, "\"a\"", "no")]);
        assert_eq!(
            table.finish(),
            "\n# [network]\n# allow = [\n#   \"a\",  # no\n# ]\n"
        );
        assert_eq!(Table::new("network").finish(), "");
    }
}
