//! What `wrap`, `unwrap` and `status` work on: the clients' files of this machine, and our own place in it.

use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;

use crate::cli::ClientFiles;
use crate::clients::find::{self, FoundFile};
use crate::clients::places::{Os, Places, project_of};
use crate::clients::{Client, named, table};
use crate::error::{Error, printable, reason};
use crate::host::{self, Facts};
use crate::profile::did_you_mean;
use crate::wrap::state::State;

/// The facts of this machine that count for clients' files.
pub struct Ground {
    pub facts: Facts,
    pub state: State,
    /// Our own program, by the path that clients are to start it by.
    pub own: PathBuf,
    /// The folder whose own files count.
    pub project: PathBuf,
    pub files: Vec<FoundFile>,
    /// Clients were named.
    pub named: bool,
}

/// Finds out where we are, and the files that are meant.
///
/// # Errors
/// An unknown client, one without a file, or a folder or file that is not there.
pub fn gather(args: &ClientFiles) -> Result<Ground, Error> {
    let facts = Facts::gather()?;
    let project = match &args.project {
        Some(folder) => folder.canonicalize().map_err(|error| {
            Error::setup(format!("cannot use {}: {}", quote(folder), reason(&error)))
                .hint("--project names the folder that the client works in")
        })?,
        None => project_of(&facts.profile.cwd, &facts.profile.home),
    };
    let clients = args
        .client
        .iter()
        .map(|name| client(name))
        .collect::<Result<Vec<_>, _>>()?;
    let variable = |name: &str| host::variable(name.as_ref());
    let places = Places::new(Os::own(), &facts.profile.home, &project, variable);
    let files = match &args.config {
        Some(path) => vec![one_file(&clients, path)?],
        None => find::files(&clients, &places),
    };
    if args.config.is_none() {
        for client in &clients {
            if !files.iter().any(|file| file.client.name == client.name) {
                return Err(nothing_of(client, &places));
            }
        }
    }
    Ok(Ground {
        state: State::new(&facts.profile.state_dir),
        own: own_program(&facts)?,
        project,
        facts,
        files,
        named: !clients.is_empty(),
    })
}

/// What keeps a name from being one of a server of these files.
pub fn unknown_server<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let near = did_you_mean(name, known);
    Error::setup(format!("no client has a server {}", quote(name)))
        .hint(format!("{near}`mcp-sandbox status` shows every server"))
}

fn client(name: &str) -> Result<&'static Client, Error> {
    named(name).ok_or_else(|| {
        let names = table::CLIENTS.iter().map(|client| client.name);
        let near = did_you_mean(name, names.clone());
        let all: Vec<&str> = names.collect();
        Error::setup(format!("there is no client {}", quote(name)))
            .hint(format!("{near}clients: {}", all.join(", ")))
    })
}

fn one_file(clients: &[&'static Client], path: &Path) -> Result<FoundFile, Error> {
    let [client] = clients else {
        return Err(Error::setup(
            "--config is the file of one client, and several are named",
        ));
    };
    find::file(client, path.to_owned()).map_err(|error| {
        Error::setup(format!("cannot read {}: {}", quote(path), reason(&error)))
            .hint(format!("--config names a file of {}", client.title))
    })
}

fn nothing_of(client: &Client, places: &Places) -> Error {
    let paths = client.files.iter().flat_map(|file| places.paths(&file.paths));
    let paths: Vec<String> = paths.map(|path| printable(&path)).collect();
    Error::setup(format!("{} has no configuration here", client.title)).hint(format!(
        "looked for {}; --config names another file",
        paths.join(", ")
    ))
}

/// As we were called, where that is a name that lasts: a link stays right when what it leads to is upgraded.
fn own_program(facts: &Facts) -> Result<PathBuf, Error> {
    let failed =
        |error: std::io::Error| Error::setup(format!("our own program cannot be found: {}", reason(&error)));
    let real = std::env::current_exe().map_err(failed)?;
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let mut candidates = Vec::new();
    if called.components().count() > 1 {
        candidates.push(facts.profile.cwd.join(&called));
    } else if let Some(path) = &facts.runtime.path {
        candidates.extend(std::env::split_paths(path).map(|folder| folder.join(&called)));
    }
    let is_us = |path: &PathBuf| path.is_absolute() && path.canonicalize().ok() == real.canonicalize().ok();
    let plain = |path: PathBuf| -> PathBuf {
        let normal = path
            .components()
            .all(|part| part != std::path::Component::ParentDir);
        if normal {
            path.components().collect()
        } else {
            real.clone()
        }
    };
    Ok(candidates.into_iter().find(is_us).map_or(real.clone(), plain))
}
