//! Looking into init, the supervisor and one's own children (CVE-2016-8659, CVE-2016-9962, CVE-2017-5206).

use std::io::Read as _;
use std::process::Stdio;

use crate::common::{NO_FLAGS, answer, binaries, hosts};

#[test]
fn init_cannot_be_traced_read_or_robbed() {
    for host in hosts() {
        let stopped = |attack: &[&str], errno: &str| host.boxed(NO_FLAGS, attack).stopped(errno);
        stopped(&["ptrace-attach", "1"], "EPERM");
        stopped(&["ptrace-seize", "1"], "EPERM");
        stopped(&["process-vm-readv", "1"], "EPERM");
        stopped(&["pidfd-getfd", "1", "0"], "EPERM");
        for file in [
            "mem", "environ", "maps", "auxv", "syscall", "stack", "io", "pagemap",
        ] {
            host.boxed(NO_FLAGS, &["read", &format!("/proc/1/{file}")])
                .all_stopped();
        }
        for folder in ["root", "cwd", "map_files", "fd/0/", "task/1/root"] {
            host.boxed(NO_FLAGS, &["list", &format!("/proc/1/{folder}")])
                .all_stopped();
        }
    }
}

/// Bare, a process looks into a sleeping child of its own user in every one of these ways.
#[test]
fn control_another_process_can_be_traced_read_and_robbed_when_bare() {
    for host in hosts() {
        let target = host.sleeper();
        let pid = target.pid();

        for attack in [
            &["ptrace-attach", &pid][..],
            &["ptrace-seize", &pid],
            &["process-vm-readv", &pid],
            &["pidfd-getfd", &pid, "0"],
            &["read", &format!("/proc/{pid}/environ")],
            &["read", &format!("/proc/{pid}/maps")],
            &["list", &format!("/proc/{pid}/root")],
            &["list", &format!("/proc/{pid}/fd")],
        ] {
            host.bare(attack).done();
        }
    }
}

#[test]
fn a_child_of_ones_own_cannot_be_traced() {
    for host in hosts() {
        host.only_bare(&["ptrace-own-child"], "EPERM");
    }
}

/// The supervisor's number means nothing inside: its namespace has no such process.
#[test]
fn processes_of_the_host_do_not_exist_inside() {
    for host in hosts() {
        let target = host.sleeper();
        let pid = target.pid();
        host.only_bare(&["signal", &pid], "ESRCH");
        host.only_bare(&["read", &format!("/proc/{pid}/stat")], "ENOENT");
        host.only_bare(&["ptrace-seize", &pid], "EPERM");
    }
}

/// What the supervisor gives away while it still sets the box up: nothing, since the server does not exist yet,
/// and afterwards its parent is init.
#[test]
fn the_servers_parent_is_init() {
    for host in hosts() {
        let mut command = host.run(NO_FLAGS);
        command.arg(&binaries().probe).args(["read", "/proc/self/stat"]);
        let stat = answer(command).done();
        // The probe makes each attack in a child of the server, which is 2.
        assert!(stat.contains(") R 2 2 2 "), "{stat}");
        let mut text = String::new();
        let mut child = host
            .run(NO_FLAGS)
            .args(["cat", "/proc/self/stat"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        child
            .stdout
            .take()
            .expect("a pipe")
            .read_to_string(&mut text)
            .expect("text");
        assert!(text.starts_with("2 (cat) R 1 2 2 "), "{text}");
        child.wait().expect("the child is ours");
    }
}
