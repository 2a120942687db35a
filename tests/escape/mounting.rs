//! Changing the tree of mounts, by the old and the new calls, and cgroup v1 (CVE-2021-41133, CVE-2022-0492).

use crate::common::{NO_FLAGS, answer, binaries, hosts, root_hosts};

#[test]
fn nothing_can_be_mounted() {
    for host in hosts() {
        for attack in [
            ["mount", "none", "/tmp", "tmpfs", "0"],
            ["mount", "/usr", "/tmp", "none", "4096"],
            // MS_REMOUNT | MS_BIND without MS_RDONLY: a read-only mount writable again.
            ["mount", "none", "/usr/bin", "none", "4128"],
            ["mount", "none", "/proc", "proc", "0"],
            ["mount", "none", "/tmp", "cgroup", "0"],
            ["mount", "none", "/tmp", "cgroup2", "0"],
            ["mount", "none", "/tmp", "sysfs", "0"],
        ] {
            host.boxed(NO_FLAGS, &attack).stopped("EPERM");
        }
        host.boxed(NO_FLAGS, &["list", "/sys/fs/cgroup"])
            .stopped("ENOENT");
        host.boxed(NO_FLAGS, &["create", "/sys/fs/cgroup/release_agent"])
            .stopped("ENOENT");
    }
}

#[test]
fn control_the_same_mounts_succeed_where_they_are_allowed() {
    for host in hosts() {
        let mut command = host.command("unshare");
        command
            .args(["--user", "--map-root-user", "--mount"])
            .arg(&binaries().probe);
        command.args(["mount", "none", "/tmp", "tmpfs", "0"]);
        assert_eq!(answer(command).done(), "mounted");
    }
    for host in root_hosts() {
        host.bare(&["list", "/sys/fs/cgroup"]).done();
    }
}
