//! Descriptors of the client and of our own, and a working directory through one (CVE-2024-21626).

use std::fs::File;
use std::process::Command;

use crate::common::{Answer, Host, NO_FLAGS, answer, binaries, hosts, inherit};

/// The probe with descriptor 9 open on a secret file and 10 on the folder it lies in.
fn with_descriptors(host: &Host, mut command: Command, attack: &[&str]) -> Answer {
    let secret = host.file("secret", "the secret");
    inherit(&mut command, File::open(&secret).expect("a file").into(), 9);
    inherit(
        &mut command,
        File::open(host.folder()).expect("a folder").into(),
        10,
    );
    command.arg(&binaries().probe).args(attack);
    answer(command)
}

#[test]
fn only_the_standard_streams_are_open() {
    for host in hosts() {
        assert_eq!(
            with_descriptors(&host, host.run(NO_FLAGS), &["descriptors"]).done(),
            "0 1 2"
        );
        let bare = with_descriptors(&host, host.command("env"), &["descriptors"]).done();
        assert!(bare.contains("9 10"), "{bare}");
    }
}

#[test]
fn a_descriptor_of_the_client_cannot_be_read_through_proc() {
    for host in hosts() {
        for attack in [["read", "/proc/self/fd/9"], ["read", "/proc/self/fd/10/secret"]] {
            with_descriptors(&host, host.run(NO_FLAGS), &attack).stopped("ENOENT");
            assert_eq!(
                with_descriptors(&host, host.command("env"), &attack).done(),
                "the secret"
            );
        }
        with_descriptors(&host, host.run(NO_FLAGS), &["read", "/proc/1/fd/9"]).all_stopped();
    }
}

/// runc followed such a directory to the host's root.
#[test]
fn the_working_directory_cannot_lie_outside() {
    for host in hosts() {
        for cwd in [
            "/proc/self/fd/10",
            "/proc/self/fd/7",
            "/proc/thread-self/fd/8",
            "/proc/1/cwd",
            "/proc/1/root",
        ] {
            let command = host.run(["--cwd", cwd]);
            let answer = with_descriptors(&host, command, &["read", "secret"]);
            assert_eq!(answer.code, Some(125), "{cwd}: {answer:?}");
        }
        let project = host.directory("project");
        let project = project.display().to_string();
        assert_eq!(
            host.boxed(["--read", &project, "--cwd", &project], &["folder"])
                .done(),
            project
        );
    }
}

/// The client's own folder is shown only when a mount shows it.
#[test]
fn the_clients_folder_is_not_the_servers() {
    for host in hosts() {
        host.file("secret", "the secret");
        assert_ne!(
            host.boxed(NO_FLAGS, &["folder"]).done(),
            host.bare(&["folder"]).done()
        );
        assert_eq!(host.bare(&["read", "secret"]).done(), "the secret");
        host.boxed(NO_FLAGS, &["read", "secret"]).stopped("ENOENT");
    }
}
