//! Words put in front of a list, and a list put into a table, in the manner of what stands around.

use super::{Document, Entry, Format, Node, Style, quoted};

/// Text to put at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insertion {
    pub at: usize,
    pub text: String,
}

/// Where an item starts, with the dash that YAML's indented style has before it. None if that cannot be told.
pub fn item_start(doc: &Document, list: &Node, index: usize) -> Option<usize> {
    let item = list.items().get(index)?;
    if list.style == Style::Flow {
        return Some(item.span.start);
    }
    let dash = doc.text[..item.span.start].rfind('-')?;
    let between = &doc.text[dash + 1..item.span.start];
    between.bytes().all(|byte| byte == b' ').then_some(dash)
}

/// Values, as the format writes them, to come before the first of a list that has one.
pub fn before_first(doc: &Document, list: &Node, values: &[String]) -> Option<Insertion> {
    let first = list.items().first()?;
    let at = item_start(doc, list, 0)?;
    let (mark, separator) = match list.style {
        Style::Flow => (String::new(), separator(doc, list)),
        _ => {
            let gap = &doc.text[at + 1..first.span.start];
            let gap = if gap.is_empty() { " " } else { gap };
            (format!("-{gap}"), new_line(doc, at))
        }
    };
    let text = values
        .iter()
        .map(|value| format!("{mark}{value}{separator}"))
        .collect();
    Some(Insertion { at, text })
}

/// A list between brackets.
pub fn flow_list(values: &[String], spaced: bool) -> String {
    format!("[{}]", values.join(if spaced { ", " } else { "," }))
}

/// The text that adds a list to a table, to come right after the value of `after`, which lies in that table.
pub fn add_list(doc: &Document, table: &Node, after: &Entry, key: &str, values: &[String]) -> String {
    let between = between_key_and_value(doc, after);
    let quote = doc.text[after.key_span.clone()].starts_with(['"', '\'']);
    let key = if quote { quoted(key) } else { key.to_owned() };
    if table.style == Style::Flow {
        let before = blanks_before(doc, after.key_span.start);
        let list = flow_list(values, !before.is_empty());
        return format!(",{before}{key}{between}{list}");
    }
    let list = flow_list(values, true);
    match doc.format {
        // A dotted key's front part is repeated.
        Format::Toml => {
            let front = doc.line_before(after.key_span.start);
            format!("{}{front}{key}{between}{list}", doc.line_end())
        }
        _ => format!("{}{key}{between}{list}", new_line(doc, after.key_span.start)),
    }
}

/// What stands between a key and its value, such as `: `.
pub fn between_key_and_value(doc: &Document, entry: &Entry) -> String {
    let between = doc
        .text
        .get(entry.key_span.end..entry.node.span.start)
        .unwrap_or_default();
    let plain = between
        .chars()
        .all(|c| c == ' ' || c == '\t' || c == ':' || c == '=');
    match (plain && !between.trim().is_empty(), doc.format) {
        (true, _) => between.to_owned(),
        (false, Format::Toml) => " = ".into(),
        (false, _) => ": ".into(),
    }
}

/// What separates the items of a list between brackets.
fn separator(doc: &Document, list: &Node) -> String {
    let items = list.items();
    let first = &doc.text[list.span.start + 1..items[0].span.start];
    if first.contains('\n') && first.trim().is_empty() {
        return format!(",{first}");
    }
    let second = items
        .get(1)
        .map(|second| &doc.text[items[0].span.end..second.span.start]);
    match second {
        Some(text) if text.trim() == "," && !text.contains('\n') => text.to_owned(),
        _ => ", ".into(),
    }
}

/// The blanks that a key follows, if a comma or a bracket stands before them.
fn blanks_before(doc: &Document, at: usize) -> String {
    let before = &doc.text[..at];
    let blanks = &before[before.trim_end().len()..];
    match before.trim_end().ends_with(['{', ',']) {
        true => blanks.to_owned(),
        false => " ".into(),
    }
}

/// A new line, indented as what stands at `at`.
fn new_line(doc: &Document, at: usize) -> String {
    let before = doc.line_before(at);
    let indent = match before.trim().is_empty() {
        true => before.to_owned(),
        false => " ".repeat(before.chars().count()),
    };
    format!("{}{indent}", doc.line_end())
}
