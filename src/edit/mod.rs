//! Configuration files of other programs, read with the place of every value.
//!
//! A change is a list of [`Splice`]s: bytes of some values are replaced, and every other byte stays as it is, whatever it
//! is: comments, order, blanks, line ends, a byte-order mark.

mod json;
mod list;
mod toml;
mod yaml;

use std::ops::Range;

pub use list::{Insertion, add_list, before_first, between_key_and_value, flow_list, item_start};

/// A file longer than this is refused.
pub const MOST_BYTES: u64 = 64 << 20;
const BOM: &str = "\u{feff}";

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With comments and commas at the end allowed: clients differ in what they take, and nothing is ever added.
    Json,
    Toml,
    Yaml,
}

/// A text and what it says.
#[derive(Debug, Clone)]
pub struct Document {
    pub format: Format,
    pub text: String,
    pub root: Node,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Bytes of the text. For a table or a list in YAML's indented style only the start counts.
    pub span: Range<usize>,
    pub value: Value,
    pub style: Style,
    /// It has a name or a type of YAML's (`&anchor`, `*alias`, `!tag`), so it may stand elsewhere too.
    pub shared: bool,
}

#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Bool(bool),
    String(String),
    /// A number or a date as it is written.
    Other(String),
    List(Vec<Node>),
    /// In the order of the text; a key may stand there twice.
    Table(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub node: Node,
}

/// How YAML writes a value; the other formats have [`Style::Flow`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In quotes, or between brackets.
    Flow,
    /// A word without quotes.
    Plain,
    /// By indentation.
    Block,
}

/// A place where a text is not what its format allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// From 1; none if it is about the whole text.
    pub place: Option<(usize, usize)>,
    pub message: String,
}

/// Bytes of a text, and what comes in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    pub at: Range<usize>,
    pub with: String,
}

impl Document {
    /// Reads a text. One that holds nothing is a document without a value.
    ///
    /// # Errors
    /// It is no UTF-8, or not what the format allows.
    pub fn parse(format: Format, text: impl Into<Vec<u8>>) -> Result<Self, Malformed> {
        let text = String::from_utf8(text.into()).map_err(|error| Malformed {
            place: None,
            message: format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1),
        })?;
        let base = if text.starts_with(BOM) { BOM.len() } else { 0 };
        let parsed = match format {
            Format::Json => json::parse(&text[base..], base),
            Format::Toml => toml::parse(&text[base..], base),
            Format::Yaml => yaml::parse(&text[base..], base),
        };
        match parsed {
            Ok(root) => Ok(Document { format, text, root }),
            Err((at, message)) => Err(Malformed {
                place: at.map(|at| place(&text, at)),
                message,
            }),
        }
    }

    /// The text of a span.
    pub fn raw(&self, span: &Range<usize>) -> &str {
        &self.text[span.clone()]
    }

    /// The text with the splices carried out. They must not overlap.
    pub fn spliced(&self, splices: &[Splice]) -> String {
        let mut ordered: Vec<&Splice> = splices.iter().collect();
        ordered.sort_by_key(|splice| (splice.at.start, splice.at.end));
        let mut text = String::with_capacity(self.text.len() + 256);
        let mut done = 0;
        for splice in ordered {
            text += &self.text[done..splice.at.start];
            text += &splice.with;
            done = splice.at.end;
        }
        text + &self.text[done..]
    }

    /// What ends a line here.
    pub fn line_end(&self) -> &'static str {
        match self.text.find('\n') {
            Some(at) if self.text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// The text between the start of the line and `at`.
    pub fn line_before(&self, at: usize) -> &str {
        let start = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        self.text[start..at].trim_start_matches(BOM)
    }
}

impl Node {
    /// The values of a key, in order: more than one if the key is repeated.
    pub fn all<'n>(&'n self, key: &'n str) -> impl Iterator<Item = &'n Entry> {
        self.entries().iter().filter(move |entry| entry.key == key)
    }

    /// The value of a key; of a repeated one the last, which is what programs take.
    pub fn entry<'n>(&'n self, key: &'n str) -> Option<&'n Entry> {
        self.all(key).last()
    }

    pub fn get<'n>(&'n self, key: &'n str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entries of a table; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The node behind indexes of entries and items.
    pub fn at(&self, trail: &[usize]) -> Option<&Node> {
        let Some((first, rest)) = trail.split_first() else {
            return Some(self);
        };
        let next = match &self.value {
            Value::Table(entries) => entries.get(*first).map(|entry| &entry.node),
            Value::List(items) => items.get(*first),
            _ => None,
        };
        next?.at(rest)
    }

    /// Whether both say the same, wherever they stand and however they are written.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(two)) => one == two,
            (Value::String(one), Value::String(two)) | (Value::Other(one), Value::Other(two)) => one == two,
            (Value::List(one), Value::List(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.same(two))
            }
            (Value::Table(one), Value::Table(two)) => {
                let same = |(one, two): (&Entry, &Entry)| one.key == two.key && one.node.same(&two.node);
                one.len() == two.len() && one.iter().zip(two).all(same)
            }
            _ => false,
        }
    }
}

/// A text in double quotes, which all three formats read alike.
pub fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // TOML and YAML want these escaped, JSON does not mind.
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                out += &format!("\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Line and column, from 1, in characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line..].trim_start_matches(BOM).chars().count() + 1,
    )
}

#[cfg(test)]
mod tests;
