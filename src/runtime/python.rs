//! Python: virtual environments and the installation they borrow from.
//!
//! The interpreter looks for `pyvenv.cfg` beside itself or one level up, by the name it was started with
//! and before it follows links (PEP 405), so a virtual environment keeps its own `bin/python` in the box.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::find::is_program;
use super::image::Chain;
use super::prefix::{above_bin, is_broad, show_file, show_if_there};
use super::view::View;
use super::{Host, file, show as named};

/// What makes up a virtual environment, where the directory around it holds other things too.
const VENV_PARTS: &[&str] = &["pyvenv.cfg", "bin", "lib", "lib64", "include", "share"];

/// A virtual environment found beside an interpreter or a script.
#[derive(Debug)]
pub struct Venv {
    root: PathBuf,
    /// The directory of the interpreter it was made with.
    home: Option<PathBuf>,
}

impl Venv {
    /// The environment that a file in `<root>/bin` belongs to. The directory of `file` is free of links.
    pub fn of(file: &Path) -> Option<Self> {
        let dir = file.parent()?;
        [dir, dir.parent()?].into_iter().find_map(|root| {
            let text = file::text(&root.join("pyvenv.cfg")).ok()?;
            let home = text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == "home").then(|| PathBuf::from(value.trim()))
            });
            Some(Venv {
                root: root.to_owned(),
                home: home.filter(|home| home.is_absolute()),
            })
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Shows the environment itself.
    pub fn show(&self, view: &mut View, host: &Host) {
        if !is_broad(&self.root, host) {
            return view.mount(&self.root, "python venv");
        }
        for part in VENV_PARTS.iter().map(|part| self.root.join(part)) {
            match fs::read_link(&part) {
                Ok(target) => view.link(&part, &target),
                Err(_) if part.exists() => view.mount(&part, "python venv"),
                Err(_) => {}
            }
        }
    }

    /// Shows the installation that `home` names, which a copied interpreter does not lie in, by that name.
    /// The file may be a stranger's, so what it leads to must be a Python.
    fn show_home(&self, interpreter: &Path, view: &mut View, host: &Host, notes: &mut Vec<String>) {
        let Some(home) = &self.home else { return };
        let own = interpreter.file_name().unwrap_or_default();
        let mut names = [own, OsStr::new("python3"), OsStr::new("python")].into_iter();
        let base = names.find_map(|name| {
            let base = fs::canonicalize(home.join(name)).ok()?;
            (is_python(&base) && is_program(&base) && file::is_elf(&base)).then_some(base)
        });
        match base {
            Some(base) => {
                show_base(&base, view, host);
                view.expose(home);
            }
            None => notes.push(format!(
                "{}: no Python in {}: ignored",
                named(self.root.join("pyvenv.cfg")),
                named(home)
            )),
        }
    }
}

/// Whether a program's name is that of a Python interpreter.
pub fn is_python(file: &Path) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|rest| {
        rest.chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 't' | 'd' | 'm'))
    })
}

/// Shows the interpreter at the end of `chain` and, where it was reached through one, its virtual environment.
pub fn show(chain: &Chain, view: &mut View, host: &Host, notes: &mut Vec<String>) -> Option<Venv> {
    show_base(chain.file(), view, host);
    let venv = Venv::of(chain.first())?;
    venv.show(view, host);
    venv.show_home(chain.file(), view, host, notes);
    chain.named.iter().skip(1).for_each(|named| view.expose(named));
    Some(venv)
}

/// Where `pip install --user` puts packages for this interpreter.
pub fn user_library(interpreter: &Path, host: &Host) -> Option<PathBuf> {
    let version = version_of(interpreter, Path::new("/usr"))?;
    Some(host.home.join(".local/lib").join(version)).filter(|library| library.is_dir())
}

fn show_base(file: &Path, view: &mut View, host: &Host) {
    if view.shows(file) {
        return;
    }
    let Some((prefix, version)) =
        above_bin(file).and_then(|prefix| Some((prefix, version_of(file, prefix)?)))
    else {
        return show_file(file, view);
    };
    if !is_broad(prefix, host) {
        return view.mount(prefix, "python prefix");
    }
    show_file(file, view);
    show_if_there(&prefix.join("lib").join(version), "python library", view);
}

/// The name of the interpreter's library directory, as `python3.12`, if `prefix` has it.
fn version_of(file: &Path, prefix: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let lib = prefix.join("lib");
    if name.contains('.') && lib.join(name).is_dir() {
        return Some(name.to_owned());
    }
    // Only where the file does not carry its version, as after `python -m venv --copies`.
    let mut found: Vec<String> = fs::read_dir(&lib)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_python(Path::new(name)) && name.contains('.'))
        .filter(|name| lib.join(name).join("os.py").is_file())
        .collect();
    found.sort();
    found.pop()
}
