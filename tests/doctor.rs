//! The doctor on this host, and on hosts where something is forbidden: made for real, each in a throw-away
//! namespace or under a filter, and never by pretending.

#![allow(clippy::unwrap_used)] // helpers of tests count as none for clippy.toml

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use serde_json::Value;

const DOCTOR: &str = env!("CARGO_BIN_EXE_mcp-sandbox");

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}\n{errors}"));
    assert_eq!(json["run_works"], output.status.success());
    json
}

fn ability<'a>(report: &'a Value, name: &str) -> &'a Value {
    let abilities = report["abilities"].as_array().unwrap();
    abilities
        .iter()
        .find(|ability| ability["ability"] == name)
        .unwrap()
}

/// The abilities in this state.
fn in_state<'a>(report: &'a Value, state: &str) -> Vec<&'a str> {
    let abilities = report["abilities"].as_array().unwrap();
    let found = abilities.iter().filter(|ability| ability["state"] == state);
    found
        .map(|ability| ability["ability"].as_str().unwrap())
        .collect()
}

fn cure(ability: &Value) -> String {
    let lines = ability["cure"].as_array().unwrap();
    let lines: Vec<_> = lines.iter().map(|line| line.as_str().unwrap()).collect();
    lines.join("\n")
}

/// What `run` says on the same host: the doctor must not promise more, nor less.
fn assert_run_agrees(works: bool, mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), works, "{said}");
}

/// A shell with every right in a user namespace of its own, with `setup` done first.
fn nested(setup: &str, words: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "sh",
            "-ec",
        ])
        .arg(format!("{setup}; exec \"$0\" {words}"))
        .arg(DOCTOR);
    command
}

/// The program as it sees the host through a container's filter: the named calls get the errno.
fn filtered(refused: &'static [(libc::c_long, i32)], words: &[&str]) -> Command {
    let mut command = Command::new(DOCTOR);
    command.args(words);
    let install = move || install(refused);
    // SAFETY: the closure makes system calls on memory prepared before, and allocates nothing.
    unsafe { command.pre_exec(install) };
    command
}

/// A filter in three instructions per call: compare the number, answer, go on.
fn install(refused: &[(libc::c_long, i32)]) -> std::io::Result<()> {
    let statement = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let (load, equal, answer) = (0x20, 0x15, 0x06);
    let mut program = [statement(answer, libc::SECCOMP_RET_ALLOW, 0, 0); 16];
    program[0] = statement(load, 0, 0, 0);
    for (index, (number, errno)) in refused.iter().enumerate() {
        program[1 + 2 * index] = statement(equal, *number as u32, 0, 1);
        program[2 + 2 * index] = statement(answer, libc::SECCOMP_RET_ERRNO | *errno as u32, 0, 0);
    }
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program lives across the call.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[test]
fn this_host_can_do_everything() {
    let output = Command::new(DOCTOR).args(["doctor", "--json"]).output().unwrap();
    let report = report(&output);
    assert_eq!(in_state(&report, "missing"), Vec::<&str>::new());
    assert_eq!(in_state(&report, "untried"), Vec::<&str>::new());
    assert!(in_state(&report, "ok").len() >= 20);
    assert_eq!(report["run_works"], true);
}

/// The positive control of the nested hosts below: without a prohibition, all is well there.
#[test]
fn a_nested_host_can_do_everything() {
    let report = report(&nested("true", "doctor --json").output().unwrap());
    assert_eq!(in_state(&report, "missing"), Vec::<&str>::new());
    assert_run_agrees(true, nested("true", "run --quiet -- true"));
}

#[test]
fn no_user_namespaces() {
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces";
    let report = report(&nested(forbid, "doctor --json").output().unwrap());
    let user = ability(&report, "user namespace");
    assert_eq!(user["state"], "missing");
    assert!(
        user["detail"]
            .as_str()
            .unwrap()
            .contains("user.max_user_namespaces is 0")
    );
    assert!(cure(user).contains("sudo sysctl -w user.max_user_namespaces="));
    // What cannot be tried is not called missing, and what needs no namespace is tried.
    assert_eq!(ability(&report, "/proc of its own")["state"], "untried");
    assert_eq!(ability(&report, "Landlock: files")["state"], "ok");
    assert_run_agrees(false, nested(forbid, "run --quiet -- true"));
}

#[test]
fn a_covered_proc() {
    let cover = "mount -t tmpfs none /proc/fs";
    let report = report(&nested(cover, "doctor --json").output().unwrap());
    assert_eq!(
        in_state(&report, "missing"),
        ["/proc of its own", "the default box as a whole"]
    );
    let proc = ability(&report, "/proc of its own");
    assert!(proc["detail"].as_str().unwrap().contains("EPERM"));
    assert!(cure(proc).contains("systempaths=unconfined"));
    assert_run_agrees(false, nested(cover, "run --quiet -- true"));
}

/// As Docker's default filter answers: clone3 is not there, and what else makes namespaces is not permitted.
#[test]
fn a_containers_filter() {
    let docker: &[_] = &[
        (libc::SYS_clone3, libc::ENOSYS),
        (libc::SYS_unshare, libc::EPERM),
        (libc::SYS_mount, libc::EPERM),
    ];
    let report = report(&filtered(docker, &["doctor", "--json"]).output().unwrap());
    let user = ability(&report, "user namespace");
    assert_eq!(user["state"], "missing");
    assert!(cure(user).contains("--security-opt seccomp=unconfined"));
    // What has nothing to do with namespaces is found as it is.
    assert_eq!(ability(&report, "Landlock: files")["state"], "ok");
    assert_eq!(ability(&report, "death signal")["state"], "ok");
    assert_run_agrees(false, filtered(docker, &["run", "--quiet", "--", "true"]));
}

/// As AppArmor does on Ubuntu: the namespace is made, and its capabilities are worth nothing.
#[test]
fn a_namespace_without_capabilities() {
    let powerless: &[_] = &[(libc::SYS_sethostname, libc::EPERM)];
    let report = report(&filtered(powerless, &["doctor", "--json"]).output().unwrap());
    let user = ability(&report, "user namespace");
    let detail = user["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("made, but its capabilities do not work"),
        "{detail}"
    );
    assert_run_agrees(false, filtered(powerless, &["run", "--quiet", "--", "true"]));
}

#[test]
fn no_landlock() {
    let old: &[_] = &[(libc::SYS_landlock_create_ruleset, libc::ENOSYS)];
    let report = report(&filtered(old, &["doctor", "--json"]).output().unwrap());
    assert_eq!(
        in_state(&report, "missing"),
        [
            "Landlock: files",
            "Landlock: TCP connect",
            "Landlock: abstract sockets",
            "the default box as a whole"
        ]
    );
    assert!(cure(ability(&report, "Landlock: files")).contains("landlock"));
    assert_run_agrees(false, filtered(old, &["run", "--quiet", "--", "true"]));
}

#[test]
fn no_mounts_of_the_new_kind() {
    let old: &[_] = &[(libc::SYS_mount_setattr, libc::ENOSYS)];
    let report = report(&filtered(old, &["doctor", "--json"]).output().unwrap());
    assert!(in_state(&report, "missing").contains(&"mounts of host folders, read-only"));
    assert_eq!(ability(&report, "user namespace")["state"], "ok");
    assert_run_agrees(false, filtered(old, &["run", "--quiet", "--", "true"]));
}

#[test]
fn too_few_files_hang_nothing() {
    for limit in ["ulimit -n 12", "ulimit -n 5"] {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{limit}; \"$0\" doctor"), DOCTOR]);
        assert!(!command.output().unwrap().status.success(), "{limit}");
    }
}

#[test]
fn for_people_it_says_what_each_lack_costs() {
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces";
    let output = nested(forbid, "doctor").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("MISSING  user namespace"), "{text}");
    assert!(text.contains("\n         costs: ") && text.contains("\n         cure:  sudo sysctl -w "));
    assert!(text.ends_with("\n`mcp-sandbox run` does not work on this host.\n"));
    assert_eq!(output.status.code(), Some(1));
}

/// A launch that the host refuses names the setting that forbids it.
#[test]
fn run_names_the_cause() {
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces";
    let output = nested(forbid, "run --quiet -- true").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("  hint: user.max_user_namespaces is 0"), "{said}");
    assert_eq!(output.status.code(), Some(125));
}
