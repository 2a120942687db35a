//! Reading a spanned TOML tree without stopping at the first error: every wrong key, type or value is
//! recorded with its place, and reading goes on with the rest.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use mcp_sandbox_platform::quote;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load;
use super::nearest::did_you_mean;
use super::origin::{Located, Origin, Source};
use crate::error::Diagnostic;

/// More findings than this help nobody, and bound the work a hostile file can cause.
const MOST_FINDINGS: usize = 100;
/// Longer lists are refused; it bounds the work that merging can cause.
const MOST_ITEMS: usize = 1000;

/// The findings in one file, and the way from byte offsets to places.
pub struct Reader<'s> {
    source: &'s Arc<Source>,
    text: &'s str,
    places: Places,
    found: Vec<Diagnostic>,
}

/// One table of the file whose keys are known to be valid.
#[derive(Clone, Copy)]
pub struct Table<'t> {
    name: &'t str,
    entries: &'t DeTable<'t>,
}

pub type Value<'t> = Spanned<DeValue<'t>>;

impl<'s> Reader<'s> {
    pub fn new(source: &'s Arc<Source>, text: &'s str) -> Self {
        Reader {
            source,
            text,
            places: Places::new(text),
            found: Vec::new(),
        }
    }

    pub fn file(&self) -> Option<PathBuf> {
        self.source.file.clone()
    }

    pub fn found(self) -> Vec<Diagnostic> {
        self.found
    }

    pub fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::new(self.source, self.places.of(self.text, span.start))
    }

    pub fn error(&mut self, span: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        if self.found.len() < MOST_FINDINGS {
            self.found.push(self.origin(span).diagnostic(message, hint));
        }
    }

    /// A finding about a value that was read before.
    pub fn found_at(&mut self, origin: &Origin, message: impl Into<String>, hint: impl Into<String>) {
        if self.found.len() < MOST_FINDINGS {
            self.found.push(origin.diagnostic(message, hint));
        }
    }

    /// The text of the file at a span, as it was written.
    pub fn written(&self, span: &Range<usize>) -> &'s str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The file's top level, every key of it among `valid`.
    pub fn top<'t>(&mut self, entries: &'t DeTable<'t>, valid: &[&str]) -> Table<'t> {
        self.check_keys("a profile", entries, valid);
        Table {
            name: "a profile",
            entries,
        }
    }

    /// A value as a table with only valid keys; `name` is how messages call it, such as `[filesystem]`.
    pub fn table<'t>(&mut self, name: &'t str, value: &'t Value<'t>, valid: &[&str]) -> Option<Table<'t>> {
        let entries = self.any_table(name, value)?;
        self.check_keys(name, entries, valid);
        Some(Table { name, entries })
    }

    /// A value as a table whose keys are the writer's own.
    pub fn any_table<'t>(&mut self, name: &str, value: &'t Value<'t>) -> Option<&'t DeTable<'t>> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(entries),
            other => self.wrong_type(name, &value.span(), "a table", other),
        }
    }

    fn check_keys(&mut self, name: &str, entries: &DeTable<'_>, valid: &[&str]) {
        for key in entries.keys() {
            let text: &str = key.get_ref();
            if !valid.contains(&text) {
                let near = match load::table_of(text) {
                    Some(table) => format!("it belongs in {table}; "),
                    None => did_you_mean(text, valid.iter().copied()),
                };
                let message = format!("unknown key {} in {name}", quote(text));
                self.error(
                    &key.span(),
                    message,
                    format!("{near}valid keys: {}", valid.join(", ")),
                );
            }
        }
    }

    /// Reads a string with `parse`, which says what is wrong with it and what to write instead.
    pub fn parsed<'t, T>(
        &mut self,
        key: &str,
        value: &'t Value<'t>,
        parse: impl FnOnce(&'t str) -> Result<T, (String, String)>,
    ) -> Option<Located<T>> {
        let span = value.span();
        let DeValue::String(text) = value.get_ref() else {
            return self.wrong_type(key, &span, "a string", value.get_ref());
        };
        match parse(text) {
            Ok(parsed) => Some(self.origin(&span).at(parsed)),
            Err((message, hint)) => {
                self.error(&span, message, hint);
                None
            }
        }
    }

    /// Reads a string that must be one of a few words.
    pub fn word<T: Copy>(&mut self, key: &str, value: &Value<'_>, words: &[(&str, T)]) -> Option<Located<T>> {
        self.parsed(key, value, |text| {
            let known = words.iter().find(|(word, _)| *word == text);
            known.map(|(_, meaning)| *meaning).ok_or_else(|| {
                let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let near = did_you_mean(text, names.iter().copied());
                let valid: Vec<String> = names.iter().map(quote).collect();
                let message = format!("unknown value {} for {}", quote(text), quote(key));
                (message, format!("{near}valid values: {}", valid.join(", ")))
            })
        })
    }

    pub fn boolean(&mut self, key: &str, value: &Value<'_>) -> Option<Located<bool>> {
        match value.get_ref() {
            DeValue::Boolean(given) => Some(self.origin(&value.span()).at(*given)),
            other => self.wrong_type(key, &value.span(), "true or false", other),
        }
    }

    /// Reads each item of a list with `item`; those it cannot read are left out.
    pub fn list<'t, T>(
        &mut self,
        key: &str,
        value: &'t Value<'t>,
        mut item: impl FnMut(&mut Self, &'t Value<'t>) -> Option<Located<T>>,
    ) -> Option<Vec<Located<T>>> {
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong_type(key, &value.span(), "a list", value.get_ref());
        };
        if items.len() > MOST_ITEMS {
            let message = format!("{} has {} items, more than {MOST_ITEMS}", quote(key), items.len());
            self.error(
                &value.span(),
                message,
                "name a folder in place of its files, or split the profile",
            );
            return None;
        }
        Some(items.iter().filter_map(|one| item(self, one)).collect())
    }

    pub fn wrong_type<T>(
        &mut self,
        key: &str,
        span: &Range<usize>,
        expected: &str,
        found: &DeValue<'_>,
    ) -> Option<T> {
        let message = format!("{} must be {expected}, found {}", named(key), described(found));
        let hint = match (expected, found) {
            ("a string", DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)) => {
                format!("write it in quotes: {}", quote(self.written(span)))
            }
            ("a list", _) => "a list is written as [\"one\", \"two\"]".to_owned(),
            ("a table", _) => "a table is written as { key = \"value\" } or below a line [name]".to_owned(),
            _ => format!("write {expected} here"),
        };
        self.error(span, message, hint);
        None
    }
}

impl<'t> Table<'t> {
    /// A table whose keys were checked before.
    pub fn known(entries: &'t DeTable<'t>) -> Self {
        Table { name: "", entries }
    }

    pub fn value(&self, key: &str) -> Option<&'t Value<'t>> {
        self.entries.get(key)
    }

    /// The place of a key that must be there, or the finding that it is not.
    pub fn required(
        &self,
        reader: &mut Reader<'_>,
        span: &Range<usize>,
        key: &str,
        hint: &str,
    ) -> Option<&'t Value<'t>> {
        let value = self.value(key);
        if value.is_none() {
            reader.error(span, format!("{} has no {}", self.name, quote(key)), hint);
        }
        value
    }
}

/// Tables are named with their brackets or in words, keys in quotes.
fn named(key: &str) -> String {
    if key.starts_with('[') || key.contains(' ') {
        key.to_owned()
    } else {
        quote(key)
    }
}

fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Byte offsets to lines and columns. Columns count characters, so they are summed up per block: a file
/// of one long line must not cost quadratic time.
struct Places {
    /// The offset at which each line starts.
    lines: Vec<usize>,
    /// How many characters start before each block of [`BLOCK`] bytes.
    blocks: Vec<usize>,
}

const BLOCK: usize = 1024;

impl Places {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut blocks = vec![0];
        for block in text.as_bytes().chunks(BLOCK) {
            blocks.push(blocks[blocks.len() - 1] + starts(block));
        }
        Places {
            lines: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect(),
            blocks,
        }
    }

    fn of(&self, text: &str, offset: usize) -> (usize, usize) {
        let offset = offset.min(text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let column = self.before(text, offset) - self.before(text, self.lines[line - 1]);
        (line, column + 1)
    }

    fn before(&self, text: &str, offset: usize) -> usize {
        let block = offset / BLOCK;
        self.blocks[block] + starts(&text.as_bytes()[block * BLOCK..offset])
    }
}

/// How many characters start in a piece of UTF-8 text.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

/// The line and column of a byte offset in text that may not be UTF-8.
pub fn place_in_bytes(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    (line, starts(&before[start..]) + 1)
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn columns_count_characters_across_blocks() {
        let text = format!("ab\n{}x\ny", "ü".repeat(3000));
        let places = Places::new(&text);
        assert_eq!(places.of(&text, 0), (1, 1));
        assert_eq!(places.of(&text, 2), (1, 3));
        assert_eq!(places.of(&text, 3), (2, 1));
        assert_eq!(places.of(&text, 3 + 6000), (2, 3001));
        assert_eq!(places.of(&text, text.len()), (3, 2));
        assert_eq!(places.of(&text, usize::MAX), (3, 2));
        assert_eq!(Places::new("").of("", 0), (1, 1));
    }
}
