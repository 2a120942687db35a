//! Scripts and the packages they are part of, and the paths among a command's arguments.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::image::{Chain, normal};
use super::prefix::{self, show_if_there};
use super::python::{self, Venv};
use super::resolve::Resolver;
use super::{script, show};

impl Resolver<'_> {
    pub(super) fn show_script(&mut self, chain: &Chain, interpreter: &Path) {
        let file = chain.file();
        if python::is_python(interpreter)
            && file.parent().is_some_and(|dir| dir.ends_with(".local/bin"))
            && let Some(library) = python::user_library(interpreter, self.host)
        {
            show_if_there(&library, "python user packages", &mut self.view);
            self.set("PYTHONUSERBASE", self.host.home.join(".local").into_os_string());
        }
        if self.view.shows(file) || self.show_module(file) {
            return self.show_corepack(file);
        }
        if let Some(venv) = Venv::of(file) {
            return venv.show(&mut self.view, self.host);
        }
        if chain.named.iter().any(|named| node_modules(named).is_some()) {
            let package = file
                .ancestors()
                .find(|dir| dir.join("package.json").is_file())
                .unwrap_or(file);
            self.notes.push(format!(
                "{} is a linked package: add --read {}",
                show(file),
                show(package)
            ));
        }
        if !prefix::show_installation(file, &mut self.view, self.host) {
            self.view.mount(file, "script");
        }
    }

    /// Shows the outermost `node_modules` that a file lies in. False if there is none.
    pub(super) fn show_module(&mut self, file: &Path) -> bool {
        let Some(root) = node_modules(file) else {
            return false;
        };
        if !self.view.shows(root) {
            self.view.mount(root, "node_modules");
        }
        self.show_corepack(file);
        true
    }

    /// Corepack's yarn and pnpm are only launchers; the package managers lie in its cache.
    fn show_corepack(&mut self, file: &Path) {
        if !file.components().any(|part| part.as_os_str() == "corepack") || node_modules(file).is_none() {
            return;
        }
        let cache = match self.host.var("COREPACK_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => self.host.dir("XDG_CACHE_HOME", ".cache").join("node/corepack"),
        };
        if cache.is_absolute() && cache.is_dir() {
            show_if_there(&cache, "package managers of corepack", &mut self.view);
            self.set("COREPACK_HOME", cache.into_os_string());
        }
    }

    /// `node ./node_modules/x/cli.js`: the script is part of an installation, so it is shown, by its absolute path.
    pub(super) fn show_program_argument(&mut self, args: &mut [OsString]) {
        let is_option = |arg: &OsStr| arg.as_encoded_bytes().starts_with(b"-");
        let cwd = &self.host.cwd;
        let Some(arg) = args
            .iter_mut()
            .find(|arg| !is_option(arg) && cwd.join(arg).is_file())
        else {
            return;
        };
        let path = cwd.join(&*arg);
        let Ok(real) = fs::canonicalize(&path) else { return };
        if node_modules(&real).is_some() && self.show_module(&real) {
            *arg = real.into_os_string();
        }
    }

    /// Paths of the host among the arguments that nothing shows.
    pub(super) fn hidden(&self, args: &[OsString]) -> Vec<PathBuf> {
        let mut hidden = Vec::new();
        for arg in args.iter().filter(|arg| !arg.is_empty()) {
            let bytes = arg.as_encoded_bytes();
            let text = match bytes
                .iter()
                .position(|byte| *byte == b'=')
                .filter(|_| bytes.starts_with(b"-"))
            {
                Some(at) => Path::new(script::os(&bytes[at + 1..])),
                None => Path::new(arg),
            };
            let path = normal(&self.host.cwd.join(text));
            let own = ["/dev", "/proc", "/sys"].iter().any(|own| path.starts_with(own));
            let shown =
                self.view.shows(&path) || fs::canonicalize(&path).is_ok_and(|real| self.view.shows(&real));
            if !text.as_os_str().is_empty() && !own && path.exists() && !shown && !hidden.contains(&path) {
                hidden.push(path);
            }
        }
        hidden
    }
}

/// The outermost directory `node_modules` above a file.
pub(super) fn node_modules(file: &Path) -> Option<&Path> {
    let above = file.ancestors().skip(1);
    above
        .filter(|dir| dir.file_name() == Some(OsStr::new("node_modules")))
        .last()
}
