//! How far a script's text may reach: the programs it names are a stranger's choice, so what lies around
//! one of them is shown only where the user or an installer put it, or beside the script itself.

use std::fs;
use std::path::{Path, PathBuf};

use super::image::Chain;
use super::packages::node_modules;
use super::prefix::{is_shared, package_root};
use super::python::{self, Venv};
use super::{Host, find, system, wellknown};

/// Who named a program.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'p> {
    /// The user: as the command, or by the environment.
    User,
    /// The text of this script, whose directory is free of links.
    Script(&'p Path),
}

/// How much is shown of a program that was followed to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The installation it belongs to.
    Around,
    /// Its file and libraries.
    Alone,
}

impl Origin<'_> {
    /// How much is shown of what `chain` leads to.
    pub fn reach(self, chain: &Chain, host: &Host) -> Reach {
        let Origin::Script(script) = self else {
            return Reach::Around;
        };
        // A virtual environment of the script's own names the Python it was made with.
        let venv = || {
            python::is_python(chain.file())
                && owns(script, chain.first(), host)
                && Venv::of(chain.first()).is_some()
        };
        match owns(script, chain.file(), host) || is_installed(&chain.hops, host) || venv() {
            true => Reach::Around,
            false => Reach::Alone,
        }
    }

    /// Where the text of a shim leads from: a stranger's can look like a manager's.
    pub fn of_shim<'c>(chain: &'c Chain, host: &Host) -> Origin<'c> {
        // Its first name: a link to a manager's program takes the versions beside the link.
        match is_installed(&chain.hops[..1], host) {
            true => Origin::User,
            false => Origin::Script(chain.first()),
        }
    }
}

/// Whether a file, free of links, is part of what the script came with: its `node_modules`, its virtual
/// environment, its package, its directory.
pub fn owns(script: &Path, file: &Path, host: &Host) -> bool {
    let Some(dir) = script.parent() else { return false };
    let (venv, package) = (Venv::of(script), package_root(script, host));
    let trees = [
        node_modules(script),
        venv.as_ref().map(Venv::root),
        package.as_deref(),
        Some(dir),
    ];
    let mut trees = trees.into_iter().flatten();
    // In a home or in ~/.local/bin, what lies beside is the script's, what lies below is not.
    file.parent() == Some(dir) || trees.any(|tree| file.starts_with(tree) && !is_shared(tree, host))
}

/// Whether the way to a program passes a place where only the user and installers put programs. Links of
/// such a place are theirs, too: `~/.local/bin/node` may lead anywhere.
fn is_installed(hops: &[PathBuf], host: &Host) -> bool {
    let in_system = |hop: &Path| hop.starts_with("/usr") || system::holds(hop);
    if hops.iter().any(|hop| in_system(hop)) {
        return true;
    }
    let real = |dirs: Vec<PathBuf>| dirs.into_iter().filter_map(|dir| fs::canonicalize(dir).ok());
    let mut direct = real(find::directories(host)).chain(real(wellknown::places(host)));
    let mut stores = real(wellknown::stores(host)).filter(|store| !is_shared(store, host));
    direct.any(|dir| hops.iter().any(|hop| hop.parent() == Some(&dir)))
        || stores.any(|store| hops.iter().any(|hop| hop.starts_with(&store)))
}
