//! The changes that box one server, as places and bytes that hold whatever else moves in the file.

use serde::{Deserialize, Serialize};

use crate::clients::definition::Launch;
use crate::edit::{
    Document, Entry, Format, Node, Splice, Style, Value, add_list, before_first, between_key_and_value,
    flow_list, item_start, quoted,
};

/// Where a change stands in a server's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At the value of `command`.
    Command,
    /// Before the first word of `args`, or of a `command` that is a list.
    FirstWord,
    /// After the key `args`.
    ArgsKey,
}

/// Bytes that were there, and bytes that are there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub place: Place,
    pub before: String,
    pub after: String,
}

/// The changes that put `words` (our program, `run`, flags, `--`) before a command. None if the text does not tell where
/// its parts stand.
pub fn forward(doc: &Document, launch: &Launch<'_>, words: &[String]) -> Option<Vec<Change>> {
    let mut values: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let command = &launch.command.node;
    if let Value::List(_) = command.value {
        return Some(vec![insertion(doc, command, &values)?]);
    }
    let program = values.remove(0);
    let was = doc.raw(&command.span).to_owned();
    let list = launch
        .args
        .filter(|args| !args.node.items().is_empty())
        .map(|args| &args.node);
    let in_block = list.is_some_and(|list| list.style == Style::Block && doc.format == Format::Yaml);
    values.push(moved(doc, command, in_block));
    let replaced = |with: String| Change {
        place: Place::Command,
        before: was.clone(),
        after: with,
    };
    match (list, launch.args) {
        (Some(list), _) => Some(vec![replaced(program), insertion(doc, list, &values)?]),
        (None, Some(args)) => {
            let before = doc.raw(&(args.key_span.end..end_of_value(doc, args))).to_owned();
            let between = match matches!(args.node.value, Value::Null) {
                true => between_key_and_value(doc, launch.command),
                false => between_key_and_value(doc, args),
            };
            let after = format!("{between}{}", flow_list(&values, true));
            let place = Place::ArgsKey;
            Some(vec![replaced(program), Change { place, before, after }])
        }
        (None, None) => {
            let added = add_list(doc, launch.holder, launch.command, "args", &values);
            Some(vec![replaced(program + &added)])
        }
    }
}

/// Where the value of a key ends. One that is not written ends with the colon, wherever the parser puts it.
fn end_of_value(doc: &Document, entry: &Entry) -> usize {
    let colon = doc.text[entry.key_span.end..]
        .find(':')
        .map(|at| entry.key_span.end + at + 1);
    match (entry.node.span.is_empty(), colon) {
        (true, Some(end)) => end,
        _ => entry.node.span.end,
    }
}

/// Where the change is made in the document as it is.
pub fn splice(doc: &Document, launch: &Launch<'_>, change: &Change) -> Option<Splice> {
    replacement(doc, launch, change.place, &change.before, &change.after)
}

/// Where the change is taken back; none if what it made does not stand there any more.
pub fn splice_back(doc: &Document, launch: &Launch<'_>, change: &Change) -> Option<Splice> {
    replacement(doc, launch, change.place, &change.after, &change.before)
}

fn replacement(doc: &Document, launch: &Launch<'_>, place: Place, old: &str, new: &str) -> Option<Splice> {
    let start = position(doc, launch, place)?;
    let there = doc.text.get(start..)?.starts_with(old);
    there.then(|| Splice {
        at: start..start + old.len(),
        with: new.to_owned(),
    })
}

fn position(doc: &Document, launch: &Launch<'_>, place: Place) -> Option<usize> {
    match place {
        Place::Command => Some(launch.command.node.span.start),
        Place::ArgsKey => launch.args.map(|args| args.key_span.end),
        Place::FirstWord => item_start(doc, words_of(launch)?, 0),
    }
}

/// The list that the words stand in.
pub fn words_of<'n>(launch: &Launch<'n>) -> Option<&'n Node> {
    match &launch.command.node.value {
        Value::List(_) => Some(&launch.command.node),
        _ => launch.args.map(|args| &args.node),
    }
}

fn insertion(doc: &Document, list: &Node, values: &[String]) -> Option<Change> {
    Some(Change {
        place: Place::FirstWord,
        before: String::new(),
        after: before_first(doc, list, values)?.text,
    })
}

/// A word at another place, as it is written if it means the same there.
pub fn moved(doc: &Document, word: &Node, to_block: bool) -> String {
    let raw = doc.raw(&word.span);
    let text = match &word.value {
        Value::String(text) | Value::Other(text) => text.as_str(),
        _ => raw,
    };
    let one_line = !raw.contains('\n');
    match word.style {
        Style::Flow if one_line || doc.format != Format::Yaml => raw.to_owned(),
        // Between brackets some characters would end a word without quotes.
        Style::Plain if one_line && raw == text && (to_block || !raw.contains([',', '[', ']', '{', '}'])) => {
            raw.to_owned()
        }
        _ => quoted(text),
    }
}

/// Whether `new` differs from `old` in nothing but the commands of the servers at `trails`.
pub fn only_commands_differ(old: &Document, new: &Document, trails: &[Vec<usize>]) -> bool {
    let trails: Vec<&[usize]> = trails.iter().map(Vec::as_slice).collect();
    same_but(&old.root, &new.root, &trails)
}

fn same_but(old: &Node, new: &Node, trails: &[&[usize]]) -> bool {
    if trails.is_empty() {
        return old.same(new);
    }
    if trails.iter().any(|trail| trail.is_empty()) {
        return same_but_command(old, new, &["command", "cmd", "args"]);
    }
    let below = |index: usize| -> Vec<&[usize]> {
        let inside = trails.iter().filter(|trail| trail[0] == index);
        inside.map(|trail| &trail[1..]).collect()
    };
    match (&old.value, &new.value) {
        (Value::Table(old), Value::Table(new)) => {
            let pairs = old.iter().zip(new).enumerate();
            old.len() == new.len()
                && pairs.into_iter().all(|(index, (old, new))| {
                    old.key == new.key && same_but(&old.node, &new.node, &below(index))
                })
        }
        (Value::List(old), Value::List(new)) => {
            let pairs = old.iter().zip(new).enumerate();
            old.len() == new.len()
                && pairs
                    .into_iter()
                    .all(|(index, (old, new))| same_but(old, new, &below(index)))
        }
        _ => false,
    }
}

fn same_but_command(old: &Node, new: &Node, keys: &[&str]) -> bool {
    let others = |node: &Node| -> Vec<(String, Node)> {
        let others = node
            .entries()
            .iter()
            .filter(|entry| !keys.contains(&entry.key.as_str()));
        others
            .map(|entry| (entry.key.clone(), entry.node.clone()))
            .collect()
    };
    let (was, is) = (others(old), others(new));
    let same = was.len() == is.len()
        && was
            .iter()
            .zip(&is)
            .all(|(was, is)| was.0 == is.0 && was.1.same(&is.1));
    // The command may be a table of its own.
    same && match (old.get("command"), new.get("command")) {
        (Some(old), Some(new)) if !old.entries().is_empty() && keys.len() > 2 => {
            same_but_command(old, new, &["path", "args"])
        }
        _ => true,
    }
}
