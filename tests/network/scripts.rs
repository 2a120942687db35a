//! Python in the box and outside it: a script says `label: result` line by line.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use crate::common::{Host, binaries};
use crate::world::internet;

/// What every script begins with.
const PRELUDE: &str = include_str!("scripts/prelude.py");

/// What a script said.
#[derive(Debug)]
pub struct Said {
    pub lines: BTreeMap<String, String>,
    pub stderr: String,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {stdout}\n{stderr}", output.status);
        let line = |line: &str| {
            line.split_once(": ")
                .map(|(label, said)| (label.into(), said.into()))
        };
        Said {
            lines: stdout.lines().filter_map(line).collect(),
            stderr,
        }
    }

    /// The result of a label.
    #[track_caller]
    pub fn get(&self, label: &str) -> &str {
        let line = self.lines.get(label);
        line.unwrap_or_else(|| panic!("no {label:?}: {self:#?}"))
    }

    /// Asserts these results, all of them.
    #[track_caller]
    pub fn is(&self, expected: &[(&str, &str)]) {
        for (label, result) in expected {
            assert_eq!(&self.get(label), result, "{label}: {self:#?}");
        }
        assert_eq!(self.lines.len(), expected.len(), "{self:#?}");
    }

    /// Asserts that every result is one of these.
    #[track_caller]
    pub fn all_are(&self, results: &[&str]) {
        assert!(!self.lines.is_empty(), "{self:#?}");
        for (label, result) in &self.lines {
            assert!(results.contains(&result.as_str()), "{label}: {self:#?}");
        }
    }
}

/// A script in a box with these flags.
#[track_caller]
pub fn boxed(host: &Host, flags: &[&str], script: &str) -> Said {
    internet();
    let mut command = host.run(flags);
    command.arg("python3");
    said(command, script)
}

/// The same with the status line and the counts at the end.
#[track_caller]
pub fn aloud(host: &Host, flags: &[&str], script: &str) -> Said {
    internet();
    let mut command = host.command(&binaries().sandbox);
    command.arg("run").args(flags).args(["--", "python3"]);
    said(command, script)
}

/// The same outside.
#[track_caller]
pub fn bare(host: &Host, script: &str) -> Said {
    internet();
    said(host.command("python3"), script)
}

/// What is not hostile must not notice the box at all: the same script says the same in it. What it said.
#[track_caller]
pub fn same(host: &Host, flags: &[&str], script: &str) -> Said {
    let (bare, boxed) = (bare(host, script), boxed(host, flags, script));
    assert!(!bare.lines.is_empty(), "{bare:#?}");
    assert_eq!(bare.lines, boxed.lines, "in the box: {boxed:#?}");
    boxed
}

#[track_caller]
pub fn said(mut command: Command, script: &str) -> Said {
    end_with_this_thread(&mut command);
    let output = command.arg("-c").arg(format!("{PRELUDE}\n{script}")).output();
    Said::of(&output.expect("python3"))
}

/// A script that hangs must not outlive the tests.
pub fn end_with_this_thread(command: &mut Command) {
    // SAFETY: prctl is safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        })
    };
}

/// As flags of the command line.
pub fn allow<'a>(rules: &[&'a str]) -> Vec<&'a str> {
    rules.iter().flat_map(|rule| ["--allow", *rule]).collect()
}

/// A script that runs in a box, step by step.
pub struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// Starts a script in a box.
pub fn begin(host: &Host, flags: &[&str], script: &str) -> Running {
    internet();
    let mut command = host.run(flags);
    command
        .args(["python3", "-c"])
        .arg(format!("{PRELUDE}\n{script}"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the sandbox");
    let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    Running { child, output }
}

impl Running {
    /// Of the supervisor.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads the next line.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        let mut said = String::new();
        self.output.read_line(&mut said).expect("UTF-8");
        assert_eq!(said.trim_end(), line);
    }

    /// Ends the script's wait for a line.
    pub fn go_on(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("stdin is a pipe");
        stdin.write_all(b"\n").expect("the script waits");
    }

    /// Waits for a good end.
    #[track_caller]
    pub fn end(mut self) {
        assert!(self.child.wait().expect("our child").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
