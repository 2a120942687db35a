//! Standard streams that are a way out: an open folder, a file to open again with more rights (CVE-2024-21626).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;

use crate::common::{NO_FLAGS, answer, binaries, hosts, words};

#[test]
fn a_folder_as_stdin_is_refused() {
    for host in hosts() {
        host.file("secret", "the secret");
        let folder = || Stdio::from(File::open(host.folder()).expect("a folder"));
        let mut bare = host.command(&binaries().probe);
        bare.args(["read-stdin-at", "secret"]).stdin(folder());
        assert_eq!(answer(bare).done(), "the secret");

        let mut boxed = host.run(NO_FLAGS);
        boxed
            .arg(&binaries().probe)
            .args(["read-stdin-at", "secret"])
            .stdin(folder());
        answer(boxed).refused("stdin is a folder");

        let mut boxed = host.run(NO_FLAGS);
        boxed.arg(&binaries().probe).arg("folder").stderr(folder());
        assert_eq!(boxed.output().expect("the sandbox").status.code(), Some(125));

        let path_only = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(host.folder());
        let mut boxed = host.run(NO_FLAGS);
        boxed
            .arg(&binaries().probe)
            .args(["read-stdin-at", "secret"])
            .stdin(path_only.expect("a folder"));
        answer(boxed).refused("stdin is a folder");
    }
}

/// A file open for reading is for reading, whoever owns it.
#[test]
fn a_file_as_stdin_cannot_be_opened_for_writing() {
    for host in hosts() {
        let path = host.file("input", "input");
        let attack = |command: &mut std::process::Command, flags: &str| {
            let file = File::open(&path).expect("a file");
            command
                .arg(&binaries().probe)
                .args(["open", "/proc/self/fd/0", flags])
                .stdin(file);
        };
        // O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC
        for flags in ["1", "2", "513"] {
            let mut boxed = host.run(NO_FLAGS);
            attack(&mut boxed, flags);
            answer(boxed).stopped("EACCES");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "input");
        let mut boxed = host.run(NO_FLAGS);
        attack(&mut boxed, "0");
        answer(boxed).done();
        let mut bare = host.command("env");
        attack(&mut bare, "1");
        answer(bare).done();
    }
}

/// Nor does it get a second name below a writable mount, where it could be opened for writing.
#[test]
fn a_file_as_stdin_cannot_be_linked_into_a_writable_mount() {
    for host in hosts() {
        let path = host.file("input", "input");
        let folder = host.directory("writable");
        let target = folder.join("link").display().to_string();
        let mut boxed = host.run(words([&"--write", &folder]));
        boxed
            .arg(&binaries().probe)
            .args(["link-stdin", &target])
            .stdin(File::open(&path).expect("a file"));
        answer(boxed).stopped("EXDEV");
        let mut bare = host.command(&binaries().probe);
        bare.args(["link-stdin", &target])
            .stdin(File::open(&path).expect("a file"));
        answer(bare).done();
    }
}

/// Compatibility: programs open their log by its /dev name.
#[test]
fn control_a_log_file_as_stderr_can_be_opened_again_to_append_and_write() {
    for host in hosts() {
        let log = host.file("log", "before ");
        let mut boxed = host.run(NO_FLAGS);
        let file = OpenOptions::new().append(true).open(&log).expect("a file");
        boxed
            .arg(&binaries().probe)
            .args(["append", "/dev/stderr"])
            .stderr(file);
        answer(boxed).done();
        assert_eq!(std::fs::read_to_string(&log).expect("a file"), "before probe");
        let mut boxed = host.run(NO_FLAGS);
        let file = OpenOptions::new().append(true).open(&log).expect("a file");
        boxed
            .arg(&binaries().probe)
            .args(["read", "/proc/self/fd/2"])
            .stderr(file);
        answer(boxed).stopped("EACCES");
    }
}
