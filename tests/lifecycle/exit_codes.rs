//! The server's end as ours, and the status file that tells it apart from our own errors.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::{Host, NO_FLAGS, hosts, words};

/// Runs with a status file; the code, stderr and what the file says.
fn run(host: &Host, flags: &[&str], server: &[&str]) -> (Output, Value) {
    let file = host.folder().join("status.json");
    let _ = fs::remove_file(&file);
    let mut all = words([&"--status-file", &file]);
    all.extend(flags.iter().map(Into::into));
    let output = host.run(all).args(server).output().expect("the sandbox");
    let status = fs::read(&file).expect("a status file");
    (output, serde_json::from_slice(&status).expect("JSON"))
}

#[test]
fn the_servers_code_is_ours() {
    for host in hosts() {
        for code in [0, 1, 7, 124, 125, 126, 127, 130, 255] {
            let (output, status) = run(&host, &[], &["sh", "-c", &format!("exit {code}")]);
            assert_eq!(output.status.code(), Some(code));
            assert_eq!(status["outcome"], "exited");
            assert_eq!(status["exit_code"], code);
            assert_eq!(status["server_exit_code"], code);
            assert!(output.stderr.is_empty() && output.stdout.is_empty(), "{output:?}");
        }
    }
}

#[test]
fn a_signal_is_128_and_its_number() {
    for host in hosts() {
        for (name, number) in [("KILL", 9), ("SEGV", 11), ("TERM", 15)] {
            let (output, status) = run(&host, &[], &["sh", "-c", &format!("kill -{name} $$")]);
            assert_eq!(output.status.code(), Some(128 + number));
            assert_eq!(status["outcome"], "signaled");
            assert_eq!(status["signal"], number);
            assert_eq!(status.get("server_exit_code"), None);
        }
    }
}

#[test]
fn what_cannot_be_started_has_codes_of_its_own() {
    for host in hosts() {
        let plain = host.file("plain", "#!/bin/sh\n").display().to_string();
        let (output, status) = run(&host, &["--read", &plain], &[&plain]);
        assert_eq!(
            (output.status.code(), &status["outcome"]),
            (Some(126), &"not-executable".into()),
            "{output:?}"
        );
        let (output, status) = run(&host, &[], &["no-such-program-anywhere"]);
        assert_eq!(
            (output.status.code(), &status["outcome"]),
            (Some(127), &"not-found".into()),
            "{output:?}"
        );
        let (output, status) = run(&host, &["--read", "/no/such/folder"], &["true"]);
        assert_eq!(
            (output.status.code(), &status["outcome"]),
            (Some(125), &"setup-failed".into()),
            "{output:?}"
        );
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("hint: "),
            "{output:?}"
        );
        assert!(
            status["error"]
                .as_str()
                .expect("text")
                .contains("/no/such/folder")
        );
        // The server may use the same codes: the file tells the difference.
        let (output, status) = run(&host, &[], &["sh", "-c", "exit 127"]);
        assert_eq!(
            (output.status.code(), &status["outcome"]),
            (Some(127), &"exited".into())
        );
    }
}

#[test]
fn a_full_disk_for_the_status_file_changes_no_code() {
    for host in hosts() {
        let mut command = host.run(["--status-file", "/dev/full"]);
        let output = command
            .args(["sh", "-c", "echo out; exit 7"])
            .output()
            .expect("the sandbox");
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert_eq!(output.stdout, b"out\n");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("cannot write the status file"), "{text}");
        let output = host
            .run(["--status-file", "/no/such/folder/file"])
            .arg("true")
            .output()
            .expect("the sandbox");
        assert_eq!(output.status.code(), Some(125), "{output:?}");
    }
}

/// A client may start us without one or more of the standard streams.
#[test]
fn closed_standard_streams_do_no_harm() {
    for host in hosts() {
        for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let file = host.folder().join("status.json");
            let mut run = host.run(words([&"--status-file", &file]));
            run.args(["sh", "-c", "exit 7"]);
            let mut command: Command = host.command("sh");
            command.arg("-c").arg(format!("exec \"$@\" {closed}")).arg("sh");
            command.arg(run.get_program()).args(run.get_args());
            let output = command.output().expect("a shell");
            assert_eq!(output.status.code(), Some(7), "{closed}: {output:?}");
        }
    }
}

#[test]
fn without_quiet_one_line_says_what_holds() {
    for host in hosts() {
        let mut command = host.command(&crate::common::binaries().sandbox);
        let output = command.args(["run", "--", "true"]).output().expect("the sandbox");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.starts_with("mcp-sandbox: profile ") && text.contains("tier namespaces"),
            "{text}"
        );
        assert!(output.stdout.is_empty());
        let output = host.run(NO_FLAGS).arg("true").output().expect("the sandbox");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}
