//! The socket of the host's network that takes the place of the server's when it connects to a host that is allowed, and
//! the one that is left when the server gives up before an answer: neither leads, binds or listens anywhere else.
//!
//! The allowed host is a port of the host's own loopback, so nothing but that is needed; the other is one beside it.

use std::time::{Duration, Instant};

use crate::common::network::{FullPort, greeter};
use crate::common::{Host, hosts, unique};

/// A port that may be reached, one that may be reached and does not answer, and one that may not be.
struct Ground {
    allowed: String,
    word: String,
    full: FullPort,
    other: String,
    secret: String,
    flags: [String; 4],
}

impl Ground {
    fn new() -> Self {
        let (word, secret) = (unique("allowed"), unique("secret"));
        let (allowed, other) = (greeter(&word), greeter(&secret));
        let full = FullPort::new();
        let rule = |address: &str| address.replace("127.0.0.1", "localhost");
        let flags = [
            "--allow".into(),
            rule(&allowed),
            "--allow".into(),
            rule(&full.address),
        ];
        Ground {
            allowed,
            word,
            full,
            other,
            secret,
            flags,
        }
    }

    /// Without the box the attack hears the other host; in it, it is stopped.
    #[track_caller]
    fn hears_only_bare(&self, host: &Host, attack: &[&str], errno: &str) {
        assert_eq!(host.bare(attack).done(), self.secret);
        host.boxed(&self.flags, attack).stopped(errno);
    }

    #[track_caller]
    fn done_only_bare(&self, host: &Host, attack: &[&str], errno: &str) {
        host.bare(attack).done();
        host.boxed(&self.flags, attack).stopped(errno);
    }

    /// What is allowed works in the box.
    #[track_caller]
    fn control(&self, host: &Host) {
        assert_eq!(host.boxed(&self.flags, &["tcp", &self.allowed]).done(), self.word);
    }
}

#[test]
fn a_swapped_socket_is_not_disconnected_and_connected_elsewhere() {
    let ground = Ground::new();
    for host in hosts() {
        ground.control(&host);
        let attack = ["swapped-reconnect", &ground.allowed, &ground.other];
        ground.hears_only_bare(&host, &attack, "EAFNOSUPPORT");
        let attack = ["stopped-reconnect", &ground.full.address, &ground.other];
        ground.hears_only_bare(&host, &attack, "EAFNOSUPPORT");
        let attack = ["stopped-connect", &ground.full.address, &ground.other];
        ground.hears_only_bare(&host, &attack, "ENETUNREACH");
    }
}

#[test]
fn sockets_of_the_hosts_network_neither_listen_nor_take_an_address() {
    let ground = Ground::new();
    for host in hosts() {
        ground.done_only_bare(&host, &["swapped-listen", &ground.allowed], "EACCES");
        ground.done_only_bare(&host, &["stopped-listen", &ground.full.address], "EACCES");
        ground.done_only_bare(&host, &["stopped-bind", &ground.full.address], "EACCES");
    }
}

#[test]
fn a_first_datum_opens_no_connection_past_the_broker() {
    let ground = Ground::new();
    for host in hosts() {
        for call in ["sendto", "sendmsg", "sendmmsg"] {
            let attack = ["stopped-fast-open", &ground.full.address, &ground.other, call];
            ground.hears_only_bare(&host, &attack, "EOPNOTSUPP");
        }
    }
}

/// Source routes, routing headers and interfaces, and sockets that become others: by level and number, with values that the
/// kernel takes.
#[test]
fn options_that_lead_packets_elsewhere_are_refused() {
    /// Source routes stand in the same option; not every kernel takes one from an ordinary user.
    const RECORD_ROUTE: &str = "0707040000000000";
    let ground = Ground::new();
    for host in hosts() {
        for (level, name, value) in [
            ("0", "4", RECORD_ROUTE),
            ("1", "5", "01000000"),
            ("1", "25", "6c6f"),
            ("1", "62", "01000000"),
            // No bytes take a header away that was set before: what counts is whether the kernel is asked.
            ("41", "57", ""),
            ("41", "6", ""),
            ("41", "5", "01000000"),
        ] {
            let attack = ["swapped-option", &ground.allowed, level, name, value];
            ground.done_only_bare(&host, &attack, "EPERM");
        }
        // TCP_ULP "tls", which not every kernel has.
        let other_kind = ["swapped-option", &ground.allowed, "6", "31", "746c73"];
        host.boxed(&ground.flags, &other_kind).stopped("EPERM");
        assert!(!format!("{:?}", host.bare(&other_kind)).contains("EPERM"));
        // TCP_NODELAY
        let harmless = ["swapped-option", &ground.allowed, "6", "1", "01000000"];
        host.boxed(&ground.flags, &harmless).done();
    }
}

/// The broker would close the connection that it replaces, and closing waits for the other side (SO_LINGER).
#[test]
fn a_connected_socket_is_not_connected_again_and_nobody_waits_for_it() {
    let ground = Ground::new();
    for host in hosts() {
        let attack = ["connect-connected", &ground.allowed];
        host.bare(&attack).stopped("EISCONN");
        let start = Instant::now();
        host.boxed(&ground.flags, &attack).stopped("EISCONN");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
