//! What the server makes us say: no control characters, and never so much that we wait for a client that does not read.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{NO_FLAGS, answer, binaries, hosts, slowness};

#[test]
fn names_on_stderr_hold_no_control_characters() {
    for host in hosts() {
        let ask = |hex: &str| {
            let mut command = host.run(NO_FLAGS);
            command.arg(&binaries().probe).args(["ask-name", hex]);
            answer(command)
        };
        // "plain"
        let plain = ask("706c61696e");
        assert!(plain.stderr.contains("blocked: plain: "), "{plain:?}");
        // ESC [2J, a line of our own, a NUL, a C1 control in UTF-8, a dot in the label.
        for hex in [
            "611b5b324a62",
            "0a6d63702d73616e64626f783a20",
            "6100",
            "c29b32",
            "612e62",
        ] {
            let asked = ask(hex);
            assert_eq!(asked.done(), "code 3");
            assert_eq!(asked.stderr, "", "{asked:?}");
        }
    }
}

/// The server fills the pipe with lines of ours until the one at the end does not fit.
#[test]
fn a_client_that_does_not_read_does_not_keep_us_from_ending() {
    for host in hosts() {
        let mut command = host.command(&binaries().sandbox);
        command.args(["run", "--"]).arg(&binaries().probe);
        command.args(["ask-names", "256"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the sandbox");
        let end = Instant::now() + Duration::from_secs(20) * slowness();
        while child.try_wait().expect("a child").is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(50));
        }
        let ended = child.try_wait().expect("a child");
        let _ = child.kill();
        let output = child.wait_with_output().expect("its end");
        assert_eq!(ended.and_then(|status| status.code()), Some(0));
        // Nearly full: what stands there is more than a pipe holds without the line at the end.
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            text.len() > 40_000 && text.contains("blocked in all: "),
            "{}",
            text.len()
        );
    }
}
