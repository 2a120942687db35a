//! Commands that look like options, and arguments with any byte (CVE-2024-32462).

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::common::{Host, NO_FLAGS, answer, binaries, copy, hosts};

/// Names a launcher could take for something of its own.
const NAMES: [&[u8]; 9] = [
    b"--help",
    b"--version",
    b"-x",
    b"--",
    b"a=b",
    b"run",
    b"with space",
    b"new\nline",
    b"not utf-8 \xff\xfe",
];

/// A copy of the probe with this name, in a folder that is put on PATH.
fn program(host: &Host, name: &[u8]) -> PathBuf {
    let folder = host.directory("programs");
    let path = folder.join(std::ffi::OsStr::from_bytes(name));
    copy(&binaries().probe, &path);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("the file is ours");
    host.give(&path);
    path
}

#[test]
fn a_command_with_any_name_is_started() {
    for host in hosts() {
        for name in NAMES {
            let path = program(&host, name);
            let mut command = host.run(NO_FLAGS);
            command.env(
                "PATH",
                format!("{}:/usr/bin:/bin", path.parent().expect("a folder").display()),
            );
            command
                .arg(std::ffi::OsStr::from_bytes(name))
                .args(["arguments", "x"]);
            assert_eq!(
                answer(command).done(),
                "78",
                "{:?}",
                String::from_utf8_lossy(name)
            );
        }
    }
}

/// Not even `--` or the name of a sub-command changes on the way.
#[test]
fn arguments_arrive_byte_for_byte() {
    let every_byte: Vec<u8> = (1..=255).filter(|byte| *byte != b',').collect();
    let words: Vec<OsString> = [
        &b"--help"[..],
        b"--",
        b"",
        b"--profile",
        b"$HOME",
        b"`id`",
        &every_byte,
    ]
    .iter()
    .map(|word| OsString::from_vec(word.to_vec()))
    .collect();
    let hex =
        |word: &OsString| -> String { word.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect() };
    let expected: Vec<String> = words.iter().map(hex).collect();
    for host in hosts() {
        let mut command = host.run(NO_FLAGS);
        command.arg(&binaries().probe).arg("arguments").args(&words);
        assert_eq!(answer(command).done(), expected.join(" "));
    }
}

/// Before the separator they are ours, and mean what our manual says.
#[test]
fn control_before_the_separator_the_same_words_are_options() {
    for host in hosts() {
        let output = host
            .command(&binaries().sandbox)
            .args(["run", "--help"])
            .output()
            .expect("the tool");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: mcp-sandbox run"));
    }
}
