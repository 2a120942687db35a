//! The user's keys in the kernel, keyrings(7).

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::common::{NO_FLAGS, answer, binaries, hosts, unique};

/// A session keyring with one key, as a login makes it.
fn with_a_key(command: &mut Command, name: &str) {
    let name = std::ffi::CString::new(name).expect("no NUL");
    // SAFETY: system calls are safe between fork and exec; the strings live as long as the closure.
    unsafe {
        command.pre_exec(move || {
            const JOIN_SESSION_KEYRING: libc::c_long = 1;
            const SESSION_KEYRING: libc::c_long = -3;
            let null = std::ptr::null::<libc::c_char>();
            let joined = libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, null);
            let kind = c"user".as_ptr();
            let key = libc::syscall(
                libc::SYS_add_key,
                kind,
                name.as_ptr(),
                c"secret".as_ptr(),
                6,
                SESSION_KEYRING,
            );
            match joined < 0 || key < 0 {
                true => Err(io::Error::last_os_error()),
                false => Ok(()),
            }
        })
    };
}

#[test]
fn the_users_keys_cannot_be_found_listed_or_changed() {
    for host in hosts() {
        let name = unique("mcp-sandbox-test");
        let run = |mut command: Command, attack: &[&str]| {
            with_a_key(&mut command, &name);
            command.arg(&binaries().probe).args(attack);
            answer(command)
        };
        run(host.command("env"), &["find-key", &name]).done();
        assert!(
            run(host.command("env"), &["read", "/proc/keys"])
                .done()
                .contains(&name)
        );
        run(host.run(NO_FLAGS), &["find-key", &name]).stopped("EPERM");
        assert_eq!(run(host.run(NO_FLAGS), &["read", "/proc/keys"]).done(), "");
        for call in ["keyctl", "add_key", "request_key"] {
            assert_eq!(run(host.run(NO_FLAGS), &["call", call]).done(), "EPERM");
        }
    }
}
