//! The supervisor and init, looked at by another process of the same user outside (CVE-2016-8659).

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use crate::common::{NO_FLAGS, ordinary_host};

#[test]
fn neither_can_be_traced_by_its_own_user() {
    let host = ordinary_host();
    let mut child = host
        .run(NO_FLAGS)
        .args(["sh", "-c", "echo ready; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the sandbox");
    child
        .stdout
        .as_mut()
        .expect("a pipe")
        .read_exact(&mut [0; 6])
        .expect("the server runs");
    let supervisor = child.id();
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"));
    let children = children.expect("children");
    let ours: Vec<&str> = children.split_whitespace().collect();
    assert!(!ours.is_empty());
    for pid in [supervisor.to_string().as_str()].iter().chain(&ours) {
        // Files of a process that is not dumpable belong to root (proc(5)).
        let owner = fs::metadata(format!("/proc/{pid}/environ"))
            .expect("it runs")
            .uid();
        assert!(owner == 0 || owner == 65534, "{pid} belongs to {owner}");
        host.bare(&["ptrace-seize", pid]).stopped("EPERM");
        host.bare(&["pidfd-getfd", pid, "0"]).stopped("EPERM");
        host.bare(&["read", &format!("/proc/{pid}/environ")])
            .stopped("EACCES");
        host.bare(&["list", &format!("/proc/{pid}/fd")]).stopped("EACCES");
    }
    // The same user's other processes can be traced: see the control in `tracing`.
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"\n")
        .expect("the server reads");
    assert!(child.wait().expect("the child is ours").success());
}
