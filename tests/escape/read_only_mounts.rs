//! Read-only mounts: no call changes a file, its name, owner, mode, times or attributes.

use std::path::Path;

use crate::common::{Host, NO_FLAGS, hosts, root_hosts, words};

/// Each act with a fresh pair of files; the words `FILE`, `OTHER` and `NEW` stand for paths in the folder.
const ACTS: [&[&str]; 17] = [
    &["write", "FILE"],
    &["append", "FILE"],
    &["truncate", "FILE"],
    &["create-new", "NEW"],
    &["make-folder", "NEW"],
    &["remove", "FILE"],
    &["rename", "FILE", "NEW"],
    &["rename", "FILE", "OTHER"],
    &["exchange", "FILE", "OTHER"],
    &["hard-link", "FILE", "NEW"],
    &["symlink", "FILE", "NEW"],
    &["unnamed-file", "FOLDER", "NEW"],
    &["chmod", "FILE", "448"],
    &["chown", "FILE", "OWNER"],
    &["set-times", "FILE"],
    &["set-attribute", "FILE", "user.probe"],
    &["pipe-node", "NEW"],
];

fn act(host: &Host, folder: &Path, act: &[&str]) -> Vec<String> {
    let _ = std::fs::remove_dir_all(folder);
    host.directory("files");
    host.file("files/file", "content");
    host.file("files/other", "content");
    let owner = host.bare(&["identity"]).done();
    let owner = owner.split(' ').nth(1).expect("Uid: N").to_owned();
    let path = |name: &str| folder.join(name).display().to_string();
    act.iter()
        .map(|word| match *word {
            "FILE" => path("file"),
            "OTHER" => path("other"),
            "NEW" => path("new"),
            "FOLDER" => folder.display().to_string(),
            "OWNER" => owner.clone(),
            other => other.to_owned(),
        })
        .collect()
}

#[test]
fn nothing_on_a_read_only_mount_can_be_changed() {
    for host in hosts() {
        let folder = host.folder().join("files");
        for words_of_act in ACTS {
            for (flag, expected) in [("--read", "EROFS"), ("--write", "")] {
                let attack = act(&host, &folder, words_of_act);
                let attack: Vec<&str> = attack.iter().map(String::as_str).collect();
                let answer = host.boxed(words([&flag, &folder]), &attack);
                match expected {
                    "" => drop(answer.done()),
                    errno => answer.stopped(errno),
                }
            }
        }
    }
}

/// The system's folders are root's, and root in the box is still not root of the host.
#[test]
fn the_systems_folders_cannot_be_changed() {
    for host in hosts() {
        host.boxed(NO_FLAGS, &["create-new", "/usr/bin/probe"])
            .stopped("EROFS");
        host.boxed(NO_FLAGS, &["create-new", "/etc/probe"])
            .stopped("EROFS");
        host.boxed(NO_FLAGS, &["create-new", "/probe"]).stopped("EROFS");
        host.boxed(NO_FLAGS, &["chmod", "/usr/bin", "511"])
            .stopped("EROFS");
    }
}

/// The device nodes in the box are the host's own: their mode and times must not be the server's to change.
#[test]
fn the_hosts_device_nodes_cannot_be_changed() {
    for host in hosts() {
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let path = format!("/dev/{name}");
            host.boxed(NO_FLAGS, &["chmod", &path, "438"]).stopped("EROFS");
            host.boxed(NO_FLAGS, &["set-times", &path]).stopped("EROFS");
        }
        // Still devices: what is written goes nowhere, and what is read is zeroes.
        host.boxed(NO_FLAGS, &["write", "/dev/null"]).done();
        host.boxed(NO_FLAGS, &["open", "/dev/zero", "2"]).done();
    }
    for host in root_hosts() {
        host.bare(&["chmod", "/dev/null", "438"]).done();
    }
}

#[test]
fn device_nodes_cannot_be_made() {
    for host in hosts() {
        let folder = host.directory("writable");
        let path = folder.join("node").display().to_string();
        // The kernel's memory.
        host.boxed(words([&"--write", &folder]), &["device", &path, "1", "1"])
            .stopped("EPERM");
        host.boxed(NO_FLAGS, &["device", "/tmp/node", "1", "1"])
            .stopped("EPERM");
    }
    for host in root_hosts() {
        let path = host.folder().join("node").display().to_string();
        // /dev/null again: harmless.
        host.bare(&["device", &path, "1", "3"]).done();
    }
}
