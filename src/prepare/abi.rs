//! For which Node.js or Python a package was prepared. An addon that was built for one is broken with the next, though the
//! lock file, which names sources, is right for both.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;
use sha2::{Digest as _, Sha256};

use super::boxed::Outcome;
use super::registry::last_lines;
use crate::error::Error;
use crate::runtime::{self, Host};

/// What a package's folder is made for, as part of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abi(String);

impl Abi {
    /// Of packages whose folder tells by itself: an environment of Python has one interpreter, which [`same_python`] judges.
    pub fn of_machine() -> Self {
        Abi(format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH))
    }

    fn of_node(modules: &str) -> Self {
        Abi(format!("{}-node{modules}", Abi::of_machine().0))
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

/// The Node.js that starts servers here.
pub struct Node {
    command: Vec<OsString>,
    /// Its file, by what changes with every installation.
    identity: String,
}

impl Node {
    /// The one that `#!/usr/bin/env node` leads to, through the shims of version managers.
    pub fn find(host: &Host) -> Option<Self> {
        let found = runtime::resolve(&["node".into()], host).ok()?;
        let mut command = vec![found.program.into_os_string()];
        command.extend(found.argv.into_iter().skip(1));
        let mut hash = Sha256::new();
        for word in &command {
            hash.update(word.as_encoded_bytes());
            if let Ok(file) = fs::metadata(word) {
                let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
                let numbers = [file.dev(), file.ino(), file.size()];
                let times = times.map(i64::cast_unsigned);
                for number in numbers.into_iter().chain(times) {
                    hash.update(number.to_le_bytes());
                }
            }
            hash.update([0]);
        }
        let identity = hash.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(Node { command, identity })
    }

    /// What it said when it was asked, from `folder`; none if this file was not asked yet.
    pub fn known(&self, folder: &Path) -> Option<Abi> {
        let text = fs::read_to_string(self.note(folder)).ok()?;
        is_number(text.trim()).then(|| Abi::of_node(text.trim()))
    }

    /// Asks it, which `run` starts, and notes that in `folder`.
    ///
    /// # Errors
    /// It does not start, or does not know.
    pub fn ask(
        &self,
        folder: &Path,
        run: impl FnOnce(Vec<OsString>) -> Result<Outcome, Error>,
    ) -> Result<Abi, Error> {
        let node = quote(&self.command[0]);
        let mut command = self.command.clone();
        command.extend(["-p", "process.versions.modules"].map(OsString::from));
        let output = run(command)?;
        let said = output.stdout;
        if !is_number(said.trim()) {
            let why = last_lines(&output.stderr, 4);
            let message = format!("{node} does not tell which addons it takes:\n{why}");
            return Err(Error::setup(message).hint("does `node -p process.versions.modules` work?"));
        }
        // Without the note it is asked again. The file is whole or not there: two may do this at once.
        let note = self.note(folder);
        let beside = note.with_extension(format!("{}", std::process::id()));
        let _ = fs::write(&beside, said.trim()).and_then(|()| fs::rename(&beside, &note));
        Ok(Abi::of_node(said.trim()))
    }

    fn note(&self, folder: &Path) -> PathBuf {
        folder.join(format!("node-{}.abi", self.identity))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the interpreter behind an environment of Python is of the version that the environment was made for. After an
/// upgrade of the system its `bin/python` leads to another one, which looks into a folder that is not there.
pub fn same_python(environment: &Path) -> bool {
    let Ok(interpreter) = environment.join("bin/python").canonicalize() else {
        return false;
    };
    let name = interpreter
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or_default();
    // One without a version in its name is told apart by nothing that is cheap to read.
    !name.contains('.') || environment.join("lib").join(name).is_dir()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_environment_is_for_the_python_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("venv/bin")).unwrap();
        fs::create_dir_all(at("venv/lib/python3.11")).unwrap();
        assert!(!same_python(&at("venv")));
        for (name, same) in [("python3.11", true), ("python3.12", false), ("python3", true)] {
            fs::write(at(name), "").unwrap();
            let _ = fs::remove_file(at("venv/bin/python"));
            symlink(at(name), at("venv/bin/python")).unwrap();
            assert_eq!(same_python(&at("venv")), same, "{name}");
        }
    }

    #[test]
    fn a_node_is_another_one_after_its_file_changed() {
        let run = |command: Vec<OsString>| {
            let output = std::process::Command::new(&command[0])
                .args(&command[1..])
                .output()
                .unwrap();
            Ok(Outcome {
                succeeded: output.status.success(),
                stdout: String::from_utf8(output.stdout).unwrap(),
                stderr: String::new(),
                blocked: Vec::new(),
            })
        };
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("node");
        let host = Host {
            path: Some(folder.path().into()),
            home: folder.path().into(),
            cwd: folder.path().into(),
            ..Host::default()
        };
        let install = |says: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            fs::write(&node, format!("#!/bin/sh\necho {says}\n")).unwrap();
            fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
            Node::find(&host).unwrap()
        };
        let first = install("115");
        assert_eq!(first.known(folder.path()), None);
        let abi = first.ask(folder.path(), run).unwrap();
        assert!(abi.text().ends_with("-node115"), "{abi:?}");
        assert_eq!(first.known(folder.path()), Some(abi.clone()));
        let second = install("1270");
        assert_eq!(second.known(folder.path()), None);
        assert_ne!(second.ask(folder.path(), run).unwrap(), abi);
        assert!(install("nothing").ask(folder.path(), run).is_err());
    }
}
