//! What is refused, by which exit code, and what the error says.

use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::error::Kind;

#[track_caller]
fn refused(error: &Error, kind: Kind, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind, kind, "{text}");
    words
        .iter()
        .for_each(|word| assert!(text.contains(word), "{word} is not in: {text}"));
}

#[test]
fn a_missing_command_lists_path_and_similar_names() {
    let mut disk = Disk::new();
    disk.elf("tools/frobnicate");
    disk.on_path("tools");
    refused(
        &disk.fail(&["frobnicat"]),
        Kind::NotFound,
        &["\"frobnicat\"", "tools", "\"frobnicate\""],
    );
}

#[test]
fn no_command_at_all() {
    refused(&Disk::new().fail(&[]), Kind::Setup, &["hint:"]);
}

#[test]
fn a_command_in_a_well_known_place_is_named_and_not_run() {
    let disk = Disk::new();
    disk.node(".nvm/versions/node/v18.2.0");
    disk.node(".nvm/versions/node/v20.11.0");
    disk.file(".nvm/alias/default", "lts/*\n");
    disk.file(".nvm/alias/lts/*", "lts/hydrogen\n");
    disk.file(".nvm/alias/lts/hydrogen", "v18.2.0\n");
    let mut bare = disk.host.clone();
    bare.path = Some("/nowhere".into());
    let disk = Disk { host: bare, ..disk };
    refused(
        &disk.fail(&["npx"]),
        Kind::NotFound,
        &["found at", ".nvm/versions/node/v18.2.0/bin/npx", "full path"],
    );
    fs::remove_dir_all(disk.at(".nvm/alias")).unwrap();
    refused(&disk.fail(&["npx"]), Kind::NotFound, &["v20.11.0/bin/npx"]);
    for place in [
        ".local/bin/a",
        ".cargo/bin/b",
        ".deno/bin/c",
        ".bun/bin/d",
        ".volta/bin/e",
        ".asdf/shims/f",
    ] {
        let path = disk.elf(place);
        refused(
            &disk.fail(&[path.file_name().unwrap().to_str().unwrap()]),
            Kind::NotFound,
            &["found at", place],
        );
    }
}

#[test]
fn the_current_directory_is_never_searched() {
    let mut disk = Disk::new();
    disk.elf("work/project/tool");
    disk.host.path = Some(":.:/usr/bin".into());
    refused(&disk.fail(&["tool"]), Kind::NotFound, &[]);
    // A control: by a path it is found, and the skipped entries are told.
    let runtime = disk.run(&["./tool"]);
    assert_eq!(runtime.program, disk.at("work/project/tool"));
    assert_eq!(
        disk.run(&["env"])
            .notes
            .iter()
            .filter(|note| note.contains("skipped"))
            .count(),
        2
    );
}

#[test]
fn without_path_the_systems_own_is_searched() {
    let mut disk = Disk::new();
    disk.host.path = None;
    assert!(disk.run(&["env"]).program.ends_with("bin/env"));
}

#[test]
fn files_that_cannot_be_executed() {
    let mut disk = Disk::new();
    let plain = disk.file("bin/plain", "#!/bin/sh\n");
    let text = disk.script("bin/text", "echo hello\n");
    let empty = disk.script("bin/empty", "");
    let crlf = disk.script("bin/crlf", "#!/bin/sh\r\necho\r\n");
    let bare = disk.script("bin/bare", "#!\n");
    let relative = disk.script("bin/relative", "#!python\n");
    let cases: [(&Path, &str); 7] = [
        (&plain, "is not executable"),
        (&text, "neither an ELF program nor a #! script"),
        (&empty, "empty"),
        (&crlf, "Windows"),
        (&bare, "without an interpreter"),
        (&relative, "not an absolute path"),
        (&disk.host.home, "is a directory"),
    ];
    for (path, word) in cases {
        refused(
            &disk.fail(&[path.to_str().unwrap()]),
            Kind::NotExecutable,
            &[word],
        );
    }
    disk.on_path("bin");
    refused(
        &disk.fail(&["plain"]),
        Kind::NotExecutable,
        &["is not executable"],
    );
}

#[test]
fn a_later_directory_wins_over_a_file_that_cannot_be_executed() {
    let mut disk = Disk::new();
    disk.file("b/tool", "");
    let tool = disk.elf("a/tool");
    disk.on_path("a");
    disk.on_path("b");
    assert_eq!(disk.run(&["tool"]).program, tool);
}

#[test]
fn missing_interpreters() {
    let disk = Disk::new();
    let cases = [
        ("#!/no/such/python\n", "\"/no/such/python\""),
        ("#!/usr/bin/env no-such-node\n", "\"no-such-node\""),
        ("#!/usr/bin/env node --flag\n", "env -S"),
    ];
    for (text, word) in cases {
        let script = disk.script("x", text);
        refused(&disk.fail(&[script.to_str().unwrap()]), Kind::NotFound, &[word]);
    }
}

#[test]
fn links_in_circles_and_to_nothing() {
    let mut disk = Disk::new();
    let a = disk.link("bin/a", "b");
    disk.link("bin/b", "a");
    let dangling = disk.link("bin/dangling", "../gone");
    disk.on_path("bin");
    refused(
        &disk.fail(&[a.to_str().unwrap()]),
        Kind::NotExecutable,
        &["symbolic links"],
    );
    refused(&disk.fail(&["a"]), Kind::NotExecutable, &["symbolic links"]);
    refused(
        &disk.fail(&[dangling.to_str().unwrap()]),
        Kind::NotFound,
        &["../gone", "does not exist"],
    );
}

#[test]
fn interpreters_that_are_scripts_as_deep_as_the_kernel_goes() {
    let disk = Disk::new();
    let mut last = PathBuf::from("/bin/sh");
    let mut scripts = Vec::new();
    for depth in 0..7 {
        last = disk.script(&format!("s{depth}"), format!("#!{}\n", last.display()));
        scripts.push(last.clone());
    }
    assert!(disk.try_run(&[scripts[3].to_str().unwrap()]).is_ok());
    refused(
        &disk.fail(&[scripts[6].to_str().unwrap()]),
        Kind::NotExecutable,
        &["more than 5"],
    );
    let own = disk.at("own");
    disk.script("own", format!("#!{}\n", own.display()));
    refused(
        &disk.fail(&[own.to_str().unwrap()]),
        Kind::NotExecutable,
        &["more than 5"],
    );
}

#[test]
fn names_of_any_bytes() {
    let mut disk = Disk::new();
    disk.on_path("bin");
    for name in [&b"caf\xe9"[..], b"--help", b"a=b", b"new\nline", b"-"] {
        let name = OsStr::from_bytes(name);
        disk.dir("bin");
        let path = disk.at("bin").join(name);
        fs::write(&path, b"\x7fELF\x02\x01\x01\0").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let argument = OsStr::from_bytes(b"\xff\xfe");
        let runtime = resolve(&[name.to_owned(), argument.to_owned()], &disk.host).unwrap();
        assert_eq!(runtime.program, path);
        assert_eq!(runtime.argv, [name, argument]);
    }
    refused(&disk.fail(&[""]), Kind::NotFound, &["\"\""]);
    refused(
        &resolve(&[OsStr::from_bytes(b"no\x1b\xff").to_owned()], &disk.host).unwrap_err(),
        Kind::NotFound,
        &["\\xff"],
    );
}

#[test]
fn snaps_are_refused_by_name() {
    let disk = Disk::new();
    disk.elf("usr/bin/snap");
    let node = disk.link("snap/bin/node", "../../usr/bin/snap");
    refused(
        &disk.fail(&[node.to_str().unwrap()]),
        Kind::NotExecutable,
        &["snapd"],
    );
}
