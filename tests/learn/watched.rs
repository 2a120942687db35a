//! A Python server in a project of the user's, and what it says: `label: result` line by line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{Host, binaries};

const PRELUDE: &str = r#"
import errno, os, socket, subprocess, sys

def attempt(label, act):
    try:
        result = act()
    except OSError as error:
        result = errno.errorcode.get(error.errno, str(error))
    print(f"{label}: {result}", flush=True)

def read(path):
    with open(os.path.expanduser(path)) as file:
        return file.read().strip()

def write(path):
    with open(os.path.expanduser(path), "w") as file:
        return file.write("x")

def reach(address):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        return connection.recv(100).decode()
"#;

/// The folder that the server is started in.
pub struct Project<'h> {
    pub host: &'h Host,
    pub folder: PathBuf,
}

/// How a run ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    lines: BTreeMap<String, String>,
    pub stderr: String,
}

impl<'h> Project<'h> {
    /// With a server of this text behind the prelude.
    pub fn new(host: &'h Host, server: &str) -> Self {
        let folder = host.directory("home/project");
        host.file("home/project/server.py", &format!("{PRELUDE}\n{server}"));
        Project { host, folder }
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = Path::new("home/project").join(name);
        if let Some(folder) = path.parent().and_then(Path::to_str) {
            self.host.directory(folder);
        }
        self.host.file(path.to_str().expect("UTF-8"), content)
    }

    /// The profile that was learned last.
    pub fn learned(&self) -> String {
        fs::read_to_string(self.folder.join("learned.toml")).expect("a profile was written")
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.host.command(program);
        command.current_dir(&self.folder);
        command
    }

    fn server(mut command: Command) -> Said {
        command.args(["python3", "server.py"]);
        Said::of(&command.output().expect("the program can be started"))
    }

    /// The server by itself.
    pub fn bare(&self) -> Said {
        let mut command = self.command("python3");
        Said::of(&command.arg("server.py").output().expect("python3"))
    }

    /// The server is learned from, with more variables in the client's environment.
    pub fn learn_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = self.command(&binaries().sandbox);
        command.args(["learn", "--force", "--output", "learned.toml"]);
        command.args(flags).arg("--").envs(variables.iter().copied());
        Self::server(command)
    }

    pub fn learn(&self, flags: &[&str]) -> Said {
        self.learn_with(flags, &[])
    }

    /// `learn` with words of its own.
    pub fn cli(&self, words: &[&str]) -> Said {
        let mut command = self.command(&binaries().sandbox);
        Said::of(&command.args(words).output().expect("the sandbox"))
    }

    /// What was learned is used as it was written, from another folder.
    pub fn run_learned(&self, variables: &[(&str, &str)]) -> Said {
        let mut command = self.host.command(&binaries().sandbox);
        command.args(["run", "--quiet", "--profile"]);
        command.arg(self.folder.join("learned.toml"));
        command.envs(variables.iter().copied());
        Said::of(&command.output().expect("the sandbox"))
    }

    /// `check` finds nothing.
    #[track_caller]
    pub fn check(&self) {
        let said = self.cli(&["check", "./learned.toml"]);
        assert_eq!(said.code, Some(0), "{said:#?}\n{}", self.learned());
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout);
        let lines = stdout.lines().filter_map(|line| line.split_once(": "));
        Said {
            code: output.status.code(),
            lines: lines.map(|(label, said)| (label.into(), said.into())).collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts exactly these results.
    #[track_caller]
    pub fn is(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|(label, said)| ((*label).into(), (*said).into()))
            .collect();
        assert_eq!(self.lines, expected, "{self:#?}");
    }

    /// The result of a label.
    #[track_caller]
    pub fn get(&self, label: &str) -> &str {
        let said = self.lines.get(label);
        said.unwrap_or_else(|| panic!("no {label:?}: {self:#?}"))
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.stderr.contains(text), "{text:?} in {}", self.stderr);
    }
}

/// The lines of a profile that hold, without their comments.
pub fn holding(profile: &str) -> String {
    let code = |line: &str| {
        let end = line.find("  # ").unwrap_or(line.len());
        (!line.trim_start().starts_with('#')).then(|| line[..end].to_owned())
    };
    profile.lines().filter_map(code).collect::<Vec<_>>().join("\n")
}
