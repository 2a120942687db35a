//! kill -9 of whoever stands between: no process, mount, file or control group is left.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::groups;
use crate::common::mounts::PrivateTmp;
use crate::common::{NO_FLAGS, gone_within_a_second, hosts, processes, unique, words};

/// More moments than the set-up has steps.
const MOMENTS: u32 = 64;

/// From the first instant to beyond the end of the set-up.
#[test]
fn the_supervisor_can_be_killed_at_any_moment_of_the_start() {
    for host in hosts() {
        let tmp = PrivateTmp::new(&host);
        let marker = unique("marker");
        let script = format!("echo ready; sleep 1000; : {marker}");
        let run = || {
            let mut command = tmp.run(&host, NO_FLAGS);
            command.args(["sh", "-c", &script]).stdout(Stdio::piped());
            command
        };
        // How long a start takes here, and the control: the marker is found while the box runs.
        let start = Instant::now();
        let mut tool = run().spawn().expect("the sandbox");
        let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
        out.read_line(&mut String::new()).expect("the server runs");
        let whole = start.elapsed();
        assert!(!processes(&marker).is_empty());
        tool.kill().expect("the tool runs");
        tool.wait().expect("the tool is ours");
        gone_within_a_second(&marker);

        let strange = groups::left();
        let before = (tmp.contents(), tmp.mounts(), host_mounts());
        for moment in 0..MOMENTS {
            let until = Instant::now() + whole * moment / (MOMENTS * 4 / 5);
            let mut tool = run().spawn().expect("the sandbox");
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            tool.kill().expect("the tool runs");
            tool.wait().expect("the tool is ours");
        }
        gone_within_a_second(&marker);
        groups::none_left_but(&strange, Duration::from_secs(2));
        assert_eq!(before, (tmp.contents(), tmp.mounts(), host_mounts()));
    }
}

/// Without the propagation of other tests' namespaces there is nothing else that mounts while we look.
fn host_mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("mountinfo")
}

/// Runs a box below a client and kills one of the three; the box must end with it.
fn killing(host: &crate::common::Host, client: &mut Command, victim: fn(&str, u32) -> i32) {
    let marker = unique("marker");
    let mut run = host.run(NO_FLAGS);
    // `npx` in between: a process that waits for the one that does the work.
    run.args([
        "sh",
        "-c",
        &format!("sh -c 'echo ready; while read line; do :; done; : {marker}' inner; exit"),
    ]);
    client.arg(run.get_program()).args(run.get_args());
    let mut client = client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client");
    let mut out = BufReader::new(client.stdout.take().expect("a pipe"));
    out.read_line(&mut String::new()).expect("the server runs");
    let pid = nix::unistd::Pid::from_raw(victim(&marker, client.id()));
    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).expect("the victim runs");
    // What the client held goes with it, so that the server's stdin ends.
    drop(client.stdin.take());
    client.wait().expect("the client is ours");
    gone_within_a_second(&marker);
}

#[test]
fn nothing_outlives_the_supervisor() {
    for host in hosts() {
        killing(&host, host.command("env").arg("A=b"), |_, client| client as i32);
    }
}

/// A client that is killed closes our stdin, and a server ends at that. One that does not stays, with its box.
#[test]
fn nothing_outlives_the_client() {
    for host in hosts() {
        let mut client = host.command("sh");
        client.args(["-c", "\"$@\"; :", "client"]);
        killing(&host, &mut client, |_, client| client as i32);
    }
}

#[test]
fn nothing_outlives_a_process_in_between() {
    for host in hosts() {
        killing(&host, host.command("env").arg("A=b"), |marker, _| {
            // The outer shell: its command line holds the marker and `inner`, and is not the innermost one.
            let all = processes(marker);
            let outer = all
                .iter()
                .find(|line| line.contains(" sh -c sh -c "))
                .expect("the process in between");
            outer
                .split(' ')
                .next()
                .expect("a number")
                .parse()
                .expect("a number")
        });
    }
}

/// A box that nobody has killed stays.
#[test]
fn control_a_box_stays_while_all_live() {
    for host in hosts() {
        let marker = unique("marker");
        let mut tool = host
            .run(words([&"--grace", &"1s"]))
            .args(["sh", "-c", &format!("echo ready; read line; : {marker}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
        out.read_line(&mut String::new()).expect("the server runs");
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            assert!(!processes(&marker).is_empty());
        }
        drop(tool.stdin.take());
        tool.wait().expect("the tool is ours");
        gone_within_a_second(&marker);
    }
}
