//! The switches of /proc (CVE-2019-19921, CVE-2025-52881): read-only for everybody, root included.

use std::path::Path;

use crate::common::{NO_FLAGS, hosts, root_hosts};

/// Some are missing where the kernel is built without them.
fn switches() -> impl Iterator<Item = &'static str> {
    SWITCHES.into_iter().filter(|path| Path::new(path).exists())
}

const SWITCHES: [&str; 6] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger",
    "/proc/self/oom_score_adj",
    "/proc/self/mem",
];

#[test]
fn no_switch_can_be_opened_for_writing() {
    for host in hosts() {
        for path in switches() {
            let answer = host.boxed(NO_FLAGS, &["open", path, "1"]);
            let (_, said) = answer.all().next().expect("an answer");
            // EACCES where the mode of the file forbids it first; the read-only mount stops the rest.
            assert!(
                ["stopped: EROFS", "stopped: EACCES"].contains(&said),
                "{path}: {answer:?}"
            );
        }
        host.boxed(NO_FLAGS, &["open", "/proc/self/oom_score_adj", "1"])
            .stopped("EROFS");
    }
}

#[test]
fn control_the_same_files_can_be_opened_for_writing_when_bare() {
    for host in root_hosts() {
        for path in switches() {
            host.bare(&["open", path, "1"]).done();
        }
    }
    for host in hosts() {
        host.bare(&["open", "/proc/self/oom_score_adj", "1"]).done();
    }
}

/// Covered by the null device: empty, whatever the host has there.
#[test]
fn what_tells_about_the_host_is_covered() {
    for host in hosts() {
        for path in ["/proc/keys", "/proc/kallsyms", "/proc/timer_list"] {
            assert_eq!(host.boxed(NO_FLAGS, &["read", path]).done(), "", "{path}");
        }
        assert_ne!(host.bare(&["read", "/proc/kallsyms"]).done(), "");
    }
}
