//! The tool's own program, reachable as /proc/PID/exe (CVE-2019-5736).

use std::fs;

use crate::common::{NO_FLAGS, binaries, copy, hosts, words};

#[test]
fn the_tool_cannot_be_overwritten_from_inside() {
    for host in hosts() {
        let before = fs::read(&binaries().sandbox).expect("the tool");
        for attack in [
            ["open", "/proc/1/exe", "1"],
            ["open", "/proc/1/exe", "0"],
            ["open", "/proc/1/exe", "1025"],
        ] {
            host.boxed(NO_FLAGS, &attack).stopped("EACCES");
        }
        // O_PATH now, writing later through the descriptor: the first half fails already.
        host.boxed(NO_FLAGS, &["open", "/proc/1/exe", "0x200000"])
            .stopped("EACCES");
        // Its own program: ETXTBSY while it runs, and on a read-only mount besides.
        host.boxed(NO_FLAGS, &["open", "/proc/self/exe", "1"])
            .all_stopped();
        let idle = binaries().sandbox.display().to_string();
        let flags = words([&"--read", &binaries().sandbox]);
        host.boxed(&flags, &["open", &idle, "1"]).all_stopped();
        assert!(
            before == fs::read(&binaries().sandbox).expect("the tool"),
            "the tool was changed"
        );
    }
}

/// A program of the user's can be opened this way, in the box as well when it lies on a writable mount.
#[test]
fn control_the_exe_link_can_be_opened() {
    for host in hosts() {
        host.bare(&["open", "/proc/self/exe", "0"]).done();
        host.boxed(NO_FLAGS, &["open", "/proc/self/exe", "0"]).done();
        let folder = host.directory("writable");
        let program = folder.join("probe");
        copy(&binaries().probe, &program);
        host.give(&program);
        let flags = words([&"--write", &folder]);
        let path = program.to_str().expect("UTF-8");
        host.boxed(&flags, &["open", path, "1"]).done();
    }
}
