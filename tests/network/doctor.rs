//! Where the calls of a server cannot be handed to the broker, rules for hosts are refused.

use std::process::Command;

use crate::common::{Answer, NO_FLAGS, answer, binaries, hosts};
use crate::world::internet;

/// A process that is watched already, as a container's manager watches some, can have no second listener (EBUSY of
/// seccomp(2)).
#[test]
fn under_another_listener_a_run_with_hosts_is_refused() {
    internet();
    for host in hosts() {
        let under = |flags: &[&str]| -> Answer {
            let mut command = host.command(&binaries().probe);
            command
                .arg("under-listener")
                .arg(&binaries().sandbox)
                .arg("run")
                .arg("--quiet");
            command
                .args(flags)
                .arg("--")
                .arg(&binaries().probe)
                .args(["tcp", "11.11.1.1:7000"]);
            answer(command)
        };
        let refused = under(&["--allow", "11.11.1.1:7000"]);
        assert!(refused.all().next().is_none(), "{refused:?}");
        for part in [
            "a seccomp filter with a listener holds this process already",
            "hint: ",
        ] {
            assert!(refused.stderr.contains(part), "{refused:?}");
        }
        // Control: without rules there is nothing to hand over, and without a listener above the rule holds.
        under(&[]).all_stopped();
        let flags = ["--allow", "11.11.1.1:7000"];
        host.boxed(flags, &["tcp", "11.11.1.1:7000"]).done();
        host.boxed(NO_FLAGS, &["tcp", "11.11.1.1:7000"])
            .stopped("ENETUNREACH");
    }
}

const HOSTS: &str = "hosts: connections made by the broker";

#[test]
fn doctor_makes_a_connection_by_the_broker() {
    internet();
    for host in hosts() {
        let state = |mut command: Command| {
            let output = command.args(["doctor", "--json"]).output().expect("the sandbox");
            let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let abilities = json["abilities"].as_array().expect("a list").clone();
            let found = abilities.into_iter().find(|one| one["ability"] == HOSTS);
            found.unwrap_or_else(|| panic!("{json:#}"))
        };
        assert_eq!(state(host.command(&binaries().sandbox))["state"], "ok");
        let mut under = host.command(&binaries().probe);
        under.arg("under-listener").arg(&binaries().sandbox);
        let under = state(under);
        assert_ne!(under["state"], "ok");
        assert!(
            under["detail"].as_str().expect("text").contains("EBUSY"),
            "{under:#}"
        );
    }
}
