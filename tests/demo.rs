//! The demo as a user runs it: it holds, it shows every attempt, and it leaves nothing behind.

#![allow(clippy::unwrap_used)] // helpers of tests count as none for clippy.toml

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;

/// `mcp-sandbox demo` with `temp` for its throw-away folder.
fn demo(temp: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-sandbox"));
    command.arg("demo").env("TMPDIR", temp).current_dir("/");
    command
}

/// A folder that every user may write to.
fn temp() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let temp = tempfile::tempdir().unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    temp
}

fn assert_nothing_is_left(temp: &Path) {
    let left: Vec<_> = fs::read_dir(temp)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

fn holds(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["summary"]["holds"], true);
    assert_eq!(json["summary"]["stopped"], json["summary"]["attempts"]);
    json
}

fn layer<'a>(json: &'a Value, attempt: &str) -> &'a str {
    let attempts = json["attempts"].as_array().unwrap();
    let row = attempts.iter().find(|row| row["attempt"] == attempt);
    row.unwrap()["layer"].as_str().unwrap()
}

#[test]
fn every_attempt_is_stopped() {
    let temp = temp();
    let json = holds(&demo(temp.path()).arg("--json").output().unwrap());
    assert!(json["attempts"].as_array().unwrap().len() >= 25);
    for (attempt, expected) in [
        ("read_ssh_key", "mount-namespace"),
        ("read_environment", "environment"),
        ("read_descriptor", "descriptors"),
        ("see_processes", "pid-namespace"),
        ("ask_name_server", "network-namespace"),
        ("mount", "seccomp"),
        ("clone3", "seccomp"),
    ] {
        assert_eq!(layer(&json, attempt), expected, "{attempt}");
    }
    assert_nothing_is_left(temp.path());
}

/// An ordinary user that does not exist in passwd and has no home; only root can become one.
#[test]
fn every_attempt_of_an_ordinary_user_is_stopped() {
    if !geteuid().is_root() {
        return every_attempt_is_stopped();
    }
    let temp = temp();
    // The program may lie where only its builder can go.
    let program = temp.path().join("mcp-sandbox");
    fs::copy(env!("CARGO_BIN_EXE_mcp-sandbox"), &program).unwrap();
    let folder = self::temp();
    let output = Command::new(&program)
        .args(["demo", "--json"])
        .env("TMPDIR", folder.path())
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .gid(65534)
        .uid(65534)
        .output()
        .unwrap();
    let json = holds(&output);
    assert_ne!(json["summary"]["succeed_bare"], 0);
    assert_nothing_is_left(folder.path());
}

#[test]
fn the_table_has_a_line_for_every_attempt_and_no_colours_in_a_pipe() {
    let temp = temp();
    let json = holds(&demo(temp.path()).arg("--json").output().unwrap());
    let output = demo(temp.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for row in json["attempts"].as_array().unwrap() {
        let title = row["title"].as_str().unwrap();
        assert!(
            text.lines().any(|line| line.trim_start().starts_with(title)),
            "{title}"
        );
    }
    let attempts = json["attempts"].as_array().unwrap().len();
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("{attempts} attempts: {attempts} stopped in the box, ")),
        "{last}"
    );
    assert!(!text.contains('\x1b'));
}

#[test]
fn it_plays_without_any_standard_stream() {
    let temp = temp();
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            "exec \"$0\" demo <&- >&- 2>&-",
            env!("CARGO_BIN_EXE_mcp-sandbox"),
        ])
        .env("TMPDIR", temp.path());
    assert!(command.status().unwrap().success());
    assert_nothing_is_left(temp.path());
}

/// Early and late: the folder goes away, and the exit code tells the signal.
#[test]
fn interrupted_it_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        for moment in ["", "home", "agent.sock"] {
            interrupt(signal, moment);
        }
    }
}

/// Sends the signal as soon as `moment` exists in the throw-away folder.
fn interrupt(signal: Signal, moment: &str) {
    let temp = temp();
    let mut child = demo(temp.path()).stdout(Stdio::null()).spawn().unwrap();
    let folder = || fs::read_dir(temp.path()).unwrap().next();
    while !folder().is_some_and(|folder| folder.unwrap().path().join(moment).exists()) {
        std::thread::yield_now();
    }
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(128 + signal as i32), "{status:?}");
    assert_nothing_is_left(temp.path());
}
