//! What servers are written in runs in the default box.

use std::process::Command;

use crate::boxed::Case;

#[test]
fn shells_run_by_name_and_by_path() {
    let case = Case::new();
    for shell in ["/bin/sh", "sh", "bash"] {
        assert_eq!(
            case.cli(["run", "-q", "--", shell, "-c", "echo $((6 * 7))"]).ok(),
            "42\n"
        );
    }
}

#[test]
fn python_runs_through_env_with_its_modules() {
    let case = Case::new();
    let script = "import json, ssl, sqlite3, asyncio, subprocess, ctypes, hashlib\nprint(json.dumps(subprocess.check_output(['/bin/echo', 'x'], text=True)))";
    let words = ["run", "-q", "--", "/usr/bin/env", "python3", "-c", script];
    assert_eq!(case.cli(words).ok(), "\"x\\n\"\n");
    case.program("data/server", &format!("#!/usr/bin/env python3\n{script}\n"));
    assert_eq!(case.cli(["run", "-q", "--", "../data/server"]).ok(), "\"x\\n\"\n");
}

#[test]
fn node_runs_with_threads_and_children() {
    let case = Case::new();
    let script = "const { Worker } = require('worker_threads');
        new Worker('require(\"worker_threads\").parentPort.postMessage(1)', { eval: true })
            .on('message', n => console.log(n + 1, require('child_process').execSync('echo x').toString()));";
    assert_eq!(
        case.cli(["run", "-q", "--", "node", "-e", script]).ok(),
        "2 x\n\n"
    );
}

#[test]
fn git_works_on_a_folder_that_is_shown() {
    let case = Case::new();
    let git = |words: &[&str]| {
        let ours = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        let run = ["run", "-q", "--write", ".", "--", "git"];
        case.cli(run.iter().chain(&ours).chain(words))
    };
    // Its settings and hooks are not the server's to make.
    let refused = git(&["init", "-q"]);
    assert_eq!(refused.code, Some(128));
    refused.says(&["/.git/config: it can be read, not changed", "Permission denied"]);
    std::fs::remove_dir_all(case.path("work/.git")).unwrap();
    let made = Command::new("git")
        .args(["init", "-q", &case.text("work")])
        .status();
    assert!(made.is_ok_and(|made| made.success()));
    case.write("work/file", "x\n");
    git(&["add", "file"]).ok();
    git(&["commit", "-qm", "first"]).ok();
    assert_eq!(git(&["log", "--format=%s %an"]).ok(), "first a\n");
    let host = Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "-C",
            &case.text("work"),
            "log",
            "--format=%s",
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&host.stdout), "first\n", "{host:?}");
}

#[test]
fn a_long_listing_names_the_owner() {
    let case = Case::new();
    let out = case
        .cli([
            "run",
            "-q",
            "--read",
            "../data:/d",
            "--",
            "/bin/sh",
            "-c",
            "ls -la /d/file; id -un",
        ])
        .ok();
    let (listing, name) = out.trim().split_once('\n').unwrap();
    assert_eq!(listing.split_whitespace().nth(2), Some(name));
}

#[test]
fn every_folder_of_the_search_path_exists() {
    let case = Case::new();
    let out = case
        .default_sh("ls $(echo $PATH | tr : ' ') >/dev/null && echo all")
        .ok();
    assert_eq!(out, "all\n");
}
