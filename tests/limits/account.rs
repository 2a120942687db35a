//! What is told: the mechanisms before a run, the peaks after it.

use serde_json::Value;

use crate::common::{binaries, hosts, slowness};
use crate::loads::{flags, python, shell};

#[test]
fn every_run_has_its_peaks_in_the_status_file() {
    let script = "\
import os, threading, time
kept = bytearray(50_000_000)
threads = [threading.Thread(target=time.sleep, args=(0.8,)) for i in range(4)]
for thread in threads: thread.start()
end = time.process_time() + 0.2
while time.process_time() < end: pass
file = os.open('/w/file', os.O_WRONLY | os.O_CREAT)
os.write(file, b'x' * 5_000_000)
os.fsync(file)
for thread in threads: thread.join()";
    for host in hosts() {
        let folder = host.directory("out");
        let mount = format!("{}:/w", folder.display());
        let mut all = flags(&host, "");
        all.extend(["--write".into(), mount.into(), "--stats".into()]);
        let mut command = host.run(all);
        command.args(["python3", "-c", script]);
        let outcome = crate::loads::outcome(&host, command);
        outcome.done("");
        assert!(
            (50e6..200e6).contains(&outcome.used("memory_peak_bytes")),
            "{outcome:#?}"
        );
        let most = 5.0 * f64::from(slowness());
        assert!((0.2..most).contains(&outcome.used("cpu_seconds")), "{outcome:#?}");
        assert_eq!(outcome.used("processes_peak"), 5.0, "{outcome:#?}");
        assert!(
            (5e6..8e6).contains(&outcome.used("written_bytes")),
            "{outcome:#?}"
        );
        assert!(outcome.used("wall_seconds") > 0.8);
        assert!(outcome.err.starts_with("mcp-sandbox: used "), "{outcome:#?}");
        assert_eq!(outcome.err.lines().count(), 1);
    }
}

#[test]
fn the_default_box_has_limits_and_says_by_what() {
    for host in hosts() {
        let mut command = host.command(&binaries().sandbox);
        let output = command.args(["run", "--", "true"]).output().expect("the sandbox");
        let line = String::from_utf8_lossy(&output.stderr);
        for part in [
            "limits: memory 2GiB (",
            "processes 256 (",
            "disk 1GiB (tmpfs and supervisor)",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        // What the status line names is what explain names.
        let mut command = host.command(&binaries().sandbox);
        let output = command
            .args(["explain", "--json", "--", "true"])
            .output()
            .expect("the sandbox");
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for limit in json["limits"].as_array().expect("limits") {
            let by = limit["by"].as_str().expect("a mechanism").replace('-', " ");
            let part = format!(
                "{} {} ({by})",
                limit["kind"].as_str().expect("a kind"),
                limit["value"].as_str().expect("a value")
            );
            assert!(line.contains(&part), "{part} in {line}");
            assert!(
                limit["reason"]
                    .as_str()
                    .expect("a reason")
                    .starts_with("built-in profile default:")
            );
        }
    }
}

/// A child that was killed is the server's to deal with: the run goes on, and its end is the server's own.
#[test]
fn a_limit_that_was_reached_on_the_way_is_told_at_the_end() {
    for host in hosts() {
        let hog = "python3 -c 'import time; kept = [bytearray(2_000_000) for i in range(150)]; time.sleep(1)'; echo $?; exit 7";
        let outcome = shell(&host, "memory = \"100MB\"", &[], hog);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(7), "137\n"),
            "{outcome:#?}"
        );
        outcome.reached("memory", "100MB");
        assert_eq!(outcome.status["outcome"], "exited");
        assert_eq!(outcome.status["limits_reached"][0]["ended"], false);
    }
}

#[test]
fn control_nothing_is_reached_by_a_small_server() {
    for host in hosts() {
        let outcome = python(
            &host,
            "memory = \"200MB\"\nprocesses = 30\ncpu = \"100%\"",
            "print('small')",
        );
        outcome.done("small\n");
        assert_eq!(outcome.err, "");
    }
}
