//! What sleeps for a while and wakes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::process::Stdio;

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{children, gone_within_a_second, groups, hosts, unique};
use crate::loads::flags;

/// As when a laptop sleeps: all of it stands still, and goes on later, one before the other.
#[test]
fn a_box_that_stood_still_goes_on_and_ends_as_ever() {
    let limits = "memory = \"200MB\"\nprocesses = 30\ncpu = \"50%\"\ntimeout = \"1h\"";
    for host in hosts() {
        for box_first in [false, true] {
            let marker = unique("marker");
            let mut run = host.run(flags(&host, limits));
            let mut tool = run
                .args([
                    "sh",
                    "-c",
                    &format!("while read -r line; do echo \"$line\"; done; : {marker}"),
                ])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the sandbox");
            let mut input = tool.stdin.take().expect("a pipe");
            let mut output = BufReader::new(tool.stdout.take().expect("a pipe"));
            let mut line = String::new();
            input.write_all(b"before\n").expect("a reader");
            output.read_line(&mut line).expect("a line");
            let groups = groups::of(tool.id());

            let mut all = with_descendants(tool.id());
            assert!(all.len() >= 3, "supervisor, init and server: {all:?}");
            let signal = |all: &[i32], signal| {
                let each = all.iter().map(|pid| Pid::from_raw(*pid));
                each.for_each(|pid| kill(pid, signal).expect("it lives"));
            };
            signal(&all, Signal::SIGSTOP);
            input.write_all(b"meanwhile\n").expect("a reader");
            let nothing = poll(
                &mut [PollFd::new(output.get_ref().as_fd(), PollFlags::POLLIN)],
                2000u16,
            );
            assert_eq!(nothing, Ok(0), "the control: it stands still");
            if box_first {
                all.reverse();
            }
            signal(&all, Signal::SIGCONT);

            output.read_line(&mut line).expect("a line");
            input.write_all(b"after\n").expect("a reader");
            output.read_line(&mut line).expect("a line");
            assert_eq!(line, "before\nmeanwhile\nafter\n");
            drop(input);
            assert_eq!(tool.wait().expect("the tool is ours").code(), Some(0));
            gone_within_a_second(&marker);
            groups::gone(&groups);
        }
    }
}

/// A process and all that it has started, the older ones before the younger.
fn with_descendants(pid: u32) -> Vec<i32> {
    let mut all = vec![pid as i32];
    let mut at = 0;
    while let Some(parent) = all.get(at).copied() {
        all.extend(children(parent));
        at += 1;
    }
    all
}
