//! `run -- bash` at a terminal: a usable shell in a session of its own.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, tcflow};
use nix::unistd::Pid;

use crate::common::pty::{self, Master};
use crate::common::{Host, NO_FLAGS, hosts};

fn shell(host: &Host) -> (Child, Master) {
    let mut command = host.run(NO_FLAGS);
    command
        .args(["bash", "--norc", "--noprofile", "-i"])
        .env("TERM", "dumb");
    let mut master = pty::controlling_terminal(&mut command);
    let child = command.spawn().expect("the sandbox");
    drop(command);
    // The word is split where it is typed, so that its echo is not taken for its answer.
    master.write("PS1='pro''mpt> '\n");
    master.expect("prompt> ");
    (child, master)
}

#[test]
fn the_terminal_is_the_boxes_own() {
    for host in hosts() {
        let (mut child, mut master) = shell(&host);
        master.write("tty\n");
        master.expect("/dev/pts/0\r\n");
        master.write("ls /dev/pts\n");
        let shown = master.expect("ptmx\r\n");
        assert!(!shown.contains(" 1 "), "{shown}");
        master.write("ps -o tty= -p $$ 2>/dev/null; exit 3\n");
        master.rest();
        assert_eq!(child.wait().expect("the child is ours").code(), Some(3));
    }
}

#[test]
fn jobs_can_be_stopped_continued_and_interrupted() {
    for host in hosts() {
        let (mut child, mut master) = shell(&host);
        master.write("set -m; sleep 100 &\n");
        master.write("jobs\n");
        master.expect("Running");
        master.write("kill %1; wait %1; echo ki''lled\n");
        master.expect("killed\r\n");
        // Ctrl-C ends the command in front, not the shell. It is one process: a signal between the vfork and the exec
        // of a shell's child is lost.
        master.write("sh -c 'echo in-''front; exec sleep 1000'\n");
        master.expect("in-front\r\n");
        master.write("\x03");
        // What is typed before the shell is back is lost.
        master.expect("prompt> ");
        master.write("echo co''de $?\n");
        master.expect("code 130\r\n");
        // Ctrl-Z stops it.
        master.write("sh -c 'echo in-''front; exec sleep 1000'\n");
        master.expect("in-front\r\n");
        master.write("\x1a");
        master.expect("Stopped");
        master.write("kill -9 %%; exit 4; exit 4\n");
        master.rest();
        assert_eq!(child.wait().expect("the child is ours").code(), Some(4));
    }
}

#[test]
fn the_size_of_the_window_is_passed_on() {
    for host in hosts() {
        let (mut child, mut master) = shell(&host);
        master.write("stty size\n");
        master.expect("33 77\r\n");
        master.write("trap 'echo chan''ged $(stty size)' WINCH; echo tra''pped\n");
        master.expect("trapped\r\n");
        master.resize(40, 100);
        // The kernel signals before it sets the size, for whoever asks at once.
        master.write("until test \"$(stty size)\" = '40 100'; do sleep 0.1; done; echo re''sized\n");
        let shown = master.expect("resized\r\n");
        assert!(shown.contains("changed "), "{shown:?}");
        master.write("exit 0\n");
        master.rest();
        assert_eq!(child.wait().expect("the child is ours").code(), Some(0));
    }
}

/// A server that runs `script` in raw mode once it has said `ready`, and that no stopping signal ends.
fn stubborn(host: &Host, flags: &[&str], script: &str) -> (Child, Master) {
    let mut command = host.run(flags);
    let script = format!("trap '' TERM INT HUP; stty raw -echo; echo ready; {script}");
    command.args(["sh", "-c", &script]);
    let mut master = pty::controlling_terminal(&mut command);
    let child = command.spawn().expect("the sandbox");
    drop(command);
    master.expect("ready");
    (child, master)
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).expect("the tool runs");
}

/// The child's exit code, which must not be long in coming.
fn code_soon(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return status.code();
        }
        thread::yield_now();
    }
    child.kill().expect("the child is ours");
    panic!("still there after 5 s");
}

const NEVER_READS: &str = "while :; do sleep 0.01; done";

#[test]
fn a_server_that_never_reads_cannot_outlive_the_grace_time() {
    for host in hosts() {
        let (mut child, mut master) = stubborn(&host, &["--grace", "300ms"], NEVER_READS);
        master.overfill(&[b'x'; 30_000]);
        signal(&child, Signal::SIGTERM);
        assert_eq!(code_soon(&mut child), Some(137));
    }
}

#[test]
fn a_server_that_never_reads_ends_on_the_second_signal() {
    for host in hosts() {
        let (mut child, mut master) = stubborn(&host, &["--grace", "1h"], NEVER_READS);
        master.overfill(&[b'x'; 30_000]);
        signal(&child, Signal::SIGTERM);
        signal(&child, Signal::SIGHUP);
        assert_eq!(code_soon(&mut child), Some(137));
    }
}

#[test]
fn a_stopped_terminal_does_not_keep_the_box() {
    for host in hosts() {
        let (mut child, mut master) = stubborn(&host, &["--grace", "300ms"], "read go; exec yes");
        tcflow(master.slave(), FlowArg::TCOOFF).expect("the terminal stops");
        master.write("go\n");
        // More than both terminals hold.
        thread::sleep(Duration::from_millis(300));
        signal(&child, Signal::SIGTERM);
        assert_eq!(code_soon(&mut child), Some(137));
    }
}

/// All of a long output arrives, in order, though the server ends before it is shown.
#[test]
fn a_long_output_is_shown_to_its_end() {
    for host in hosts() {
        let (mut child, mut master) = stubborn(&host, &NO_FLAGS, "read go; seq 100000; exit 5");
        master.write("go\n");
        let shown = master.rest();
        let numbers: Vec<usize> = shown.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        assert!(numbers.into_iter().eq(1..=100_000));
        assert_eq!(child.wait().expect("the child is ours").code(), Some(5));
    }
}

/// And what arrives is what was typed, when the server is slow to read it.
#[test]
fn a_long_paste_arrives_whole() {
    for host in hosts() {
        let (mut child, mut master) = stubborn(&host, &NO_FLAGS, "head -c 30000 | md5sum; exit 6");
        let text: Vec<u8> = (0..30_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
        master.overfill(&text);
        assert!(
            master.rest().contains("087defe69651b061eb3e4040ce7925bd"),
            "the bytes are others"
        );
        assert_eq!(child.wait().expect("the child is ours").code(), Some(6));
    }
}

/// A hostile server asks the terminal for answers and ends; the user's shell must not get them as typed.
#[test]
fn what_was_not_read_does_not_reach_the_users_shell() {
    for host in hosts() {
        let (mut child, mut master) = stubborn(&host, &["--grace", "300ms"], NEVER_READS);
        let slave = master.slave();
        master.overfill(&[b'x'; 100_000]);
        assert!(master.pending_input(&slave) > 0, "the terminal holds input");
        signal(&child, Signal::SIGTERM);
        assert_eq!(code_soon(&mut child), Some(137));
        assert_eq!(master.pending_input(&slave), 0);
    }
}
