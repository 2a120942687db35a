//! Killed at any system call: the file is whole, old or new, and the next run works.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use crate::boxed::Case;
use crate::config::{CURSOR, OWN, cursor, json, server};

/// Everything that makes, changes, moves or keeps a file.
const STEPS: [&str; 8] = [
    "openat",
    "?mkdir,mkdirat",
    "write",
    "fsync",
    "?chmod,fchmod,fchmodat,fchown",
    "?rename,?renameat,renameat2",
    "?unlink,unlinkat",
    "flock",
];

/// Our command, killed at the `turn`-th call of `step`. Whether it was.
fn killed(case: &Case, words: &[&str], step: &str, turn: usize) -> bool {
    let mut command = Command::new("strace");
    command
        .args(["-qq", "-o", "/dev/null", "-e"])
        .arg(format!("inject={step}:signal=KILL:when={turn}"))
        .arg(OWN)
        .args(words)
        .env_clear()
        .env("HOME", case.path("home"))
        .current_dir(case.path("work"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = command.status().unwrap();
    let killed = status.signal() == Some(9) || status.code() == Some(137);
    assert!(killed || status.success(), "{status:?} at {turn} of {step}");
    killed
}

#[test]
fn at_every_step_the_file_is_old_or_new() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    case.cli(["wrap", "cursor", "--yes"]).ok();
    let new = case.read(CURSOR);
    let (mut kills, mut of_old, mut of_new) = (0, 0, 0);
    for (words, before) in [("wrap", &old), ("unwrap", &new)] {
        for step in STEPS {
            for turn in 1.. {
                fs::remove_dir_all(case.path("home/.local")).unwrap();
                case.write(CURSOR, &old);
                if words == "unwrap" {
                    case.cli(["wrap", "cursor", "--yes"]).ok();
                }
                assert_eq!(&case.read(CURSOR), before);
                let done = !killed(&case, &[words, "cursor", "--yes"], step, turn);
                let text = case.read(CURSOR);
                assert!(text == old || text == new, "{words}, {turn} of {step}: {text}");
                *(if text == old { &mut of_old } else { &mut of_new }) += 1;
                // Whatever was left behind, both ways are open.
                case.cli(["wrap", "cursor", "--yes"]).ok();
                assert_eq!(json(&case)["mcpServers"]["a"]["command"], OWN);
                case.cli(["unwrap", "cursor", "--yes"]).ok();
                assert_eq!(case.read(CURSOR), old, "{words}, {turn} of {step}");
                assert_eq!(beside(&case), ["mcp.json"], "{words}, {turn} of {step}");
                if done {
                    break;
                }
                kills += 1;
            }
        }
    }
    // That it was killed on both sides of the change is what makes this a test.
    assert!(
        kills > 40 && of_old > 10 && of_new > 10,
        "{kills} kills, {of_old} old, {of_new} new"
    );
}

fn beside(case: &Case) -> Vec<String> {
    let entries = fs::read_dir(case.path("home/.cursor")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
