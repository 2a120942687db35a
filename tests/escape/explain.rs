//! What is shown equals what holds (CVE-2021-43860, CVE-2023-28101).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::{Host, binaries, hosts, unique, words};

fn explain(host: &Host, flags: &[std::ffi::OsString]) -> Value {
    let mut command = host.command(&binaries().sandbox);
    command
        .args(["explain", "--json"])
        .args(flags)
        .arg("--")
        .arg(&binaries().probe);
    let output = command.output().expect("the tool");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Mount point to mount options, of everything that comes from a disk of the host.
fn mounts_inside(host: &Host, flags: &[std::ffi::OsString]) -> BTreeMap<String, String> {
    let mountinfo = host.boxed(flags, &["read", "/proc/self/mountinfo"]).done();
    let own = ["tmpfs", "proc", "devpts", "devtmpfs", "mqueue"];
    let line = |line: &str| {
        let (fields, kind) = line.split_once(" - ").expect("mountinfo(5)");
        let fields: Vec<&str> = fields.split(' ').collect();
        let kind = kind.split(' ').next().expect("a type");
        // A mount of the host may be of these types too; then it is not the whole of its file system.
        let whole = fields[3] == "/" || fields[4].starts_with("/dev/") || fields[4].starts_with("/proc/");
        (!(own.contains(&kind) && whole)).then(|| (fields[4].to_owned(), fields[5].to_owned()))
    };
    mountinfo.lines().filter_map(line).collect()
}

#[test]
fn explain_lists_the_mounts_that_the_box_has() {
    for host in hosts() {
        let (read, write) = (host.directory("read"), host.directory("write"));
        let flags = words([
            &"--read",
            &read,
            &"--write",
            &format!("{}:/data", write.display()),
        ]);
        let explained = explain(&host, &flags);
        let listed: BTreeMap<String, String> = explained["mounts"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|mount| {
                (
                    mount["at"].as_str().expect("text").into(),
                    mount["access"].as_str().expect("text").into(),
                )
            })
            .collect();
        let mut inside = mounts_inside(&host, &flags);
        // A folder of the box's memory that leads to a mount is held in place by a mount of its own.
        let leads = |at: &String| listed.keys().any(|one| one.starts_with(&format!("{at}/")));
        inside.retain(|at, _| listed.contains_key(at) || !leads(at));
        assert_eq!(
            listed.keys().collect::<Vec<_>>(),
            inside.keys().collect::<Vec<_>>()
        );
        for (at, options) in &inside {
            let writable = options.split(',').any(|option| option == "rw");
            assert_eq!(listed[at] == "write", writable, "{at} {options}");
            assert!(
                options.contains("nosuid") && options.contains("nodev"),
                "{at} {options}"
            );
        }
        assert_eq!(listed["/data"], "write");
    }
}

#[test]
fn explain_lists_the_environment_that_the_box_has() {
    for host in hosts() {
        let flags = words([&"--env", &format!("MARK={}", unique("mark"))]);
        let explained = explain(&host, &flags);
        let names = explained["process"]["env"].as_array().expect("a list").iter();
        let listed: Vec<&str> = names.map(|name| name.as_str().expect("text")).collect();
        let environment = host.boxed(&flags, &["environment"]).done();
        let inside: Vec<&str> = environment
            .lines()
            .filter_map(|line| line.split('=').next())
            .collect();
        assert_eq!(listed, inside);
    }
}

/// An escape sequence in a name could hide the line that shows it.
#[test]
fn control_characters_are_escaped() {
    for host in hosts() {
        let folder = host.directory("a\x1b[2K\rb\u{202e}c\nd");
        let flags = words([&"--read", &folder]);
        for format in [&["explain"][..], &["explain", "--json"], &["run", "--dry-run"]] {
            let mut command = host.command(&binaries().sandbox);
            command.args(format).args(&flags).arg("--").arg(&binaries().probe);
            let output = command.output().expect("the tool");
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8_lossy(&output.stdout);
            let raw = |text: &str| text.contains(['\x1b', '\r', '\u{202e}']) || text.contains("c\nd");
            assert!(!raw(&text), "{text:?}");
            assert!(text.contains("[2K"), "{text:?}");
        }
        // The name is odd and no more than that.
        let listed = host.boxed(&flags, &["list", &folder.display().to_string()]);
        assert_eq!(listed.done(), "");
    }
}
