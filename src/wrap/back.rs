//! What a boxed server was before: from our record of the change, else from the boxed command itself.

use super::change::{Change, moved, splice_back, words_of};
use crate::clients::definition::Launch;
use crate::edit::{Document, Format, Node, Splice, Style, Value, item_start, quoted};

/// How a server's entry becomes what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    pub splices: Vec<Splice>,
    /// The bytes are those that were there; else only what they say.
    pub exact: bool,
}

/// The way back for a command line of ours, which has `words` words in front of what it starts. None if that cannot be
/// told from the text.
pub fn back(doc: &Document, launch: &Launch<'_>, words: usize, record: Option<&[Change]>) -> Option<Back> {
    let recorded = record.and_then(|changes| {
        let splices = changes.iter().map(|change| splice_back(doc, launch, change));
        splices.collect::<Option<Vec<_>>>()
    });
    let exact = recorded.is_some();
    let splices = match recorded {
        Some(splices) => splices,
        None => from_the_command(doc, launch, words)?,
    };
    Some(Back { splices, exact })
}

fn from_the_command(doc: &Document, launch: &Launch<'_>, words: usize) -> Option<Vec<Splice>> {
    let list = words_of(launch)?;
    let start = item_start(doc, list, 0)?;
    if let Value::List(_) = launch.command.node.value {
        let next = item_start(doc, list, words)?;
        return Some(vec![removed(start, next)]);
    }
    // The first of the words is the value of `command`.
    let old = list.items().get(words - 1)?;
    let command = Splice {
        at: launch.command.node.span.clone(),
        with: in_place_of(doc, old, &launch.command.node),
    };
    let args = match item_start(doc, list, words) {
        Some(next) => removed(start, next),
        None => emptied(doc, launch)?,
    };
    Some(vec![command, args])
}

fn in_place_of(doc: &Document, word: &Node, place: &Node) -> String {
    match place.style {
        // A word without quotes may stand where one stood; in a flow table it may not hold some characters.
        Style::Plain => moved(doc, word, true),
        _ if word.style == Style::Plain => match &word.value {
            Value::String(text) | Value::Other(text) => quoted(text),
            _ => doc.raw(&word.span).to_owned(),
        },
        _ => moved(doc, word, false),
    }
}

fn removed(from: usize, to: usize) -> Splice {
    Splice {
        at: from..to,
        with: String::new(),
    }
}

/// Nothing followed the command.
fn emptied(doc: &Document, launch: &Launch<'_>) -> Option<Splice> {
    let args = launch.args?;
    let by_lines = args.node.style == Style::Block && doc.format == Format::Yaml;
    let (at, with) = match by_lines {
        true => (
            args.key_span.end..args.node.items().last()?.span.end,
            ": []".to_owned(),
        ),
        false => (args.node.span.clone(), "[]".to_owned()),
    };
    Some(Splice { at, with })
}
