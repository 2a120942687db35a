//! TOML.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::{Entry, Node, Style, Value};

/// Reads `text`, which starts `base` bytes into the file.
pub fn parse(text: &str, base: usize) -> Result<Node, (Option<usize>, String)> {
    let read = Reader { text, base };
    let parsed = DeTable::parse(text).map_err(|error| {
        (
            error.span().map(|span| base + span.start),
            error.message().to_owned(),
        )
    })?;
    let span = parsed.span();
    Ok(Node {
        span: base + span.start..base + span.end,
        value: read.table(parsed.get_ref()),
        style: Style::Block,
        shared: false,
    })
}

struct Reader<'t> {
    text: &'t str,
    base: usize,
}

impl Reader<'_> {
    fn node(&self, parsed: &Spanned<DeValue<'_>>) -> Node {
        let span = parsed.span();
        let value = match parsed.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => Value::Other(number.as_str().to_owned()),
            DeValue::Float(number) => Value::Other(number.as_str().to_owned()),
            DeValue::Datetime(date) => Value::Other(date.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(entries) => self.table(entries),
        };
        let by_lines = matches!(value, Value::Table(_)) && !self.text[span.start..].starts_with('{');
        Node {
            span: self.base + span.start..self.base + span.end,
            value,
            style: if by_lines { Style::Block } else { Style::Flow },
            shared: false,
        }
    }

    fn table(&self, parsed: &DeTable<'_>) -> Value {
        let mut entries: Vec<Entry> = parsed
            .iter()
            .map(|(key, value)| {
                let span = key.span();
                Entry {
                    key: key.get_ref().to_string(),
                    key_span: self.base + span.start..self.base + span.end,
                    node: self.node(value),
                }
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        Value::Table(entries)
    }
}
