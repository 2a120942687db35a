//! What a client's file says about one server. Clients name the same things differently; what any of them means by a
//! name, it means for all.

use crate::edit::{Document, Entry, Node, Style, Value};

/// The command of a server, and the words after it.
const COMMAND: [&str; 2] = ["command", "cmd"];
const ARGS: &str = "args";
/// Inside a `command` that is a table (older Zed).
const PATH: &str = "path";
const URL: [&str; 4] = ["url", "serverUrl", "httpUrl", "uri"];
/// Variables with their values.
const VARIABLES: [&str; 3] = ["env", "envs", "environment"];
/// Variables that the client has the values of.
const NAMES: [&str; 2] = ["env_vars", "env_keys"];

/// A server as it stands in a file.
#[derive(Debug, Clone)]
pub struct Definition<'n> {
    pub start: Start<'n>,
    pub disabled: bool,
    /// The names of the variables that the client gives it, and the values that stand in the file.
    pub env: Vec<(String, Option<String>)>,
    /// A file of more variables (VS Code, Cursor).
    pub env_file: Option<String>,
    /// The client has a sandbox of its own, and it is on (VS Code).
    pub client_sandbox: bool,
}

/// How a server comes to be.
#[derive(Debug, Clone)]
pub enum Start<'n> {
    /// By a command of ours to change.
    Command(Launch<'n>),
    /// By an address.
    Remote(String),
    /// The client has it built in.
    BuiltIn(String),
    /// In a way that is not to be changed safely, for this reason.
    Unclear(String),
}

/// The command line of a server, in the document.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'n> {
    /// The table that `command` and `args` stand in.
    pub holder: &'n Node,
    pub command: &'n Entry,
    pub args: Option<&'n Entry>,
}

impl<'n> Definition<'n> {
    /// Reads the node at `trail`.
    pub fn read(doc: &'n Document, trail: &[usize]) -> Self {
        let shared = (1..=trail.len()).any(|len| doc.root.at(&trail[..len]).is_some_and(|node| node.shared));
        let Some(node) = doc.root.at(trail) else {
            return Definition::unclear("it is not there");
        };
        if node.entries().is_empty() {
            return Definition::unclear("it is no table");
        }
        let start = match start(node) {
            Start::Command(_) if shared => Start::Unclear("it is shared by an anchor or has a tag".into()),
            start => start,
        };
        let is = |key: &str, value: bool| matches!(node.get(key).map(|node| &node.value), Some(Value::Bool(given)) if *given == value);
        Definition {
            start,
            disabled: is("disabled", true) || is("enabled", false),
            env: variables(node),
            env_file: node.get("envFile").and_then(Node::str).map(str::to_owned),
            client_sandbox: is("sandboxEnabled", true),
        }
    }

    fn unclear(why: &str) -> Self {
        Definition {
            start: Start::Unclear(why.into()),
            disabled: false,
            env: Vec::new(),
            env_file: None,
            client_sandbox: false,
        }
    }
}

impl Launch<'_> {
    /// The command and its arguments.
    pub fn argv(&self) -> Vec<String> {
        let first: Vec<String> = match &self.command.node.value {
            Value::List(items) => items.iter().filter_map(word).collect(),
            _ => word(&self.command.node).into_iter().collect(),
        };
        let rest = self.args.map(|args| args.node.items()).unwrap_or_default();
        first.into_iter().chain(rest.iter().filter_map(word)).collect()
    }
}

fn start(node: &Node) -> Start<'_> {
    let kind = node.get("type").and_then(Node::str).unwrap_or_default();
    let Some(entry) = COMMAND.iter().find_map(|key| node.entry(key)) else {
        let url = URL.iter().find_map(|key| node.get(key).and_then(Node::str));
        return match url {
            Some(url) => Start::Remote(url.to_owned()),
            None if !kind.is_empty() => Start::BuiltIn(kind.to_owned()),
            None => Start::Unclear("it has no command of its own".into()),
        };
    };
    let (holder, key) = match &entry.node.value {
        Value::Table(_) => (&entry.node, PATH),
        _ => (node, entry.key.as_str()),
    };
    match launch(holder, key) {
        Ok(launch) => Start::Command(launch),
        Err(why) => Start::Unclear(why),
    }
}

fn launch<'n>(holder: &'n Node, key: &'n str) -> Result<Launch<'n>, String> {
    for key in [key, ARGS] {
        if holder.all(key).count() > 1 {
            return Err(format!("{key:?} stands there more than once"));
        }
    }
    let command = holder.entry(key).ok_or("it has no command of its own")?;
    let args = holder.entry(ARGS);
    if holder.shared || command.node.shared || args.is_some_and(|args| args.node.shared) {
        return Err("its command is shared by an anchor or has a tag".into());
    }
    match &command.node.value {
        Value::String(text) if !text.is_empty() && command.node.style != Style::Block => {}
        Value::List(items) if args.is_none() && !items.is_empty() => words(items)?,
        _ => return Err(format!("{key:?} is no command")),
    }
    match args.map(|args| &args.node.value) {
        None | Some(Value::Null) => {}
        Some(Value::List(items)) => words(items)?,
        Some(_) => return Err(format!("{ARGS:?} is no list")),
    }
    Ok(Launch {
        holder,
        command,
        args,
    })
}

/// Every item is a word, so that what the client makes of the list is known.
fn words(items: &[Node]) -> Result<(), String> {
    match items.iter().all(|item| word(item).is_some() && !item.shared) {
        true => Ok(()),
        false => Err("its command holds something that is no word".into()),
    }
}

fn word(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Other(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn variables(node: &Node) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    let with_values = VARIABLES.iter().filter_map(|key| node.get(key));
    for entry in with_values.flat_map(Node::entries) {
        // VS Code unsets a variable whose value is null.
        if !matches!(entry.node.value, Value::Null) {
            found.push((entry.key.clone(), word(&entry.node)));
        }
    }
    let names = NAMES.iter().filter_map(|key| node.get(key));
    for item in names.flat_map(Node::items) {
        let name = item.str().or_else(|| item.get("name").and_then(Node::str));
        found.extend(name.map(|name| (name.to_owned(), None)));
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|(name, _)| seen.insert(name.clone()));
    found
}
