//! `resources.timeout` and `resources.idle`: the graceful stop, then the kill, and exit code 124.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Host, hosts};
use crate::loads::{Outcome, flags, outcome, shell};

#[test]
fn the_time_of_a_session() {
    let script = "trap 'echo asked; exit 3' TERM; sleep 3 & wait; echo whole";
    for host in hosts() {
        shell(&host, "timeout = \"1h\"", &[], script).done("whole\n");
        let outcome = shell(&host, "timeout = \"500ms\"", &[], script);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(124), "asked\n"),
            "{outcome:#?}"
        );
        outcome.reached("timeout", "500ms");
        assert_eq!(outcome.status["outcome"], "timed-out");
        assert_eq!(outcome.status["server_exit_code"], 3);
        assert!(outcome.used("wall_seconds") < 2.5, "{outcome:#?}");
    }
}

#[test]
fn a_server_that_does_not_listen_is_killed_after_the_grace() {
    let script = "trap '' TERM; while :; do sleep 0.1; done";
    for host in hosts() {
        let start = Instant::now();
        let outcome = shell(&host, "timeout = \"300ms\"", &["--grace", "300ms"], script);
        assert_eq!(outcome.code, Some(124), "{outcome:#?}");
        assert_eq!(outcome.status["signal"], 9);
        assert!((Duration::from_millis(600)..Duration::from_secs(5)).contains(&start.elapsed()));
    }
}

/// The server's own code 124 is no time-out.
#[test]
fn control_the_servers_own_124() {
    for host in hosts() {
        let outcome = shell(&host, "timeout = \"1h\"", &[], "exit 124");
        assert_eq!(outcome.code, Some(124));
        assert_eq!(outcome.status["outcome"], "exited");
    }
}

/// `client | box | cat` with pipes that belong to the user, as clients make them.
fn piped(host: &Host, resources: &str, client: &str, server: &str) -> Outcome {
    let mut run = host.run(flags(host, resources));
    run.args(["sh", "-c", server]);
    let mut command: Command = host.command("bash");
    let script = format!("set -o pipefail; ({client}) | \"$@\" | cat");
    command
        .args(["-c", &script, "client"])
        .arg(run.get_program())
        .args(run.get_args());
    outcome(host, command)
}

const ECHO: &str = "while read line; do echo $line; done";

#[test]
fn silence_ends_a_session_and_words_keep_it() {
    for host in hosts() {
        let speaking = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done";
        piped(&host, "idle = \"1500ms\"", speaking, ECHO).done("1\n2\n3\n4\n5\n6\n");
        let silent = "echo 1; sleep 4";
        let outcome = piped(&host, "idle = \"1500ms\"", silent, ECHO);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(124), "1\n"),
            "{outcome:#?}"
        );
        outcome.reached("idle", "1500ms");
        piped(&host, "idle = \"1h\"", silent, ECHO).done("1\n");
    }
}

/// A server that speaks by itself is not idle.
#[test]
fn what_the_server_says_counts() {
    let notifying = "for i in 1 2 3 4; do echo $i; sleep 0.7; done";
    for host in hosts() {
        piped(&host, "idle = \"1500ms\"", "sleep 4", notifying).done("1\n2\n3\n4\n");
    }
}

/// A leak that nobody talks to any more does not go on for ever, whatever it does inside.
#[test]
fn a_slow_leak_ends_with_the_idle_time() {
    let leak = "python3 -c '
import time
kept = []
while True:
    kept.append(bytearray(100_000))
    open(\"/tmp/log\", \"a\").write(\"x\")
    time.sleep(0.01)'";
    for host in hosts() {
        let outcome = piped(&host, "idle = \"1s\"", "sleep 6", leak);
        assert_eq!(outcome.code, Some(124), "{outcome:#?}");
        outcome.reached("idle", "1s");
    }
}

/// We hold no end of the streams open while we listen.
#[test]
fn the_client_still_sees_a_stream_that_the_server_closes() {
    for host in hosts() {
        let server = "exec 1>&-; sleep 2";
        let client = "cat /dev/zero | head -c 1 >/dev/null";
        let mut run = host.run(flags(&host, "idle = \"1h\""));
        run.args(["sh", "-c", server]);
        let script = format!("{client}; \"$@\" | (cat; date +%s%N >seen); date +%s%N >ended");
        let mut command = host.command("bash");
        command
            .args(["-c", &script, "client"])
            .arg(run.get_program())
            .args(run.get_args());
        outcome(&host, command).done("");
        let nanos = |name: &str| -> u64 {
            let text = std::fs::read_to_string(host.folder().join(name)).expect("a time");
            text.trim().parse().expect("a number")
        };
        assert!(
            nanos("ended") - nanos("seen") > 1_000_000_000,
            "the end was seen at once"
        );
    }
}

/// A server that speaks faster than anybody can listen, to itself if need be: the other limits hold all the same.
#[test]
fn a_flood_of_traffic_keeps_nobody_from_looking_at_the_clock() {
    let script = "\
import os, threading
def speak():
    while True:
        os.pwrite(1, b'x', 0)
for i in range(3):
    threading.Thread(target=speak).start()";
    for host in hosts() {
        let file = host.file("spoken.txt", "");
        let mut flags = flags(&host, "timeout = \"1s\"\nidle = \"1h\"");
        flags.extend(["--grace", "0s"].map(Into::into));
        let mut command = host.run(flags);
        command.args(["python3", "-c", script]);
        let spoken = std::fs::File::options().write(true).open(file);
        let start = Instant::now();
        let status = command
            .stdin(std::process::Stdio::null())
            .stdout(spoken.expect("it was made"))
            .status();
        assert_eq!(status.expect("the sandbox").code(), Some(124));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
