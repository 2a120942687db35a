//! A load in a box with limits, and what came of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{Host, words};

/// The end of a run.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub status: Value,
}

/// The flags of a run with these lines under `[resources]`, and of its status file.
pub fn flags(host: &Host, resources: &str) -> Vec<std::ffi::OsString> {
    let profile = host.file("limits.toml", &format!("version = 1\n[resources]\n{resources}\n"));
    words([
        &"-p",
        &profile,
        &"--status-file",
        &host.folder().join("status.json"),
    ])
}

/// Runs a Python script with these lines under `[resources]`.
pub fn python(host: &Host, resources: &str, script: &str) -> Outcome {
    python_with(host, resources, &[], script)
}

/// Runs a Python script with these lines under `[resources]` and more flags.
pub fn python_with(host: &Host, resources: &str, more: &[&str], script: &str) -> Outcome {
    run(host, resources, more, ["python3", "-c", script])
}

/// Runs a shell script with these lines under `[resources]` and more flags.
pub fn shell(host: &Host, resources: &str, more: &[&str], script: &str) -> Outcome {
    run(host, resources, more, ["sh", "-c", script])
}

fn run(host: &Host, resources: &str, more: &[&str], server: [&str; 3]) -> Outcome {
    let mut all = flags(host, resources);
    all.extend(more.iter().map(Into::into));
    let mut command = host.run(all);
    command.args(server);
    outcome(host, command)
}

/// Runs to the end.
pub fn outcome(host: &Host, mut command: Command) -> Outcome {
    let output = command.stderr(Stdio::piped()).output().expect("the sandbox");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
        status: status(host.folder()),
    }
}

fn status(folder: &Path) -> Value {
    let text = fs::read(folder.join("status.json")).expect("a status file");
    serde_json::from_slice(&text).expect("JSON")
}

impl Outcome {
    /// Asserts that the server did what it wanted to.
    #[track_caller]
    pub fn done(&self, out: &str) -> &Self {
        assert_eq!((self.code, self.out.as_str()), (Some(0), out), "{self:#?}");
        assert_eq!(self.status["limits_reached"], Value::Array(vec![]), "{self:#?}");
        self
    }

    /// Asserts that this limit was reached, and that stderr and the status file say so.
    #[track_caller]
    pub fn reached(&self, key: &str, value: &str) -> &Self {
        let line = format!("mcp-sandbox: limit reached: {key} = {value}");
        assert!(self.err.contains(&line), "{line:?} in {self:#?}");
        assert!(self.err.contains("limits.toml:3)"), "{self:#?}");
        let first = &self.status["limits_reached"][0];
        assert_eq!(
            (&first["limit"], &first["value"]),
            (&key.into(), &value.into()),
            "{self:#?}"
        );
        self
    }

    /// A number of the usage in the status file.
    #[track_caller]
    pub fn used(&self, key: &str) -> f64 {
        self.status["usage"][key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key} in {self:#?}"))
    }
}
