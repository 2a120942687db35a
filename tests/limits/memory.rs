//! `resources.memory`: one large process, many small ones, files in memory.

use crate::common::hosts;
use crate::loads::{python, shell};

const HOG: &str = "\
kept = []
for i in range(150):
    kept.append(bytearray(2_000_000))
print('kept')
import time
time.sleep(1)";

#[test]
fn one_process_that_takes_too_much_is_stopped() {
    for host in hosts() {
        python(&host, "memory = \"1GB\"", HOG).done("kept\n");
        let outcome = python(&host, "memory = \"100MB\"", HOG);
        assert_ne!(outcome.code, Some(0));
        assert_eq!(outcome.out, "", "{outcome:#?}");
        outcome.reached("memory", "100MB");
        // The kernel is exact, the supervisor looks from time to time; either way it did not get the 300 MB.
        assert!(outcome.used("memory_peak_bytes") < 2.9e8, "{outcome:#?}");
    }
}

/// What a runtime gets that asks for more at once than there is, and does not touch it.
#[test]
fn more_than_all_of_it_at_once_fails_or_is_killed() {
    let script = "\
try:
    kept = bytearray(1_500_000_000)
    print('kept')
except MemoryError:
    print('refused')";
    for host in hosts() {
        python(&host, "memory = \"3GB\"", script).done("kept\n");
        let outcome = python(&host, "memory = \"100MB\"", script);
        assert_ne!(outcome.out, "kept\n", "{outcome:#?}");
    }
}

#[test]
fn many_small_processes_share_one_limit() {
    let script = "\
import os, time
children = []
for i in range(10):
    pid = os.fork()
    if pid == 0:
        kept = bytearray(20_000_000)
        time.sleep(1.5)
        os._exit(0)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print('killed' if -9 in codes else 'all ended', flush=True)";
    for host in hosts() {
        python(&host, "memory = \"1GB\"", script).done("all ended\n");
        let outcome = python(&host, "memory = \"120MB\"", script);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(0), "killed\n"),
            "{outcome:#?}"
        );
        outcome.reached("memory", "120MB");
        assert!(outcome.err.contains("killed"), "{outcome:#?}");
    }
}

/// The kernel shows the memory of a process in the folder of its first thread, until that one ends.
#[test]
fn a_process_whose_first_thread_has_ended_has_memory() {
    let script = "\
import ctypes, os, threading, time
def hold():
    kept = bytearray(40_000_000)
    time.sleep(1.5)
    os._exit(0)
children = []
for i in range(5):
    pid = os.fork()
    if pid == 0:
        threading.Thread(target=hold).start()
        ctypes.CDLL(None).pthread_exit(None)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print('killed' if -9 in codes else 'all ended', flush=True)";
    for host in hosts() {
        python(&host, "memory = \"1GB\"", script).done("all ended\n");
        let outcome = python(&host, "memory = \"120MB\"", script);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(0), "killed\n"),
            "{outcome:#?}"
        );
        outcome.reached("memory", "120MB");
    }
}

/// Shared pages count once: ten processes with the same 40 MB are far below 150 MB.
#[test]
fn what_is_shared_counts_once() {
    let script = "\
import os, time
kept = bytearray(40_000_000)
for i in range(10):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
print({os.wait()[1] for i in range(10)})";
    for host in hosts() {
        python(&host, "memory = \"150MB\"", script).done("{0}\n");
    }
}

/// A child of vfork(2) has its parent's memory, not as much again, until it executes or ends.
#[test]
fn a_child_that_has_not_executed_yet_counts_for_nothing() {
    let script = "\
import ctypes, os, time
CLONE_VM, CLONE_VFORK, SIGCHLD = 0x100, 0x4000, 17
kept = bytearray(90_000_000)
libc = ctypes.CDLL(None)
stack = ctypes.create_string_buffer(1 << 16)
top = ctypes.c_void_p(ctypes.addressof(stack) + (1 << 16) - 64)
for i in range(40):
    pid = libc.clone(libc.usleep, top, CLONE_VM | CLONE_VFORK | SIGCHLD, ctypes.c_void_p(15000))
    assert os.waitpid(pid, 0)[0] == pid
    time.sleep(0.03)
print('all ended')";
    for host in hosts() {
        python(&host, "memory = \"150MB\"", script).done("all ended\n");
    }
}

#[test]
fn files_in_memory_are_memory() {
    let fill = "head -c 180000000 /dev/zero >/tmp/x && sleep 1 && echo filled";
    for host in hosts() {
        shell(&host, "memory = \"1GB\"", &[], fill).done("filled\n");
        let outcome = shell(&host, "memory = \"100MB\"", &[], fill);
        assert_eq!(outcome.out, "", "{outcome:#?}");
        outcome.reached("memory", "100MB");
    }
}

/// When memory is short the kernel takes a process of the box, not the user's own nor the one of ours that tells of it.
#[test]
fn the_box_dies_before_others() {
    const FILE: &str = "/proc/self/oom_score_adj";
    let own: i32 = std::fs::read_to_string(FILE)
        .expect("a file of ours")
        .trim()
        .parse()
        .expect("a number");
    for host in hosts() {
        shell(&host, "memory = \"1GB\"", &[], &format!("cat {FILE}"))
            .done(&format!("{}\n", (own + 100).min(1000)));
    }
}
