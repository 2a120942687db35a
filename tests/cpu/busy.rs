//! `resources.cpu`: busy loops on all cores.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::common::{Host, hosts, ordinary_host};
use crate::loads::{Outcome, python, python_with};

/// Held by whoever measures.
static MACHINE: Mutex<()> = Mutex::new(());

/// More busy processes than cores, for so many seconds; then the processor time that they got.
fn busy(seconds: u32, processes: u32) -> String {
    format!(
        "\
import os, time
end = time.monotonic() + {seconds}
for i in range({processes}):
    if os.fork() == 0:
        while time.monotonic() < end:
            pass
        os._exit(0)
for i in range({processes}):
    os.wait()
times = os.times()
print(times.children_user + times.children_system)"
    )
}

fn got(outcome: &Outcome) -> f64 {
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    outcome.out.trim().parse().expect("a number")
}

/// The same script at 20 %, and the processor time that it says it got: without the cap, the control, more than `least`.
fn capped(host: &Host, script: &str, least: f64) -> (Outcome, f64) {
    let free = got(&python(host, "", script));
    assert!(free > least, "the control got {free} s");
    let capped = python(host, "cpu = \"20%\"", script);
    let used = got(&capped);
    (capped, used)
}

/// 20 % of two seconds for three processes: a tenth above 0.4 s, and the hundredth that the clock of /proc is short of for
/// each process.
fn is_held(used: f64) -> bool {
    (used * 100.0).round() <= 44.0 + 3.0
}

#[test]
fn the_cap_holds_over_two_seconds() {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    for host in hosts() {
        let (capped, used) = capped(&host, &busy(2, 3), 0.5);
        assert!(is_held(used), "{used} s: {capped:#?}");
        assert!(used > 0.2, "a cap, not a stop: {used} s: {capped:#?}");
        let told = capped.used("cpu_seconds");
        assert!(told >= used, "{told} of {used}");
    }
}

/// Children that end all the time, whose parent does not wait for each at once.
#[test]
fn short_lived_processes_count() {
    let script = "\
import os, time
end = time.monotonic() + 2
while time.monotonic() < end:
    children = []
    for i in range(3):
        pid = os.fork()
        if pid == 0:
            until = time.monotonic() + 0.05
            while time.monotonic() < until:
                pass
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
times = os.times()
print(times.user + times.system + times.children_user + times.children_system)";
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    for host in hosts() {
        let (capped, used) = capped(&host, script, 0.5);
        // The last round may end after the two seconds.
        let wall = Duration::from_secs_f64(capped.used("wall_seconds")).as_secs_f64();
        assert!(used <= 0.2 * wall * 1.1 + 0.05, "{used} s of {wall}: {capped:#?}");
    }
}

/// Children that nobody waits for: the kernel forgets what they used.
#[test]
fn processes_that_nobody_waits_for_count() {
    let script = "\
import mmap, os, signal, struct, time
used = mmap.mmap(-1, 8)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
end = time.monotonic() + 3
while time.monotonic() < end:
    pid = os.fork()
    if pid == 0:
        while time.process_time() < 0.1:
            pass
        before, = struct.unpack('d', used[:])
        used[:] = struct.pack('d', before + time.process_time())
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
print(struct.unpack('d', used[:])[0])";
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    for host in hosts() {
        let (capped, used) = capped(&host, script, 1.5);
        // The last hundredths of each, between the last look and its end, are nobody's.
        let wall = capped.used("wall_seconds");
        assert!(used <= 0.2 * wall * 1.3 + 0.1, "{used} s of {wall}: {capped:#?}");
    }
}

/// With a second thread a process shows what all ended ones have used: that is not used once more.
#[test]
fn threads_that_have_ended_count_once() {
    let script = "\
from threading import Thread
import time
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
def run(target, seconds):
    thread = Thread(target=target, args=(seconds,))
    thread.start()
    thread.join()
run(burn, 1)
start = time.monotonic()
for i in range(8):
    run(time.sleep, 0.06)
    time.sleep(0.1)
print(time.monotonic() - start)";
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    for host in hosts() {
        let capped = python(&host, "cpu = \"50%\"", script);
        assert!(capped.used("cpu_seconds") > 1.0, "{capped:#?}");
        let slept = got(&capped);
        assert!(slept < 3.0, "{slept} s for 1.3 s of sleep: {capped:#?}");
    }
}

/// Calls that the supervisor makes for the server, where a group would not count them.
#[test]
fn what_is_done_for_the_server_counts() {
    let script = "\
import os, time
os.mkdir('/writable/d')
long = '/writable/' + 'd/../' * 800 + 'missing/x'
end = time.monotonic() + 2
while time.monotonic() < end:
    try:
        os.mkdir(long)
    except FileNotFoundError:
        pass";
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    // Of the supervisor and all that it has waited for.
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("an account");
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    };
    let mut used = [0.0, 0.0];
    for (limit, used) in ["", "cpu = \"20%\""].into_iter().zip(&mut used) {
        let host = ordinary_host();
        let writable = host.folder().join("writable");
        std::fs::create_dir(&writable).expect("a folder");
        std::fs::set_permissions(&writable, PermissionsExt::from_mode(0o777)).expect("ours");
        let mount = format!("{}:/writable", writable.display());
        let before = spent();
        python_with(&host, limit, &["--write", &mount], script).done("");
        *used = spent() - before;
    }
    assert!(used[0] > 1.0 && used[1] < 0.8, "{used:?} s of two");
}

/// A process may call itself anything (PR_SET_NAME of prctl(2)), and is seen all the same.
#[test]
fn a_name_that_is_no_text_hides_nothing() {
    let renamed = |script: &str| {
        script.replace("import os", "import ctypes, os").replace(
            "        while",
            "        ctypes.CDLL(None).prctl(15, b'\\xff\\xfe) R', 0, 0, 0)\n        while",
        )
    };
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    for host in hosts() {
        let (capped, used) = capped(&host, &renamed(&busy(2, 3)), 0.5);
        assert!(is_held(used), "{used} s: {capped:#?}");
    }
}

/// Where the box is paused by SIGSTOP, its processes can wake each other.
#[test]
fn processes_that_wake_each_other_do_not_get_round_the_cap() {
    let script = "\
import os, signal, time
end = time.monotonic() + 6
for i in range(6):
    if os.fork() == 0:
        while time.monotonic() < end:
            os.killpg(0, signal.SIGCONT)
        os._exit(0)
for i in range(6):
    os.wait()";
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    for host in hosts() {
        let free = python(&host, "", script);
        assert!(free.used("cpu_seconds") > 3.0, "{free:#?}");
        let capped = python(&host, "cpu = \"20%\"", script);
        // One that is found out is ended, after a second of each core at most.
        let found_out = if capped.code == Some(0) { 0.0 } else { 1.0 };
        let cores = std::thread::available_parallelism().expect("a number").get() as f64;
        let most = 0.2 * 1.1 * capped.used("wall_seconds") + 0.3 + cores * found_out;
        assert!(capped.used("cpu_seconds") <= most, "{capped:#?}");
        if found_out > 0.0 {
            capped.reached("cpu", "20%");
        }
    }
}

/// A server that waits is never stopped: nothing of it ever sees a signal.
#[test]
fn an_idle_server_sees_nothing_of_the_cap() {
    let script = "\
import signal, time
# What the start used has been paid for by then.
time.sleep(1)
seen = []
signal.signal(signal.SIGCONT, lambda *all: seen.append(1))
time.sleep(1)
print(len(seen))";
    for host in hosts() {
        python(&host, "cpu = \"50%\"", script).done("0\n");
    }
}
