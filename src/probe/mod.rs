//! What a server says about itself, judged: names and descriptions that a model reads and a person may not see.

mod hidden;
mod session;

use serde_json::Value;

use crate::lint::{Finding, Rule, Severity};
use crate::profile::Origin;

pub use hidden::{Found, Hidden, hidden};
pub use session::{Hello, Offers, Session};

/// A description longer than this is read by nobody, and by the model at every turn. In bytes of UTF-8.
pub const LONG: usize = 4096;

pub static HIDDEN: Rule = Rule {
    id: "hidden-characters",
    title: "A server's text holds characters that nobody sees",
    why: "A model reads them as instructions. A person who approves the tool does not.",
};
pub static LENGTH: Rule = Rule {
    id: "long-description",
    title: "A description is longer than a person reads",
    why: "The model gets it at every turn, and instructions are easily hidden in it.",
};
pub static OUTPUT: Rule = Rule {
    id: "stray-output",
    title: "A server writes to stdout what is no message",
    why: "Only messages may stand there. Clients drop such lines, log them, or fail.",
};
pub static DENIED: Rule = Rule {
    id: "denied",
    title: "A server tried what its profile does not permit",
    why: "It happened while the server started and was asked what it offers, before any tool was called.",
};

/// The rules of a probe.
pub static RULES: [&Rule; 4] = [&HIDDEN, &LENGTH, &OUTPUT, &DENIED];

/// A finding about something of the server's, such as `tool "echo"`.
pub fn finding(
    rule: &'static Rule,
    severity: Severity,
    what: &str,
    message: impl Into<String>,
    cure: &str,
) -> Finding {
    Finding {
        rule,
        severity,
        message: message.into(),
        cure: cure.into(),
        origin: Origin::flag(what),
    }
}

/// Judges every text in something that a server has said.
pub fn judge(what: &str, said: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    walk(said, String::new(), &mut |place, text| {
        for one in hidden(text) {
            let severity = match one.kind {
                Hidden::Tag | Hidden::Selector | Hidden::Bidi | Hidden::Escape => Severity::High,
                Hidden::ZeroWidth | Hidden::Control => Severity::Medium,
            };
            let message = format!(
                "{what}: {place} holds {} {} ({})",
                one.count,
                one.kind.words(),
                one.characters.join(" ")
            );
            let cure = "do not give this server to a model before you know what they say";
            found.push(finding(&HIDDEN, severity, what, message, cure));
        }
        if place.ends_with("description") && text.len() > LONG {
            let message = format!("{what}: {place} has {} bytes", text.len());
            found.push(finding(
                &LENGTH,
                Severity::Low,
                what,
                message,
                "read it to its end",
            ));
        }
    });
    found
}

/// Calls `see` for each text and each name of a member, with its place.
fn walk(value: &Value, place: String, see: &mut impl FnMut(&str, &str)) {
    let below = |name: &str| match place.is_empty() {
        true => name.to_owned(),
        false => format!("{place}.{name}"),
    };
    match value {
        Value::String(text) => see(if place.is_empty() { "it" } else { &place }, text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, format!("{place}[{at}]"), see);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                see(&below("a member's name"), name);
                walk(member, below(&name.escape_debug().to_string()), see);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_of_a_tool_is_looked_at() {
        let tool = json!({
            "name": "echo",
            "description": "fine",
            "inputSchema": {"properties": {"a": {"description": "x\u{e0041}", "enum": ["b\u{200b}"]}, "c\u{202e}": {}}},
        });
        let found = judge("tool \"echo\"", &tool);
        let messages: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(found.len(), 3, "{messages:?}");
        assert!(
            messages[0].contains("inputSchema.properties.a.description holds 1 tag"),
            "{messages:?}"
        );
        assert!(
            messages[1].contains("inputSchema.properties.a.enum[0] holds 1 characters without"),
            "{messages:?}"
        );
        let long = json!({"description": "x".repeat(LONG + 1)});
        assert_eq!(judge("tool", &long)[0].severity, Severity::Low);
        assert!(judge("tool", &json!({"description": "x", "n": [1, null]})).is_empty());
    }
}
