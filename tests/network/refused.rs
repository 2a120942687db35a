//! Every other way to a host: refused at once, with an errno that programs understand.
//!
//! The same script succeeds at each of them outside.

use std::io::Write as _;
use std::net::TcpListener;
use std::thread;

use crate::common::{Answer, NO_FLAGS, hosts, root_hosts, unique};
use crate::scripts::{Said, allow, bare, boxed};
use crate::world::{HOST, internet};

const HELLO: &str = "hello from 11.11.1.1";

/// A server on the machine's loopback, for the name that leads to it.
fn on_the_machine() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"hello from inside");
        }
    });
    port
}

#[test]
fn every_other_way_is_refused_at_once() {
    let heard = &internet().heard;
    let port = on_the_machine();
    let script = |word: &str| {
        format!(
            "WORD, LOOPBACK = {word:?}, {port}\n{}",
            include_str!("scripts/refused.py")
        )
    };
    let inside = format!("inside.test:{port}");
    let rules = ["api.test:7000", "meta.test:7000", "lan.test:7000", &inside];
    for host in hosts() {
        let word = unique("heard");
        control(&bare(&host, &script(&word)), host.is_root());
        assert!(heard.datagram(&word));

        let word = unique("heard");
        let said = boxed(&host, &allow(&rules), &script(&word));
        refused(&said);
        assert!(!heard.datagram(&word));
        for line in [
            "blocked: 11.11.1.1:7000: nothing in allow names it",
            "blocked: 169.254.169.254:7000: meta.test leads there, and it is a",
            "blocked: 10.20.30.40:7000: lan.test leads there, and it is a",
        ] {
            assert!(said.stderr.contains(line), "{line}: {said:#?}");
        }
    }
}

/// Outside every one of these arrives, so that their failure in the box says something.
fn control(said: &Said, is_root: bool) {
    for (label, result) in [
        ("TCP to an address", HELLO),
        ("TCP to an IPv6 address", "hello from 2a00:1111::6"),
        ("TCP to a mapped address", HELLO),
        ("TCP to metadata", "hello from 169.254.169.254"),
        ("TCP to a LAN", "hello from 10.20.30.40"),
        ("TCP to meta.test", "hello from 169.254.169.254"),
        ("TCP to lan.test", "hello from 10.20.30.40"),
        ("TCP to inside.test", "hello from inside"),
        ("UDP to an address", "heard"),
        ("connected UDP to an address", "heard"),
        ("QUIC to an address", "heard"),
        ("DNS to an address", "heard"),
        ("fast open by sendto to an address", HELLO),
        ("fast open by sendmsg to an address", HELLO),
        ("fast open by sendmmsg to an address", HELLO),
        ("fast open by option to an address", HELLO),
        ("disconnect, listen", "listening"),
        ("disconnect, connect", "disconnected, then connected"),
        ("bind to the machine's address", "listening"),
        ("bind to the machine's IPv6 address", "listening"),
        (
            "changed while judged",
            "['hello from 11.11.1.1', 'hello from 11.11.2.1']",
        ),
    ] {
        assert_eq!(said.get(label), result, "{label}: {said:#?}");
    }
    // Some kernels and systems leave these out, even for root.
    for label in ["multipath TCP to an address", "io_uring", "raw ICMP"] {
        let known = [HELLO, "ring", "answered", "EPROTONOSUPPORT", "EPERM", "ENOSYS"];
        assert!(known.contains(&said.get(label)), "{label}: {said:#?}");
    }
    assert!(!is_root || said.get("raw ICMP") == "answered", "{said:#?}");
}

fn refused(said: &Said) {
    for (label, result) in [
        ("TCP to an address", "ENETUNREACH"),
        ("TCP to an IPv6 address", "ENETUNREACH"),
        ("TCP to a mapped address", "ENETUNREACH"),
        ("TCP to metadata", "ENETUNREACH"),
        ("TCP to a LAN", "ENETUNREACH"),
        ("TCP to meta.test", "EHOSTUNREACH"),
        ("TCP to lan.test", "EHOSTUNREACH"),
        ("TCP to inside.test", "EHOSTUNREACH"),
        ("fast open by sendto to an address", "ENOTSUP"),
        ("fast open by sendmsg to an address", "ENOTSUP"),
        ("fast open by sendmmsg to an address", "ENOTSUP"),
        ("fast open by sendto to an allowed name", "ENOTSUP"),
        ("fast open by sendmsg to an allowed name", "ENOTSUP"),
        ("fast open by sendmmsg to an allowed name", "ENOTSUP"),
        ("fast open by option to an address", "ENETUNREACH"),
        // Without the option's effect: the connection is made as any other.
        ("fast open by option to an allowed name", HELLO),
        ("multipath TCP to an address", "EPROTONOSUPPORT"),
        ("multipath TCP to an allowed name", "EPROTONOSUPPORT"),
        ("raw ICMP", "EPERM"),
        ("disconnect, listen", "EAFNOSUPPORT"),
        ("disconnect, connect", "EAFNOSUPPORT, then EISCONN"),
        ("listen when connected", "EACCES"),
        ("io_uring", "ENOSYS"),
        ("bind to the machine's address", "EADDRNOTAVAIL"),
        ("bind to the machine's IPv6 address", "EADDRNOTAVAIL"),
        ("changed while judged", "['ENETUNREACH', 'hello from 11.11.1.1']"),
    ] {
        assert_eq!(said.get(label), result, "{label}: {said:#?}");
    }
    let datagrams = said
        .lines
        .iter()
        .filter(|(label, _)| label.contains("UDP") || label.contains("QUIC"));
    let others = said
        .lines
        .iter()
        .filter(|(label, _)| label.starts_with("DNS") || *label == "ICMP");
    for (label, result) in datagrams.chain(others) {
        assert!(
            ["ENETUNREACH", "ECONNREFUSED", "EACCES", "EPERM"].contains(&result.as_str()),
            "{label}: {said:#?}"
        );
    }
}

/// The families and protocols that connect by ways of their own, beside an allowed host.
#[test]
fn other_protocols_do_not_exist() {
    for host in hosts() {
        let flags = allow(&["api.test:7000"]);
        // SCTP, DCCP, MPTCP, and VSOCK, as streams and datagrams.
        for [family, kind, protocol] in [
            ["2", "1", "132"],
            ["2", "6", "33"],
            ["2", "1", "262"],
            ["10", "1", "262"],
        ] {
            host.boxed(&flags, &["socket", family, kind, protocol])
                .stopped("EPROTONOSUPPORT");
        }
        host.boxed(&flags, &["socket", "40", "1", "0"])
            .stopped("EAFNOSUPPORT");
        host.boxed(&flags, &["socket", "2", "1", "6"]).done();
    }
}

/// The address that is allowed is reached by the probe's plain connect(2), and by it alone.
#[test]
fn control_the_probe_reaches_an_allowed_address() {
    let _ = internet();
    let address = crate::world::at(HOST, crate::world::GREETER);
    let evidence = |answer: Answer| answer.done();
    for host in hosts() {
        assert_eq!(evidence(host.bare(&["tcp", &address])), HELLO);
        assert_eq!(
            evidence(host.boxed(allow(&[&address]), &["tcp", &address])),
            HELLO
        );
        host.boxed(NO_FLAGS, &["tcp", &address]).all_stopped();
    }
    for host in root_hosts() {
        // Root in the box has no more of the network.
        host.boxed(allow(&["api.test:7000"]), &["tcp", &address])
            .stopped("ENETUNREACH");
    }
}
