//! The clients' files that this machine has, and the servers in them.

use std::fs;
use std::path::PathBuf;

use super::places::Places;
use super::{Client, File, Scope, Step, table};
use crate::edit::{Document, Node, Value};

/// A file that is there.
#[derive(Debug, Clone)]
pub struct FoundFile {
    pub client: &'static Client,
    pub kind: &'static File,
    /// As the client names it.
    pub path: PathBuf,
    /// Free of symbolic links.
    pub real: PathBuf,
}

/// A server of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    /// What it is for, where a file has servers for several folders or profiles.
    pub within: Option<String>,
    /// The keys that lead to it.
    pub keys: Vec<String>,
    /// How many servers of the same keys stand before it.
    pub occurrence: usize,
    /// The indexes that lead to it in this document.
    pub trail: Vec<usize>,
}

/// Every file of these clients that is there, each once; of all clients if none is named.
pub fn files(clients: &[&'static Client], places: &Places) -> Vec<FoundFile> {
    let wanted = |client: &&Client| clients.is_empty() || clients.iter().any(|one| one.name == client.name);
    let mut found: Vec<FoundFile> = Vec::new();
    for client in table::CLIENTS.iter().filter(wanted) {
        for kind in client.files {
            let paths = places.paths(&kind.paths).into_iter();
            // What leads nowhere is nobody's configuration; what is there and is no file is told later.
            for (path, real) in paths.filter_map(|path| Some((path.clone(), fs::canonicalize(path).ok()?))) {
                if !found.iter().any(|one| one.real == real) {
                    found.push(FoundFile {
                        client,
                        kind,
                        path,
                        real,
                    });
                }
            }
        }
    }
    found
}

/// One file by its path, as one of a client's.
///
/// # Errors
/// It does not exist.
pub fn file(client: &'static Client, path: PathBuf) -> std::io::Result<FoundFile> {
    let real = fs::canonicalize(&path)?;
    let extension = path.extension().map(|end| end.to_string_lossy().into_owned());
    let fits = |kind: &&File| {
        let of_kind = [kind.paths.linux, kind.paths.macos, kind.paths.windows].concat();
        let ends = |pattern: &&str| {
            let pattern = PathBuf::from(pattern);
            pattern.extension().map(|end| end.to_string_lossy().into_owned()) == extension
        };
        kind.scope != Scope::Managed && of_kind.iter().any(ends)
    };
    let kind = client.files.iter().find(fits).unwrap_or(&client.files[0]);
    Ok(FoundFile {
        client,
        kind,
        path,
        real,
    })
}

/// The servers of a document, in its order.
pub fn servers(doc: &Document, kind: &File) -> Vec<Server> {
    let mut found = Vec::new();
    for steps in kind.servers {
        let walk = Walk {
            keys: Vec::new(),
            trail: Vec::new(),
            within: None,
        };
        descend(&doc.root, steps, &walk, &mut found);
    }
    for index in 0..found.len() {
        let before = found[..index].iter();
        found[index].occurrence = before.filter(|one| one.keys == found[index].keys).count();
    }
    found
}

#[derive(Clone)]
struct Walk {
    keys: Vec<String>,
    trail: Vec<usize>,
    within: Option<String>,
}

impl Walk {
    fn to(&self, key: &str, index: usize) -> Walk {
        let mut next = self.clone();
        next.keys.push(key.to_owned());
        next.trail.push(index);
        next
    }
}

fn descend(node: &Node, steps: &[Step], walk: &Walk, found: &mut Vec<Server>) {
    let Some((step, rest)) = steps.split_first() else {
        return collect(node, walk, found);
    };
    for (index, entry) in node.entries().iter().enumerate() {
        let mut next = walk.to(&entry.key, index);
        match step {
            Step::Key(key) if *key != entry.key => continue,
            Step::Key(_) => {}
            Step::Each => next.within = Some(entry.key.clone()),
        }
        descend(&entry.node, rest, &next, found);
    }
}

/// Servers stand under their names, or in a list with their names in them.
fn collect(node: &Node, walk: &Walk, found: &mut Vec<Server>) {
    let mut add = |name: &str, index: usize| {
        let next = walk.to(name, index);
        found.push(Server {
            name: name.to_owned(),
            within: walk.within.clone(),
            keys: next.keys,
            occurrence: 0,
            trail: next.trail,
        });
    };
    match &node.value {
        Value::Table(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                add(&entry.key, index);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Node::str);
                add(
                    &name.map_or_else(|| format!("#{}", index + 1), str::to_owned),
                    index,
                );
            }
        }
        _ => {}
    }
}
