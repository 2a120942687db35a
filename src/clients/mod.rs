//! The clients: which there are, where their files lie, and which servers those start.

pub mod definition;
pub mod find;
pub mod places;
pub mod table;
pub mod wrappers;

use crate::edit::Format;

/// A program that starts MCP servers.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// As it is typed.
    pub name: &'static str,
    /// As people call it.
    pub title: &'static str,
    pub files: &'static [File],
    /// While it runs it writes its files by itself, from memory.
    pub rewrites: bool,
}

/// A kind of file of a client.
#[derive(Debug, Clone, Copy)]
pub struct File {
    pub scope: Scope,
    pub format: Format,
    pub paths: Paths,
    /// Where in the file the servers stand.
    pub servers: &'static [&'static [Step]],
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    User,
    /// Of the folder that the client works in; often shared with others.
    Project,
    /// Put there for every user by who runs the machine.
    Managed,
}

/// Paths with variables, see [`places::Places`]; `*` in the name of a file or folder stands for anything.
#[derive(Debug, Clone, Copy)]
pub struct Paths {
    pub linux: &'static [&'static str],
    pub macos: &'static [&'static str],
    pub windows: &'static [&'static str],
}

/// One step from the top of a file to its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Key(&'static str),
    /// Every key; it names what the servers below are for.
    Each,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::User => "user",
            Scope::Project => "project",
            Scope::Managed => "managed",
        }
    }
}

/// The client of a name, as it is typed or as people call it.
pub fn named(name: &str) -> Option<&'static Client> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    table::CLIENTS
        .iter()
        .find(|client| plain(client.name) == plain(name) || plain(client.title) == plain(name))
}
