//! `run -- bash` at a terminal: a usable shell in a session of its own.

use std::process::Child;

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
        master.write("\n");
        master.expect("changed 40 100\r\n");
        master.write("exit 0\n");
        master.rest();
        assert_eq!(child.wait().expect("the child is ours").code(), Some(0));
    }
}
