//! Rules for addresses, and for the loopback of the machine.

use std::io::Write as _;
use std::net::TcpListener;
use std::thread;

use crate::common::hosts;
use crate::scripts::{allow, bare, boxed, same};

const HELLO: &str = "hello from 11.11.1.1";
const LAN: &str = "hello from 10.20.30.40";

#[test]
fn addresses_are_reached_by_rules_for_them() {
    const SCRIPT: &str = include_str!("scripts/addresses.py");
    const NOWHERE: &str = "ENETUNREACH";
    for host in hosts() {
        bare(&host, SCRIPT).is(&[
            ("11.11.1.1", HELLO),
            ("11.11.2.1", "hello from 11.11.2.1"),
            ("10.20.30.40", LAN),
            ("2a00:1111::6", "hello from 2a00:1111::6"),
            ("::ffff:11.11.1.1", HELLO),
            ("::ffff:10.20.30.40", LAN),
            ("lan.test", LAN),
            ("another port", HELLO),
        ]);
        let rules = [
            "11.11.1.1:7000",
            "10.20.30.0/24:7000",
            "[2a00:1111::6]:7000",
            "lan.test:7000",
        ];
        boxed(&host, &allow(&rules), SCRIPT).is(&[
            ("11.11.1.1", HELLO),
            ("11.11.2.1", NOWHERE),
            ("10.20.30.40", LAN),
            ("2a00:1111::6", "hello from 2a00:1111::6"),
            ("::ffff:11.11.1.1", HELLO),
            ("::ffff:10.20.30.40", LAN),
            ("lan.test", LAN),
            ("another port", NOWHERE),
        ]);
        // Without its own rule an internal address is out of reach, by whatever name.
        boxed(&host, &allow(&["lan.test:7000", "11.11.0.0/16:7000"]), SCRIPT).is(&[
            ("11.11.1.1", HELLO),
            ("11.11.2.1", "hello from 11.11.2.1"),
            ("10.20.30.40", NOWHERE),
            ("2a00:1111::6", NOWHERE),
            ("::ffff:11.11.1.1", HELLO),
            ("::ffff:10.20.30.40", NOWHERE),
            ("lan.test", "EHOSTUNREACH"),
            ("another port", NOWHERE),
        ]);
    }
}

/// A server on the machine's loopback that says `word`; its port.
fn on_the_machine(address: &str, word: &'static str) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(word.as_bytes());
        }
    });
    port
}

#[test]
fn a_port_of_the_machines_loopback_is_reached_and_no_other() {
    crate::world::internet();
    let (allowed, other) = (
        on_the_machine("127.0.0.1", "allowed"),
        on_the_machine("127.0.0.1", "other"),
    );
    let sixth = on_the_machine("::1", "sixth");
    let script = format!(
        r#"
for to in ("localhost", "127.0.0.1"):
    attempt(to, lambda: reach(to, {allowed}))
    attempt(f"{{to}}, another port", lambda: reach(to, {other}))
attempt("a server of IPv6", lambda: reach("localhost", {sixth}))
{}"#,
        include_str!("scripts/loopback.py")
    );
    for host in hosts() {
        let rules = [format!("localhost:{allowed}"), format!("localhost:{sixth}")];
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let (bare, boxed) = (bare(&host, &script), boxed(&host, &allow(&rules), &script));
        for to in ["localhost", "127.0.0.1"] {
            assert_eq!(
                (bare.get(to), boxed.get(to)),
                ("allowed", "allowed"),
                "{boxed:#?}"
            );
            let another = format!("{to}, another port");
            assert_eq!(
                (bare.get(&another), boxed.get(&another)),
                ("other", "ECONNREFUSED")
            );
        }
        for label in [
            "a server of IPv6",
            "own",
            "own IPv6",
            "own, without waiting",
            "own by name",
            "datagram",
        ] {
            assert_eq!(bare.get(label), boxed.get(label), "{label}: {boxed:#?}");
        }
    }
}

/// The box's own loopback works as ever beside rules for hosts.
#[test]
fn own_servers_are_reached() {
    for host in hosts() {
        same(&host, &allow(&["api.test"]), include_str!("scripts/loopback.py"));
    }
}
