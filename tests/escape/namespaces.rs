//! User namespaces below the box: capabilities there open the kernel's mounts and networks (CVE-2018-18955).

use crate::common::{NO_FLAGS, hosts};

/// CLONE_NEWUSER alone and with a mount, network or PID namespace; and those without it.
const FLAGS: [&str; 7] = [
    "0x10000000",
    "0x10020000",
    "0x50000000",
    "0x30000000",
    "0x00020000",
    "0x40000000",
    "0x80",
];

#[test]
fn no_namespace_can_be_made() {
    for host in hosts() {
        for flags in FLAGS {
            host.boxed(NO_FLAGS, &["unshare", flags]).stopped("EPERM");
            if flags != "0x80" {
                host.boxed(NO_FLAGS, &["clone", flags]).stopped("EPERM");
            }
            // ENOSYS makes C libraries fall back to clone(2), whose flags a filter can see.
            host.boxed(NO_FLAGS, &["clone3", flags]).stopped("ENOSYS");
        }
    }
}

#[test]
fn control_namespaces_can_be_made_when_bare() {
    for host in hosts() {
        for flags in &FLAGS[..4] {
            host.bare(&["unshare", flags]).done();
            host.bare(&["clone", flags]).done();
            host.bare(&["clone3", flags]).done();
        }
    }
}

#[test]
fn no_namespace_can_be_joined() {
    for host in hosts() {
        for kind in ["user", "mnt", "net", "pid"] {
            // The door to init's namespaces is shut before setns(2) is.
            host.boxed(NO_FLAGS, &["join", "1", kind]).stopped("EACCES");
        }
    }
}

#[test]
fn threads_and_processes_without_namespaces_are_allowed() {
    for host in hosts() {
        host.boxed(NO_FLAGS, &["clone", "0"]).done();
    }
}

/// Under the filter lies the kernel's own limit, set for this box alone (user_namespaces(7)).
#[test]
fn the_kernel_itself_allows_no_namespace_below() {
    const LIMIT: [&str; 2] = ["read", "/proc/sys/user/max_user_namespaces"];
    for host in hosts() {
        assert_eq!(host.boxed(NO_FLAGS, &LIMIT).done(), "0\n");
        assert_ne!(host.bare(&LIMIT).done(), "0\n");
    }
}
