//! Typing into the user's terminal (CVE-2017-5226, CVE-2023-28100, CVE-2019-10063).

use std::os::fd::OwnedFd;

use crate::common::{Answer, Host, NO_FLAGS, binaries, hosts, pty};

/// TIOCSTI, TIOCLINUX and TIOCCONS, plain and with a half that the kernel does not look at.
const REQUESTS: [&str; 6] = [
    "0x5412",
    "0xdeadbeef00005412",
    "0x541c",
    "0xffffffff0000541c",
    "0x541d",
    "0x10000541d",
];

/// Runs the probe with the terminal as stdin and controlling terminal; stdout and stderr are pipes.
fn under_a_terminal(command: &mut std::process::Command, attack: &[&str]) -> (Answer, i32) {
    command.arg(&binaries().probe).args(attack);
    let (master, slave): (pty::Master, OwnedFd) = pty::terminal_as_stdin(command);
    let output = command.output().expect("the program can be started");
    (Answer::of(&output), master.pending_input(&slave))
}

fn attack(host: &Host, request: &str) {
    let (answer, typed) = under_a_terminal(&mut host.run(NO_FLAGS), &["ioctl", request]);
    answer.stopped("EPERM");
    assert_eq!(typed, 0, "{request} typed into the terminal");
}

#[test]
fn nothing_can_be_typed_into_the_users_terminal() {
    for host in hosts() {
        REQUESTS.iter().for_each(|request| attack(&host, request));
    }
}

/// The same call outside the box reaches the terminal: TIOCSTI as root always, or where the kernel still has it.
#[test]
fn control_tiocsti_types_into_a_terminal_when_bare() {
    let legacy = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").unwrap_or("1".into());
    for host in hosts()
        .into_iter()
        .filter(|host| host.is_root() || legacy.trim() == "1")
    {
        for request in ["0x5412", "0xdeadbeef00005412"] {
            let mut command = host.command("env");
            let (answer, typed) = under_a_terminal(&mut command, &["ioctl", request]);
            answer.done();
            assert_eq!(typed, 1, "{request}");
        }
    }
}

#[test]
fn there_is_no_controlling_terminal() {
    for host in hosts() {
        let (answer, _) = under_a_terminal(&mut host.run(NO_FLAGS), &["terminal"]);
        answer.stopped("ENXIO");
        let (answer, _) = under_a_terminal(&mut host.command("env"), &["terminal"]);
        answer.done();
    }
}
