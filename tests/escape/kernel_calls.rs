//! System calls that open the kernel itself: refused by number, one row each (flatpak and codex notes, design §6).

use crate::common::{Answer, Host, NO_FLAGS, hosts, root_hosts};

/// Calls that answer ENOSYS, so that programs fall back to what a filter can see.
const UNKNOWN: [&str; 4] = ["io_uring_setup", "io_uring_enter", "io_uring_register", "clone3"];

/// Calls for which an ordinary user needs no right: the control of this user is one of these.
const FREE: [&str; 5] = ["ptrace", "keyctl", "kcmp", "set_mempolicy", "clone3"];

/// `call A , call B , …`
fn all(host: &Host) -> Vec<String> {
    let names = host.bare(&["calls"]).done();
    names.split(' ').map(str::to_owned).collect()
}

fn attack(names: &[String]) -> Vec<&str> {
    let mut words = Vec::new();
    for name in names {
        words.extend(["call", name, ","]);
    }
    words.pop();
    words
}

/// What the kernel said to each.
fn answers(answer: &Answer) -> Vec<&str> {
    answer
        .all()
        .map(|(_, line)| {
            line.strip_prefix("done: ")
                .expect("`call` reports the errno as evidence")
        })
        .collect()
}

#[test]
fn every_call_of_the_table_is_refused() {
    for host in hosts() {
        let names = all(&host);
        assert!(names.len() > 50);
        let answer = host.boxed(NO_FLAGS, &attack(&names));
        for (name, said) in names.iter().zip(answers(&answer)) {
            let expected = if UNKNOWN.contains(&name.as_str()) {
                "ENOSYS"
            } else {
                "EPERM"
            };
            assert_eq!(said, expected, "{name}");
        }
    }
}

/// Bare, the same arguments get past the entry of the call: the kernel complains about them, not about us.
#[test]
fn control_bare_calls_reach_the_kernel() {
    for host in root_hosts() {
        let names = all(&host);
        let answer = host.bare(&attack(&names));
        for (name, said) in names.iter().zip(answers(&answer)) {
            // ENOSYS: this kernel is built without it, and there is nothing to refuse.
            assert_ne!(said, "EPERM", "{name}");
        }
    }
    for host in hosts() {
        let names: Vec<String> = FREE.iter().map(|name| (*name).to_owned()).collect();
        let answer = host.bare(&attack(&names));
        assert!(
            answers(&answer)
                .iter()
                .all(|said| !["EPERM", "ENOSYS"].contains(said)),
            "{answer:?}"
        );
    }
}

#[test]
fn only_the_plain_personality_can_be_chosen() {
    for host in hosts() {
        // ADDR_NO_RANDOMIZE
        host.only_bare(&["personality", "0x40000"], "EPERM");
        host.boxed(NO_FLAGS, &["personality", "0xffffffff"]).done();
    }
}
