//! JSON, with comments and commas at the end.

use jsonc_parser::ast::{ObjectPropName, Value as Parsed};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Entry, Node, Style, Value};

/// What no client that reads JSON takes stays an error.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads `text`, which starts `base` bytes into the file.
pub fn parse(text: &str, base: usize) -> Result<Node, (Option<usize>, String)> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS)
        .map_err(|error| (Some(base + error.range().start), lower(&error.kind().to_string())))?;
    Ok(match parsed.value {
        Some(value) => node(value, base),
        None => Node {
            span: base..base,
            value: Value::Null,
            style: Style::Flow,
            shared: false,
        },
    })
}

fn node(parsed: Parsed<'_>, base: usize) -> Node {
    let range = parsed.range();
    let value = match parsed {
        Parsed::NullKeyword(_) => Value::Null,
        Parsed::BooleanLit(lit) => Value::Bool(lit.value),
        Parsed::NumberLit(lit) => Value::Other(lit.value.to_owned()),
        Parsed::StringLit(lit) => Value::String(lit.value.into_owned()),
        Parsed::Array(array) => Value::List(array.elements.into_iter().map(|one| node(one, base)).collect()),
        Parsed::Object(object) => {
            let entries = object.properties.into_iter().map(|property| {
                let key = property.name.range();
                Entry {
                    key: match property.name {
                        ObjectPropName::String(lit) => lit.value.into_owned(),
                        ObjectPropName::Word(lit) => lit.value.to_owned(),
                    },
                    key_span: base + key.start..base + key.end,
                    node: node(property.value, base),
                }
            });
            Value::Table(entries.collect())
        }
    };
    Node {
        span: base + range.start..base + range.end,
        value,
        style: Style::Flow,
        shared: false,
    }
}

/// Messages of ours start in lower case.
fn lower(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
