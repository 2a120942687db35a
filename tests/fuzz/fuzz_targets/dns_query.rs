//! Any bytes as a query to the stub resolver: it never panics, answers with the query's number and in one datagram,
//! repeats the question or none, and has only allowed names resolved.
//!
//! Run with `cargo fuzz run --fuzz-dir tests/fuzz dns_query`.

#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use mcp_sandbox_platform::net::Name;
use mcp_sandbox_platform::net::dns::{Act, Answer, Reply, Zone, receive};

/// Half of all names are allowed, every even address has a name.
struct Half;

impl Zone for Half {
    fn allows(&self, name: &Name) -> bool {
        name.as_str().len().is_multiple_of(2)
    }

    fn behind(&self, address: Ipv4Addr) -> Option<Name> {
        let even = address.octets()[3].is_multiple_of(2);
        even.then(|| Name::parse(&"a".repeat(63)).expect("a name"))
    }
}

fuzz_target!(|packet: &[u8]| match receive(packet, &Half) {
    Act::Ignore => assert!(packet.len() < 12 || packet[2] & 0x80 != 0),
    Act::Reply(reply) => check(packet, &reply),
    Act::Refuse(reply, name) => {
        assert!(!Half.allows(&name));
        check(packet, &reply);
    }
    Act::Resolve(query, name) => {
        assert!(Half.allows(&name));
        let replies = [
            query.exists(Ipv4Addr::new(198, 18, 0, 2)),
            query.failed(),
            query.reply(&Answer::NotFound),
            query.reply(&Answer::NoRecord),
        ];
        for reply in replies {
            check(packet, &reply.expect("fits"));
        }
    }
});

fn check(packet: &[u8], reply: &Reply) {
    let bytes = reply.as_bytes();
    assert!((12..=512).contains(&bytes.len()));
    assert_eq!(bytes[..2], packet[..2]);
    assert!(bytes[2] & 0x80 != 0);
    let question = match bytes[4..6] {
        [0, 0] => &[],
        [0, 1] => question(&bytes[12..]),
        _ => panic!("more than one question"),
    };
    assert!(packet[12..].starts_with(question));
}

fn question(bytes: &[u8]) -> &[u8] {
    let mut end = 0;
    while bytes[end] != 0 {
        end += 1 + usize::from(bytes[end]);
    }
    &bytes[..end + 5]
}
