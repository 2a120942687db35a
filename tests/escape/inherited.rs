//! What a process inherits: umask, signals, limits, session, priority.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::common::{Answer, Host, NO_FLAGS, answer, binaries, hosts};

/// A client with bad habits: everything blocked that can be, SIGHUP, SIGPIPE and SIGTERM ignored, an open umask,
/// unlimited core files, a lower priority.
fn bad_habits(command: &mut Command) {
    // SAFETY: every call is safe between fork and exec and takes plain numbers or memory of this frame.
    unsafe {
        command.pre_exec(|| {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
            for signal in [
                libc::SIGHUP,
                libc::SIGPIPE,
                libc::SIGTERM,
                libc::SIGUSR1,
                libc::SIGCHLD,
            ] {
                libc::signal(signal, libc::SIG_IGN);
            }
            libc::umask(0);
            libc::nice(5);
            Ok(())
        })
    };
}

fn with_bad_habits(mut command: Command, attack: &str) -> Answer {
    bad_habits(&mut command);
    command.arg(&binaries().probe).arg(attack);
    answer(command)
}

fn both(host: &Host, attack: &str) -> (String, String) {
    let bare = with_bad_habits(host.command("env"), attack).done();
    (bare, with_bad_habits(host.run(NO_FLAGS), attack).done())
}

#[test]
fn signals_are_as_a_new_program_expects_them() {
    for host in hosts() {
        let mut command = host.run(NO_FLAGS);
        bad_habits(&mut command);
        // Not the probe: the Rust runtime ignores SIGPIPE by itself.
        let output = command
            .args(["cat", "/proc/self/status"])
            .output()
            .expect("the sandbox");
        let status = String::from_utf8_lossy(&output.stdout);
        for field in ["SigBlk", "SigIgn", "SigCgt"] {
            assert!(
                status.contains(&format!("{field}:\t0000000000000000")),
                "{status}"
            );
        }
        let mut command = host.command("cat");
        bad_habits(&mut command);
        let output = command.arg("/proc/self/status").output().expect("cat");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("SigBlk:\t0000000000000000"));
    }
}

#[test]
fn the_umask_is_022_at_least() {
    for host in hosts() {
        assert_eq!(both(&host, "umask"), ("000".into(), "022".into()));
        let mut command = host.run(NO_FLAGS);
        // SAFETY: umask is safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0o077);
                io::Result::Ok(())
            })
        };
        command.arg(&binaries().probe).arg("umask");
        assert_eq!(answer(command).done(), "077", "stricter stays");
    }
}

#[test]
fn core_files_are_forbidden_for_good() {
    for host in hosts() {
        assert_eq!(both(&host, "core-limit").1, "0 0");
    }
}

#[test]
fn the_session_is_its_own_and_has_no_terminal() {
    for host in hosts() {
        let (bare, boxed) = both(&host, "session");
        assert_eq!(boxed, "session 2 group 2 terminal 0");
        assert_ne!(bare, boxed);
    }
}

/// The client decides how important the server is: neither better nor worse inside.
#[test]
fn the_priority_is_the_clients() {
    for host in hosts() {
        let (bare, boxed) = both(&host, "nice");
        assert_eq!(bare, boxed);
    }
}
