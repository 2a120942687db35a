//! YAML, one document.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Entry, Node, Style, Value};

/// Deeper than this nothing of a client's configuration is; it bounds the recursion of what reads the tree.
const MOST_LEVELS: usize = 256;

type Failed = (Option<usize>, String);

/// Reads `text`, which starts `base` bytes into the file.
pub fn parse(text: &str, base: usize) -> Result<Node, Failed> {
    let mut tree = Tree {
        text,
        offsets: offsets(text),
        base,
        open: Vec::new(),
        root: None,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = tree.byte(error.marker().index());
            (Some(base + at), error.info().to_owned())
        })?;
        tree.take(event, span)?;
    }
    Ok(tree.root.unwrap_or(Node {
        span: base..base,
        value: Value::Null,
        style: Style::Block,
        shared: false,
    }))
}

/// Where each character starts; nothing if every character is a byte.
fn offsets(text: &str) -> Vec<usize> {
    if text.is_ascii() {
        return Vec::new();
    }
    let ends = std::iter::once(text.len());
    text.char_indices().map(|(at, _)| at).chain(ends).collect()
}

/// A collection that is still being read.
struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<Node>,
}

struct Tree<'t> {
    text: &'t str,
    offsets: Vec<usize>,
    base: usize,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Failed> {
        let start = self.byte(span.start.index());
        match event {
            Event::SequenceStart(anchor, tag) => {
                self.enter(Value::List(Vec::new()), start, anchor != 0 || tag.is_some())
            }
            Event::MappingStart(anchor, tag) => {
                self.enter(Value::Table(Vec::new()), start, anchor != 0 || tag.is_some())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let end = self.base + self.byte(span.end.index());
                let Some(mut closed) = self.open.pop() else {
                    return Err((
                        Some(self.base + start),
                        "a collection ends that did not start".into(),
                    ));
                };
                closed.node.span.end = end.max(closed.node.span.start);
                self.add(closed.node)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let end = match style {
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => end_of_quoted(self.text, start),
                    _ => self.byte(span.end.index()).max(start),
                };
                let node = self.scalar(&text, style, start..end, anchor != 0 || tag.is_some());
                self.add(node)
            }
            Event::Alias(_) => {
                let end = self.byte(span.end.index()).max(start);
                let node = Node {
                    span: self.base + start..self.base + end,
                    value: Value::Other(self.text[start..end].to_owned()),
                    style: Style::Plain,
                    shared: true,
                };
                self.add(node)
            }
            Event::DocumentStart(_) if self.root.is_some() => Err((
                Some(self.base + start),
                "a second document starts, and only one can be a configuration".into(),
            )),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, value: Value, start: usize, shared: bool) -> Result<(), Failed> {
        if self.open.len() >= MOST_LEVELS {
            return Err((Some(self.base + start), "it is nested too deeply".into()));
        }
        let flow = self.text[start..].starts_with(['[', '{']);
        let node = Node {
            span: self.base + start..self.base + start,
            value,
            style: if flow { Style::Flow } else { Style::Block },
            shared,
        };
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: std::ops::Range<usize>, shared: bool) -> Node {
        let (style, value) = match style {
            ScalarStyle::Plain => (Style::Plain, plain(text)),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                (Style::Flow, Value::String(text.to_owned()))
            }
            ScalarStyle::Literal | ScalarStyle::Folded => (Style::Block, Value::String(text.to_owned())),
        };
        Node {
            span: self.base + span.start..self.base + span.end,
            value,
            style,
            shared,
        }
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) -> Result<(), Failed> {
        let Some(Open { node: parent, key }) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.value {
            Value::List(items) => items.push(node),
            Value::Table(entries) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push(Entry {
                    key: key_text(key.value),
                    key_span: key.span,
                    node,
                }),
            },
            _ => return Err((Some(node.span.start), "a value lies in no collection".into())),
        }
        Ok(())
    }

    /// The byte where a character of this number starts.
    fn byte(&self, index: usize) -> usize {
        let at = match self.offsets.is_empty() {
            true => index,
            false => self.offsets.get(index).copied().unwrap_or(self.text.len()),
        };
        at.min(self.text.len())
    }
}

/// Where the quotes that open at `start` close. The parser's own end has the blanks and the remark behind them in it
/// (saphyr-parser 0.3).
fn end_of_quoted(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 1,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

fn key_text(value: Value) -> String {
    match value {
        Value::String(text) | Value::Other(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Null => "null".into(),
        // No client has a list or a table for a key.
        Value::List(_) | Value::Table(_) => String::new(),
    }
}

/// A word without quotes, by the core schema (YAML 1.2.2, 10.3.2).
fn plain(text: &str) -> Value {
    let words = |words: &[&str]| words.contains(&text);
    if words(&["", "~", "null", "Null", "NULL"]) {
        return Value::Null;
    }
    if words(&["true", "True", "TRUE"]) {
        return Value::Bool(true);
    }
    if words(&["false", "False", "FALSE"]) {
        return Value::Bool(false);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (digits.parse::<f64>().is_ok() || digits.starts_with("0x") || digits.starts_with("0o"));
    match number {
        true => Value::Other(text.to_owned()),
        false => Value::String(text.to_owned()),
    }
}
