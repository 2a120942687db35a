//! What the lock file holds, and what a later start does with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::common::ordinary_host;
use crate::stage::{Stage, said, spawn};

#[test]
fn a_second_start_asks_nobody() {
    let stage = Stage::new(ordinary_host());
    let first = stage.say(&["run", "--", "npx", "-y", "@test/server@^1", &stage.port]);
    assert_eq!(first.report()["args"][0], stage.port.as_str());
    // One line, as stderr is no terminal here.
    let lines = first
        .stderr
        .lines()
        .filter(|line| line.contains("preparing"))
        .count();
    assert_eq!(lines, 1, "{}", first.stderr);
    assert!(
        first.stderr.contains("package @test/server 1.0.0, "),
        "{}",
        first.stderr
    );

    stage.forget();
    stage.mode("errors\nnewer @test/server");
    // No package manager is started: there is none on this path, but node.
    let mut command = stage.sandbox(&[
        "run",
        "--quiet",
        "--",
        "npx",
        "-y",
        "@test/server@^1",
        &stage.port,
    ]);
    let bin = stage.host.directory("bin");
    let _ = std::os::unix::fs::symlink("/usr/bin/node", bin.join("node"));
    command.env("PATH", format!("{}:/bin", bin.display()));
    let again = said(&command.output().expect("the sandbox"));
    assert_eq!(again.report()["version"], "1.0.0");
    assert_eq!(stage.asked(), "");

    let explained = stage
        .say(&["explain", "--", "npx", "-y", "@test/server@^1"])
        .fine();
    assert!(
        explained.stdout.contains("node_modules/.bin/server"),
        "{}",
        explained.stdout
    );
}

#[test]
fn the_version_stays_until_it_is_moved_on_purpose() {
    let stage = Stage::new(ordinary_host());
    assert_eq!(stage.serve(&[], "@test/server")["version"], "1.0.0");
    stage.mode("newer @test/server");
    assert_eq!(stage.serve(&[], "@test/server")["version"], "1.0.0");
    // The store may be emptied: the lock file says what comes back.
    fs::remove_dir_all(stage.store()).expect("the store");
    assert_eq!(stage.serve(&[], "@test/server")["version"], "1.0.0");

    let words = ["prepare", "--upgrade", "--", "npx", "-y", "@test/server"];
    let moved = stage.say(&words).fine();
    assert!(moved.stderr.contains("from 1.0.0"), "{}", moved.stderr);
    assert!(
        moved.stderr.contains("+ node_modules/@test/server 1.1.0 sha512-"),
        "{}",
        moved.stderr
    );
    assert_eq!(stage.serve(&[], "@test/server")["version"], "1.1.0");
}

#[test]
fn another_hash_for_the_same_version_stops_with_both() {
    let stage = Stage::new(ordinary_host());
    assert_eq!(stage.serve(&[], "@test/server")["tag"], "good");
    let lock = fs::read_to_string(stage.lock()).expect("the lock file");
    fs::remove_dir_all(stage.store()).expect("the store");
    for (mode, also) in [
        // The registry tells another hash as well, or only gives another file.
        ("poison @test/server", None),
        ("tamper @test/server", None),
        // The lock file alone, on another machine: nothing remembers how npm resolved it.
        ("poison @test/server", Some("resolved")),
        ("poison dep-one", Some("resolved")),
    ] {
        if let Some(folder) = also {
            let _ = fs::remove_dir_all(stage.lock().with_file_name(folder));
        }
        stage.mode(mode);
        let said = stage.say(&["run", "--quiet", "--", "npx", "-y", "@test/server", &stage.port]);
        said.refused(&["sha512-", "prepare --upgrade"]);
        if also.is_some() {
            said.refused(&["  - node_modules/", "\n  + node_modules/"]);
        }
        assert_eq!(fs::read_to_string(stage.lock()).expect("the lock file"), lock);
        assert!(stage.prepared("npm").is_empty());
    }
    stage.mode("poison @test/server");
    stage
        .say(&["prepare", "--upgrade", "--", "npx", "-y", "@test/server"])
        .fine();
    assert_eq!(stage.serve(&[], "@test/server")["tag"], "bad");
}

#[test]
fn two_starts_at_once_prepare_it_once() {
    let stage = Stage::new(ordinary_host());
    let words = ["run", "--quiet", "--", "npx", "-y", "@test/server", &stage.port];
    let children: Vec<_> = (0..3).map(|_| spawn(stage.sandbox(&words))).collect();
    for child in children {
        let said = said(&child.wait_with_output().expect("it ends"));
        assert_eq!(said.report()["dep"], "dependency");
    }
    let tarballs = stage
        .asked()
        .lines()
        .filter(|line| line.contains("server-1.0.0.tgz"))
        .count();
    assert_eq!(tarballs, 1, "{}", stage.asked());
    assert_eq!(stage.prepared("npm").len(), 1);
}

#[test]
fn several_packages_share_a_lock_file_and_programs_are_chosen_by_name() {
    let stage = Stage::new(ordinary_host());
    stage
        .say(&["run", "--quiet", "--", "npx", "-y", "several"])
        .refused(&[
            "has several programs",
            "\"one\", \"two\"",
            "npx -y -p several PROGRAM",
        ]);
    let said = stage
        .say(&["run", "--quiet", "--", "npx", "-y", "-p", "several", "two"])
        .fine();
    assert_eq!(said.stdout, "two\n");
    stage.serve(&[], "@test/server");
    let lock = fs::read_to_string(stage.lock()).expect("the lock file");
    assert_eq!(lock.matches("[[package]]").count(), 2, "{lock}");
    stage
        .say(&[
            "run",
            "--quiet",
            "--",
            "npx",
            "-y",
            "-p",
            "@test/server",
            "nothing",
        ])
        .refused(&["has no program \"nothing\""]);
}

#[test]
fn another_node_gets_the_locked_package_anew() {
    let stage = Stage::new(ordinary_host());
    assert_eq!(stage.serve(&[], "@test/server")["version"], "1.0.0");
    let lock = fs::read_to_string(stage.lock()).expect("the lock file");
    stage.forget();
    stage.mode("newer @test/server");

    // One that says it is another, and takes other addons. Whatever is called so is asked in a box.
    let mark = stage.host.directory("other").join("mark");
    let node = format!(
        "#!/bin/sh\n[ \"$1\" = -p ] && {{ touch {}; exec echo 9999; }}\nexec /usr/bin/node \"$@\"\n",
        mark.display()
    );
    let node = stage.host.file("other/node", &node);
    fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let bare = Command::new(&node).arg("-p").status();
    assert!(bare.expect("a shell").success() && mark.exists());
    fs::remove_file(&mark).expect("it is ours");
    let start = |other: bool| {
        let mut command = stage.sandbox(&["run", "--quiet", "--", "npx", "-y", "@test/server", &stage.port]);
        if other {
            let bin = node.parent().expect("it has one");
            command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        }
        said(&command.output().expect("the sandbox")).report()
    };
    assert_eq!(start(true)["version"], "1.0.0");
    assert!(stage.asked().contains("server-1.0.0.tgz"), "{}", stage.asked());
    assert_eq!(fs::read_to_string(stage.lock()).expect("the lock file"), lock);
    assert_eq!(stage.prepared("npm").len(), 2);
    assert!(!mark.exists());
    // Each has its own from now on.
    stage.forget();
    assert_eq!(start(true)["version"], "1.0.0");
    assert_eq!(start(false)["version"], "1.0.0");
    assert_eq!(stage.asked(), "");

    // A hash that changed stops it as ever.
    stage.mode("poison @test/server");
    fs::remove_dir_all(stage.store()).expect("the store");
    stage
        .say(&["run", "--quiet", "--", "npx", "-y", "@test/server"])
        .refused(&["sha512-", "prepare --upgrade"]);
}
