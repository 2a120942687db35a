//! `resources.memory`: one large process, many small ones, files in memory.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{Host, hosts, ordinary_host};
use crate::loads::{flags, python, python_with, shell};

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

/// A server that says whether its children ended by themselves: not with 120 MB.
fn one_is_killed(host: &Host, script: &str) {
    python(host, "memory = \"1GB\"", script).done("all ended\n");
    let outcome = python(host, "memory = \"120MB\"", script);
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(0), "killed\n"),
        "{outcome:#?}"
    );
    outcome.reached("memory", "120MB");
    assert!(outcome.err.contains("killed"), "{outcome:#?}");
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
        one_is_killed(&host, script);
    }
}

/// The kernel shows the memory of a process in the folder of its first thread, until that one ends.
#[test]
fn a_process_whose_first_thread_has_ended_has_memory() {
    let script = "\
import ctypes, mmap, os, threading, time
def hold():
    kept = bytearray(40_000_000) if OWN else shared()
    time.sleep(1.5)
    os._exit(0)
def shared():
    kept = mmap.mmap(-1, 40_000_000)
    kept.write(bytes(40_000_000))
    return kept
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
        for own in ["True", "False"] {
            one_is_killed(&host, &script.replace("OWN", own));
        }
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

/// A file of a disk takes no memory that the kernel could not take back, and what is mapped of a file in memory is the
/// file once.
#[test]
fn mapped_files_count_for_nothing_more() {
    for host in hosts() {
        let large = host.file("large", "");
        let file = File::options().write(true).open(&large).expect("a file");
        file.set_len(250_000_000).expect("a sparse file");
        let large = large.to_str().expect("UTF-8");
        let read = format!(
            "\
import mmap, time
with open('{large}', 'rb') as file:
    seen = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    touched = sum(seen[at] for at in range(0, len(seen), 4096))
    time.sleep(0.5)
print('read', touched)"
        );
        python_with(&host, "memory = \"100MB\"", &["--read", large], &read).done("read 0\n");

        let share = "\
from multiprocessing.shared_memory import SharedMemory
import time
shared = SharedMemory(create=True, size=SIZE)
for at in range(0, SIZE, 4096):
    shared.buf[at] = 1
kept = bytearray(MORE)
time.sleep(0.5)
shared.unlink()
print('shared')";
        let with = |more: &str| share.replace("SIZE", "60_000_000").replace("MORE", more);
        python(&host, "memory = \"100MB\"", &with("0")).done("shared\n");
        let outcome = python(&host, "memory = \"100MB\"", &with("60_000_000"));
        assert_eq!(outcome.out, "", "{outcome:#?}");
        outcome.reached("memory", "100MB");
    }
}

/// Where the kernel has to remember every page, it needs memory too.
#[test]
fn tables_of_pages_are_memory() {
    let script = "\
import mmap, time
MAP_NORESERVE, MADV_NOHUGEPAGE = 0x4000, 15
size = 120 << 30
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
room = mmap.mmap(-1, size, flags=flags, prot=mmap.PROT_READ)
room.madvise(MADV_NOHUGEPAGE)
print(sum(room[at] for at in range(0, size, 2 << 20)))
time.sleep(0.5)";
    for host in hosts() {
        python(&host, "memory = \"1GB\"", script).done("0\n");
        let outcome = python(&host, "memory = \"100MB\"", script);
        assert_ne!(outcome.code, Some(0), "{outcome:#?}");
        outcome.reached("memory", "100MB");
    }
}

/// Ten processes with the same 60 MB are looked at again and again, and find enough room each time.
#[test]
fn a_box_that_sleeps_close_to_its_limit_costs_little() {
    let script = "\
import mmap, os, time
shared = mmap.mmap(-1, 60_000_000)
shared.write(bytes(60_000_000))
for i in range(10):
    if os.fork() == 0:
        sum(shared[at] for at in range(0, 60_000_000, 4096))
        os.write(1, b'.')
        time.sleep(9)
time.sleep(9)";
    let host = ordinary_host();
    let mut run = host.run(flags(&host, "memory = \"100MB\""));
    run.args(["python3", "-c", script]);
    let tool = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut tool = tool.expect("the sandbox");
    let mut ready = [0; 10];
    let output = tool.stdout.as_mut().expect("a pipe");
    output.read_exact(&mut ready).expect("ten children");
    let used = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", tool.id())).expect("it runs");
        let fields = stat.rsplit_once(") ").expect("a name").1.split(' ');
        fields
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum::<u64>()
    };
    let before = used();
    std::thread::sleep(Duration::from_secs(3));
    // A twentieth of a core for the walks, as much for the rest; a debug build takes longer for the same, and so does a
    // busy machine.
    let ticks = used() - before;
    assert!(ticks < 100, "{ticks} hundredths of a second in three");
    drop(tool.stdin.take());
    tool.kill().expect("it runs");
    tool.wait().expect("it has ended");
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
    let own: i32 = fs::read_to_string(FILE)
        .expect("a file of ours")
        .trim()
        .parse()
        .expect("a number");
    for host in hosts() {
        shell(&host, "memory = \"1GB\"", &[], &format!("cat {FILE}"))
            .done(&format!("{}\n", (own + 100).min(1000)));
    }
}
