//! What goes wrong leaves nothing half-made, and says what to do.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::ordinary_host;
use crate::stage::{Stage, said, spawn, wait_until};

const RUN: [&str; 5] = ["run", "--quiet", "--", "npx", "-y"];

#[test]
fn a_registry_that_fails_is_told_and_nothing_is_left() {
    let stage = Stage::new(ordinary_host());
    let run = |package: &str| stage.say(&[&RUN[..], &[package]].concat());
    for (mode, words) in [
        ("errors", ["500", "hint:"]),
        ("hang", ["registry cannot be reached", "hint:"]),
        ("truncate", ["npm could not install @test/server", "hint:"]),
    ] {
        stage.mode(mode);
        run("@test/server").refused(&words);
        stage.untouched();
    }
    stage.mode("");
    run("no-such-package").refused(&["E404", "name and the version right"]);
    run("@test/server@^7").refused(&["ETARGET", "name and the version right"]);
    stage.untouched();
    // It was the registry alone: nothing of that is remembered.
    assert_eq!(stage.serve(&[], "@test/server")["dep"], "dependency");
}

#[test]
fn without_a_network_the_first_start_fails_and_later_ones_do_not() {
    let mut stage = Stage::new(ordinary_host());
    stage.serve(&[], "@test/server");
    let port = stage.port.clone();
    stage.stop();
    let said = stage.say(&[&RUN[..], &["@test/server", &port]].concat());
    assert_eq!(said.report()["registry"], "ECONNREFUSED");
    stage
        .say(&[&RUN[..], &["several"]].concat())
        .refused(&["ECONNREFUSED", "the first start needs it"]);
}

#[test]
fn a_damaged_store_is_prepared_anew() {
    let stage = Stage::new(ordinary_host());
    stage.serve(&[], "@test/server");
    let [folder] = &stage.prepared("npm")[..] else {
        panic!("one package")
    };
    for file in ["mcp-sandbox.json", "node_modules/@test/server/server.js"] {
        fs::remove_file(folder.join(file)).expect("it is there");
        assert_eq!(stage.serve(&[], "@test/server")["dep"], "dependency", "{file}");
    }
    fs::write(folder.join("mcp-sandbox.json"), "{").expect("it is there");
    assert_eq!(stage.serve(&[], "@test/server")["dep"], "dependency");

    // What a start does not see, `prepare` does.
    let program = folder.join("node_modules/@test/server/server.js");
    let good = fs::read_to_string(&program).expect("it is there");
    fs::write(&program, "changed").expect("it is ours");
    let said = stage.say(&["prepare", "--", "npx", "-y", "@test/server"]).fine();
    assert!(said.stderr.contains("were changed since"), "{}", said.stderr);
    assert_eq!(fs::read_to_string(&program).expect("it is there"), good);
}

#[test]
fn an_end_in_the_middle_leaves_nothing_and_stops_npm() {
    let stage = Stage::new(ordinary_host());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        stage.mode("hang");
        stage.forget();
        let mut command = stage.sandbox(&["prepare", "--", "npx", "-y", "@test/server"]);
        command.env("npm_config_fetch_timeout", "600000");
        let child = spawn(command);
        wait_until(|| (!stage.asked().is_empty()).then_some(()));
        kill(Pid::from_raw(child.id().cast_signed()), signal).expect("it runs");
        let said = said(&child.wait_with_output().expect("it ends"));
        said.refused(&["interrupted"]);
        stage.untouched();
    }
    // A client that gives up ends `run` alone.
    let mut command = stage.sandbox(&[&RUN[..], &["@test/server"]].concat());
    command.env("npm_config_fetch_timeout", "600000");
    stage.forget();
    let mut child = spawn(command);
    wait_until(|| (!stage.asked().is_empty()).then_some(()));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let marker = stage.store().join("npm").to_string_lossy().into_owned();
    wait_until(|| crate::common::processes(&marker).is_empty().then_some(()));
    wait_until(|| stage.prepared("npm").is_empty().then_some(()));
    stage.untouched();
    stage.mode("");
    assert_eq!(stage.serve(&[], "@test/server")["dep"], "dependency");
}

#[test]
fn a_lock_file_or_store_that_cannot_be_used_is_named() {
    let stage = Stage::new(ordinary_host());
    stage.serve(&[], "@test/server");
    fs::write(stage.lock(), "version = 1\nnonsense").expect("it is ours");
    stage
        .say(&[&RUN[..], &["@test/server"]].concat())
        .refused(&["mcp-sandbox.lock\" is not valid: line 2", "hint:"]);
    fs::remove_file(stage.lock()).expect("it is ours");

    let cache = stage.host.file("no-folder", "");
    let mut command = stage.sandbox(&[&RUN[..], &["@test/server"]].concat());
    command.env("XDG_CACHE_HOME", &cache);
    said(&command.output().expect("the sandbox")).refused(&["no-folder", "XDG_CACHE_HOME"]);
}

#[test]
fn a_full_disk_is_told() {
    // Only root can make a small disk.
    for host in crate::common::root_hosts() {
        let stage = Stage::new(host);
        let small = stage.host.directory("small");
        let mut mount = stage.command("unshare");
        mount.args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs -o size=60k none \"$1\" && shift && exec \"$@\"",
            "sh",
        ]);
        mount.arg(&small).arg(&crate::common::binaries().sandbox);
        mount
            .args([&RUN[..], &["@test/server"]].concat())
            .env("XDG_CACHE_HOME", &small);
        said(&mount.output().expect("unshare(1)")).refused(&["hint: the disk is full"]);
        assert!(!stage.lock().exists());
    }
}
