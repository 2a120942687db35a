//! A user with a registry of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Host, binaries, slowness};

/// A registry, and a user whose package managers are told of it.
pub struct Stage {
    pub host: Host,
    folder: PathBuf,
    pub port: String,
    registry: Child,
}

/// What a command said and how it ended.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Stage {
    /// With the token of a private registry in the user's settings.
    pub fn new(host: Host) -> Self {
        let folder = host.directory("registry");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prepare/registry.py");
        let script = host.file("registry.py", &fs::read_to_string(script).expect("the script"));
        let mut command = host.command("python3");
        command.arg(&script).arg(&folder);
        let registry = command.spawn().expect("python3");
        let port = wait_for(&folder.join("port"));
        let stage = Stage {
            host,
            folder,
            port,
            registry,
        };
        let settings = format!(
            "registry=http://127.0.0.1:{0}/\n//127.0.0.1:{0}/:_authToken=${{REGISTRY_TOKEN}}\n\
             fetch-retries=0\nfetch-timeout=4000\naudit=false\nfund=false\nupdate-notifier=false\n",
            stage.port
        );
        stage.host.file("home/.npmrc", &settings);
        stage
    }

    /// What is wrong with the registry from now on, as `registry.py` has it.
    pub fn mode(&self, lines: &str) {
        self.host.file("registry/mode", lines);
    }

    /// What the registry was asked so far.
    pub fn asked(&self) -> String {
        fs::read_to_string(self.folder.join("asked")).unwrap_or_default()
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        let _ = fs::remove_file(self.folder.join("asked"));
    }

    /// From now on there is no registry.
    pub fn stop(&mut self) {
        self.registry.kill().expect("it runs");
        self.registry.wait().expect("it ends");
    }

    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.host.command(program);
        command.env("REGISTRY_TOKEN", "registry-s3cret");
        command.env("PIP_INDEX_URL", format!("http://127.0.0.1:{}/simple/", self.port));
        command.env("PIP_RETRIES", "0").env("PIP_TIMEOUT", "4");
        command
    }

    pub fn sandbox(&self, words: &[&str]) -> Command {
        let mut command = self.command(&binaries().sandbox);
        command.args(words);
        command
    }

    pub fn say(&self, words: &[&str]) -> Said {
        said(&self.sandbox(words).output().expect("the sandbox"))
    }

    /// Starts the server of the registry and gives its report.
    #[track_caller]
    pub fn serve(&self, flags: &[&str], package: &str) -> Value {
        let words = [
            &["run", "--quiet"],
            flags,
            &["--", "npx", "-y", package, &self.port],
        ]
        .concat();
        self.say(&words).report()
    }

    pub fn store(&self) -> PathBuf {
        self.host.home().join(".cache/mcp-sandbox/packages")
    }

    /// The folders of the packages that are there; names that end in `.turn` are only locks.
    pub fn prepared(&self, manager: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.store().join(manager))
            .into_iter()
            .flatten()
            .flatten();
        let paths = entries.map(|entry| entry.path());
        paths
            .filter(|path| path.extension().is_none_or(|end| end != "turn"))
            .collect()
    }

    pub fn lock(&self) -> PathBuf {
        self.host.home().join(".local/state/mcp-sandbox/mcp-sandbox.lock")
    }

    /// Nothing half-made, and nothing written down.
    #[track_caller]
    pub fn untouched(&self) {
        assert_eq!(self.prepared("npm"), Vec::<PathBuf>::new());
        assert!(!self.lock().exists());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.registry.kill();
        let _ = self.registry.wait();
    }
}

impl Said {
    /// One line of JSON on stdout.
    #[track_caller]
    pub fn report(&self) -> Value {
        let report = self
            .stdout
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok());
        report.unwrap_or_else(|| panic!("no report: {:?} {} {}", self.code, self.stdout, self.stderr))
    }

    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(125), "{} {}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        for word in words {
            assert!(self.stderr.contains(word), "{word}: {}", self.stderr);
        }
    }

    #[track_caller]
    pub fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{} {}", self.stdout, self.stderr);
        self
    }
}

pub fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

pub fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the sandbox")
}

/// The content of a file that another process makes.
pub fn wait_for(file: &Path) -> String {
    wait_until(|| fs::read_to_string(file).ok().filter(|text| !text.is_empty()))
}

/// What `look` finds, once it finds something.
#[track_caller]
pub fn wait_until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30) * slowness();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came");
        thread::sleep(Duration::from_millis(10));
    }
}
