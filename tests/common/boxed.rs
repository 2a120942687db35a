//! A throw-away user for end-to-end tests: a home, a working folder, a profile, and the program run among them.
//!
//! The environment is empty but for `PATH` and `HOME`, so that nothing depends on who runs the tests.

#![allow(dead_code)] // each test program uses its part

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where programs of the tests come from.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The folders `home` (`$HOME`), `work` (the current folder), `conf` (holds `p.toml`) and `data`, which has a `file`.
pub struct Case {
    folder: tempfile::TempDir,
}

/// What the program said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The profile of a [`Case`], as it is named on the command line.
pub const PROFILE: &str = "../conf/p.toml";

impl Case {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("case")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let case = Case { folder };
        for part in ["home", "work", "conf", "data"] {
            case.folder(part);
        }
        case.write("data/file", "data\n");
        case.profile("");
        case
    }

    /// A path of the case, free of symbolic links.
    pub fn path(&self, part: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(part)
    }

    /// The same as text.
    pub fn text(&self, part: &str) -> String {
        self.path(part).to_str().unwrap().to_owned()
    }

    pub fn folder(&self, part: &str) -> PathBuf {
        fs::create_dir_all(self.path(part)).unwrap();
        self.path(part)
    }

    pub fn write(&self, part: &str, text: &str) -> PathBuf {
        let path = self.path(part);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn program(&self, part: &str, text: &str) -> PathBuf {
        let path = self.write(part, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub fn read(&self, part: &str) -> String {
        fs::read_to_string(self.path(part)).unwrap()
    }

    pub fn exists(&self, part: &str) -> bool {
        self.path(part).symlink_metadata().is_ok()
    }

    pub fn mode(&self, part: &str) -> u32 {
        fs::metadata(self.path(part)).unwrap().permissions().mode() & 0o7777
    }

    /// Writes the profile [`PROFILE`]: `version = 1`, then `text` from line 2 on.
    pub fn profile(&self, text: &str) {
        self.write("conf/p.toml", &format!("version = 1\n{text}\n"));
    }

    /// Writes a profile that the user has by name.
    pub fn named_profile(&self, name: &str, text: &str) {
        let file = format!("home/.config/mcp-sandbox/profiles/{name}.toml");
        self.write(&file, &format!("version = 1\n{text}\n"));
    }

    /// The program with these words, not started.
    pub fn command<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-sandbox"));
        command
            .args(words)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.path("home"))
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        command
    }

    pub fn cli<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Said {
        said(self.command(words).output().unwrap())
    }

    /// A shell script in a box with [`PROFILE`].
    pub fn sh(&self, script: &str) -> Said {
        self.sh_with(&[], script)
    }

    /// The same with more flags.
    pub fn sh_with(&self, flags: &[&str], script: &str) -> Said {
        let run = ["run", "--quiet", "-p", PROFILE];
        let server = ["--", "/bin/sh", "-c", script];
        self.cli(run.iter().chain(flags).chain(&server))
    }

    /// A shell script in the box that has nothing asked for.
    pub fn default_sh(&self, script: &str) -> Said {
        self.cli(["run", "--quiet", "--", "/bin/sh", "-c", script])
    }

    /// A Python script in a box with [`PROFILE`].
    pub fn python(&self, script: &str) -> Said {
        self.cli(["run", "--quiet", "-p", PROFILE, "--", "python3", "-c", script])
    }

    /// `check` of [`PROFILE`].
    pub fn check(&self) -> Said {
        self.cli(["check", PROFILE])
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Said {
    /// What was printed by a run that ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// Asserts that the server ran and failed by itself, with these words among the errors.
    #[track_caller]
    pub fn failed(self, words: &str) {
        let by_itself = self.code.is_some_and(|code| code != 0 && code < 124);
        assert!(by_itself && self.err.contains(words), "{words:?} in {self:#?}");
    }

    /// Asserts that nothing was started, and that the error says each of these.
    #[track_caller]
    pub fn refused(self, parts: &[&str]) {
        assert_eq!(self.code, Some(125), "{self:#?}");
        assert_eq!(self.out, "", "nothing is started");
        self.says(parts);
    }

    /// Asserts that each of these is on stderr.
    #[track_caller]
    pub fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} in:\n{}", self.err);
        }
    }
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
