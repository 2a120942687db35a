//! Signals to us reach the server's process group; then there is a time of grace; then the box ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Host, hosts, processes, unique};

/// A server that has said `ready`.
struct Server {
    tool: Child,
    out: BufReader<ChildStdout>,
    started: Instant,
}

impl Server {
    fn start(host: &Host, flags: &[&str], script: &str) -> Self {
        let mut command = host.run(flags);
        command
            .args(["sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut tool = command.spawn().expect("the sandbox");
        let out = BufReader::new(tool.stdout.take().expect("a pipe"));
        let mut server = Server {
            tool,
            out,
            started: Instant::now(),
        };
        assert_eq!(server.line(), "ready");
        server.started = Instant::now();
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("the server writes");
        line.trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.tool.id() as i32), signal).expect("the tool runs");
    }

    /// The code, all that the server still wrote, and the time since it was ready.
    fn end(mut self) -> (Option<i32>, String, Duration) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("text");
        let status = self.tool.wait().expect("the tool is ours");
        (status.code(), rest, self.started.elapsed())
    }
}

#[test]
fn each_stopping_signal_reaches_a_server_that_traps_it() {
    for host in hosts() {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            let name = signal.as_str().trim_start_matches("SIG");
            let script = format!(
                "trap 'echo got {name}; exit 9' {name}; echo ready; while :; do read x || wait; done"
            );
            let server = Server::start(&host, &[], &script);
            server.signal(signal);
            let (code, rest, _) = server.end();
            assert_eq!((code, rest.as_str()), (Some(9), &*format!("got {name}\n")));
        }
    }
}

/// Not only the server itself: the program that `npx` started must hear of it too.
#[test]
fn the_whole_process_group_gets_the_signal() {
    for host in hosts() {
        let inner = "trap \"echo inner; exit\" TERM; echo ready; while :; do read x; done";
        let script =
            format!("trap 'wait; echo outer; exit 3' TERM; (trap - TERM; exec sh -c '{inner}') & wait");
        // The shell gives a background command /dev/null as stdin; `read` then fails and the loop spins, which ends.
        let server = Server::start(&host, &[], &script.replace("read x", "sleep 0.01"));
        server.signal(Signal::SIGTERM);
        let (code, rest, _) = server.end();
        assert_eq!((code, rest.as_str()), (Some(3), "inner\nouter\n"));
    }
}

#[test]
fn other_signals_are_passed_on_and_end_nothing() {
    for host in hosts() {
        let script =
            "trap 'echo usr1' USR1; trap 'echo usr2; exit 4' USR2; echo ready; while :; do sleep 0.01; done";
        let mut server = Server::start(&host, &["--grace", "1ms"], script);
        server.signal(Signal::SIGUSR1);
        assert_eq!(server.line(), "usr1");
        server.signal(Signal::SIGUSR2);
        assert_eq!(server.end().0, Some(4));
    }
}

#[test]
fn after_the_grace_time_the_box_ends() {
    for host in hosts() {
        let marker = unique("marker");
        let script =
            format!("trap '' TERM; (sleep 1000; : {marker}) & echo ready; while :; do sleep 0.01; done");
        let server = Server::start(&host, &["--grace", "300ms"], &script);
        assert!(!processes(&marker).is_empty(), "the search finds a box that runs");
        server.signal(Signal::SIGTERM);
        let (code, _, time) = server.end();
        assert_eq!(code, Some(137));
        assert!(
            time >= Duration::from_millis(300) && time < Duration::from_secs(3),
            "{time:?}"
        );
        assert_eq!(processes(&marker), Vec::<String>::new());
    }
}

#[test]
fn a_second_stopping_signal_ends_the_box_at_once() {
    for host in hosts() {
        let script = "trap 'echo first' TERM; echo ready; while :; do sleep 0.01; done";
        let mut server = Server::start(&host, &["--grace", "1h"], script);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.line(), "first");
        server.signal(Signal::SIGTERM);
        let (code, _, time) = server.end();
        assert_eq!(code, Some(137));
        assert!(time < Duration::from_secs(3), "{time:?}");
    }
}

/// The protocol's way to say goodbye; a server may still have work to do then.
#[test]
fn the_end_of_stdin_is_the_servers_to_handle() {
    for host in hosts() {
        let script = "echo ready; while read line; do :; done; echo end of input; sleep 0.05; exit 6";
        let mut server = Server::start(&host, &[], script);
        drop(server.tool.stdin.take());
        let (code, rest, _) = server.end();
        assert_eq!((code, rest.as_str()), (Some(6), "end of input\n"));
    }
}
