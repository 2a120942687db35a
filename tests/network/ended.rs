//! The broker ends before the box does: what it decided about is then nobody's to allow.

use std::fs;
use std::process::Command;

use crate::common::hosts;
use crate::scripts::{allow, begin};

const SCRIPT: &str = r#"
attempt("name before", lambda: reach("api.test"))
attempt("address before", lambda: reach("11.11.1.1"))
say("ready", "now")
sys.stdin.readline()
attempt("name", lambda: reach("api.test"))
attempt("allowed address", lambda: reach("11.11.1.1"))
attempt("other address", lambda: reach("11.11.2.1"))
attempt("own loopback", lambda: reach("127.0.0.1"))
"#;

/// The kernel answers ENOSYS for a listener that nobody holds (seccomp_unotify(2)).
#[test]
fn without_the_brokers_thread_nothing_is_reached() {
    for host in hosts() {
        let flags = allow(&["api.test:7000", "11.11.1.1:7000"]);
        let mut running = begin(&host, &flags, SCRIPT);
        running.expect("name before: hello from 11.11.1.1");
        running.expect("address before: hello from 11.11.1.1");
        running.expect("ready: now");
        end_thread(running.pid(), "broker");
        running.go_on();
        running.expect("name: EAI_AGAIN");
        for label in ["allowed address", "other address", "own loopback"] {
            running.expect(&format!("{label}: ENOSYS"));
        }
        running.end();
    }
}

/// Makes the requests of a thread of the supervisor fail until it gives up.
fn end_thread(supervisor: u32, name: &str) {
    let threads = fs::read_dir(format!("/proc/{supervisor}/task")).expect("a process");
    let mut threads = threads.map(|thread| thread.expect("a thread").path());
    let is_it = |thread: &std::path::PathBuf| {
        fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let thread = threads.find(is_it).expect("a thread of that name");
    let number = thread.file_name().expect("a number").to_owned();
    let status = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", "inject=ioctl:error=EBADF", "-p"])
        .arg(&number)
        .status();
    assert!(status.expect("strace is installed").success());
    assert!(!thread.exists(), "{name} has ended");
}
