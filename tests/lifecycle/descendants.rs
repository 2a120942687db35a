//! Processes that a server leaves behind, and streams that they hold.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use crate::common::{gone_within_a_second, hosts, processes, unique};

/// Forked twice, in a session of its own, its parent gone: a daemon, as far as the box lets it be one.
fn daemon(marker: &str) -> String {
    format!("setsid sh -c '(exec sh -c \"echo daemon; sleep 1000; : {marker}\") & exit' & wait")
}

#[test]
fn a_daemon_ends_with_the_server() {
    for host in hosts() {
        let marker = unique("marker");
        let script = format!("{}; read line; exit 5", daemon(&marker));
        let mut command = host.run([""; 0]);
        let mut tool = command
            .args(["sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the daemon writes");
        assert_eq!(line, "daemon\n");
        assert!(!processes(&marker).is_empty());
        tool.stdin
            .take()
            .expect("a pipe")
            .write_all(b"\n")
            .expect("the server reads");
        // The daemon holds stdout, and the stream ends all the same.
        out.read_to_string(&mut line).expect("the stream ends");
        assert_eq!(tool.wait().expect("the tool is ours").code(), Some(5));
        assert_eq!(processes(&marker), Vec::<String>::new(), "nothing outlives us");
    }
}

#[test]
fn a_daemon_ends_with_the_supervisor() {
    for host in hosts() {
        let marker = unique("marker");
        let script = format!("{}; read line", daemon(&marker));
        let mut command = host.run([""; 0]);
        let mut tool = command
            .args(["sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
        out.read_line(&mut String::new()).expect("the daemon writes");
        tool.kill().expect("the tool runs");
        out.read_to_string(&mut String::new()).expect("the stream ends");
        tool.wait().expect("the tool is ours");
        gone_within_a_second(&marker);
    }
}

#[test]
fn control_a_bare_daemon_outlives_the_shell() {
    for host in hosts() {
        let marker = unique("marker");
        let mut shell = host.command("sh");
        shell
            .arg("-c")
            .arg(format!("{}; exit 5", daemon(&marker)))
            .stdout(Stdio::piped());
        let mut shell = shell.spawn().expect("a shell");
        let mut out = BufReader::new(shell.stdout.take().expect("a pipe"));
        out.read_line(&mut String::new()).expect("the daemon writes");
        shell.wait().expect("the shell is ours");
        let left = processes(&marker);
        assert!(!left.is_empty());
        for line in left {
            let pid = line
                .split(' ')
                .next()
                .expect("a number")
                .parse()
                .expect("a number");
            let _ = nix::sys::signal::killpg(
                nix::unistd::getpgid(Some(pid_of(pid))).expect("a group"),
                nix::sys::signal::SIGKILL,
            );
        }
    }
}

fn pid_of(number: i32) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(number)
}

/// The client sees what the server does to its stream: neither we nor init hold a copy.
#[test]
fn the_client_sees_the_end_of_a_stream_that_the_server_closes() {
    for host in hosts() {
        let mut command = host.run([""; 0]);
        let mut tool = command
            .args(["sh", "-c", "echo bye; exec 1>&-; read line; exit 8"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        let mut text = String::new();
        tool.stdout
            .take()
            .expect("a pipe")
            .read_to_string(&mut text)
            .expect("the stream ends");
        assert_eq!(text, "bye\n");
        assert!(
            tool.try_wait().expect("the tool is ours").is_none(),
            "it still runs"
        );
        tool.stdin
            .take()
            .expect("a pipe")
            .write_all(b"\n")
            .expect("the server reads");
        assert_eq!(tool.wait().expect("the tool is ours").code(), Some(8));
    }
}
