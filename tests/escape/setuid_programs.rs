//! Programs with the setuid bit: executed inside they give nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Host, NO_FLAGS, binaries, copy, hosts, is_root, ordinary_host, words};

/// A copy of the probe that belongs to root and carries the bit, in a folder everybody can read.
fn program_of_root(host: &Host) -> String {
    fs::set_permissions(host.folder(), Permissions::from_mode(0o755)).expect("the folder is ours");
    let path = host.folder().join("setuid");
    copy(&binaries().probe, &path);
    fs::set_permissions(&path, Permissions::from_mode(0o4755)).expect("root changes modes");
    path.display().to_string()
}

/// Only root can make such a program.
#[test]
fn as_root_a_setuid_program_gives_no_rights() {
    if !is_root() {
        return;
    }
    let host = ordinary_host();
    let path = program_of_root(&host);
    let bare = host.bare(&["execute", &path, "identity"]).done();
    assert!(bare.contains(" 0 0 0;"), "{bare}");
    for flag in ["--read", "--write"] {
        let boxed = host
            .boxed(words([&flag, &path]), &["execute", &path, "identity"])
            .done();
        assert!(!boxed.contains(" 0 0 0;"), "{boxed}");
        assert!(boxed.contains("NoNewPrivs: 1"), "{boxed}");
    }
}

/// The user's own id is the only one there is.
#[test]
fn no_other_user_can_be_become() {
    for host in hosts() {
        host.boxed(NO_FLAGS, &["become", "12345"]).stopped("EINVAL");
    }
    if is_root() {
        host_root().bare(&["become", "12345"]).done();
    }
}

fn host_root() -> Host {
    hosts().swap_remove(0)
}

#[test]
fn no_capability_is_left() {
    for host in hosts() {
        let identity = host.boxed(NO_FLAGS, &["identity"]).done();
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(
                identity.contains(&format!("{set}: 0000000000000000")),
                "{identity}"
            );
        }
        // Mode 2: a filter.
        assert!(identity.contains("NoNewPrivs: 1; Seccomp: 2"), "{identity}");
    }
}

/// A limit, not a promise: the bit does nothing inside, but on a writable mount it is written to the host's disk.
/// Whoever may execute the file there gets the rights of the user who ran the box, root's when that was root.
#[test]
fn limit_a_server_can_set_the_bit_on_a_writable_mount() {
    for host in hosts() {
        let folder = host.directory("writable");
        let file = host.file("writable/file", "").display().to_string();
        // 0o4755
        assert_eq!(
            host.boxed(words([&"--write", &folder]), &["chmod", &file, "2541"])
                .done(),
            "4755"
        );
    }
}
