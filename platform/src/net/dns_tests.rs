//! Queries as real resolvers send them, hostile ones, and any bytes at all.

use domain::base::iana::Opcode;
use domain::rdata::{AllRecordData, Soa};
use proptest::prelude::*;

use super::*;

/// `api.github.com` and names below `example.com` are allowed, 198.18.0.2 is the former's.
struct Two;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

impl Zone for Two {
    fn allows(&self, name: &Name) -> bool {
        name.as_str() == "api.github.com" || name.as_str().ends_with(".example.com")
    }

    fn behind(&self, address: Ipv4Addr) -> Option<Name> {
        (address == ADDRESS).then(|| Name::parse("api.github.com").unwrap())
    }
}

/// Queries for `api.github.com` as they came over the wire.
const CLIENTS: [(&str, Wants, &str); 10] = [
    (
        "glibc 2.36",
        Wants::V4,
        "4faa01000001000000000000036170690667697468756203636f6d0000010001",
    ),
    (
        "glibc 2.36",
        Wants::V6,
        "80ae01000001000000000000036170690667697468756203636f6d00001c0001",
    ),
    (
        "glibc 2.36, options edns0 trust-ad",
        Wants::V4,
        "627901200001000000000001036170690667697468756203636f6d000001000100002904b0000000000000",
    ),
    (
        "glibc 2.36, options edns0 trust-ad",
        Wants::V6,
        "e47301200001000000000001036170690667697468756203636f6d00001c000100002904b0000000000000",
    ),
    (
        "musl 1.2.3",
        Wants::V4,
        "d8dc01000001000000000000036170690667697468756203636f6d0000010001",
    ),
    (
        "musl 1.2.3",
        Wants::V6,
        "d9ff01000001000000000000036170690667697468756203636f6d00001c0001",
    ),
    (
        "c-ares of Node.js",
        Wants::V4,
        "08c601000001000000000000036170690667697468756203636f6d0000010001",
    ),
    (
        "Go's own resolver",
        Wants::V4,
        "854f01000001000000000001036170690667697468756203636f6d000001000100002904d0000000000000",
    ),
    (
        "Go's own resolver",
        Wants::V6,
        "038601000001000000000001036170690667697468756203636f6d00001c000100002904d0000000000000",
    ),
    (
        "Java 17",
        Wants::V6,
        "c25001000001000000000000036170690667697468756203636f6d00001c0001",
    ),
];

/// Queries that are answered at once, as they came over the wire.
const ANY_OF_JAVA: &str = "b63301000001000000000000036170690667697468756203636f6d0000ff0001";
const SRV_OF_C_ARES: &str = "85e401000001000000000000036170690667697468756203636f6d0000210001";
const REVERSE_OF_C_ARES: &str =
    "ad0201000001000000000000013201300231380331393807696e2d61646472046172706100000c0001";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

/// A question after a plain header.
fn asking(name: &str, kind: u16, class: u16) -> Vec<u8> {
    let mut packet = bytes("123401000001000000000000");
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&class.to_be_bytes());
    packet
}

/// The same with an OPT record of this version and these flags.
fn with_opt(mut packet: Vec<u8>, version: u8, flags: u16) -> Vec<u8> {
    packet[11] += 1;
    packet.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, version]);
    packet.extend_from_slice(&flags.to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet
}

/// What an answer says, in words.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    rcode: u16,
    answers: Vec<String>,
    /// Seconds that nothing may be remembered for.
    nothing_for: Option<u32>,
}

fn said(reply: &Reply) -> Said {
    let message = Message::from_slice(reply.as_bytes()).unwrap();
    assert!(message.header().qr() && message.header().ra());
    assert!(!message.header().aa() && !message.header().tc() && !message.header().ad());
    let rcode = message.opt().map_or_else(
        || u16::from(message.header().rcode().to_int()),
        |opt| opt.rcode(message.header()).to_int(),
    );
    let answers = message
        .answer()
        .unwrap()
        .map(|record| {
            record
                .unwrap()
                .into_record::<AllRecordData<_, _>>()
                .unwrap()
                .unwrap()
        })
        .map(|record| format!("{} {} {}", record.owner(), record.ttl().as_secs(), record.data()))
        .collect();
    let mut authority = message.authority().unwrap().limit_to::<Soa<_>>();
    let soa = authority.next().map(|record| record.unwrap());
    Said {
        rcode,
        answers,
        nothing_for: soa.map(|soa| {
            assert!(soa.owner().is_root());
            soa.data().minimum().as_secs()
        }),
    }
}

fn words(rcode: u16, answers: &[&str]) -> Said {
    let negative = answers.is_empty() && matches!(rcode, 0 | 3);
    Said {
        rcode,
        answers: answers.iter().map(|answer| (*answer).to_owned()).collect(),
        nothing_for: negative.then_some(5),
    }
}

/// What is said at once.
fn at_once(packet: &[u8]) -> Said {
    match receive(packet, &Two) {
        Act::Reply(reply) | Act::Refuse(reply, _) => said(&reply),
        Act::Ignore => panic!("ignored: {packet:02x?}"),
        Act::Resolve(_, name) => panic!("resolves {name}"),
    }
}

fn resolving(packet: &[u8]) -> (Query, Name) {
    match receive(packet, &Two) {
        Act::Resolve(query, name) => (query, name),
        _ => panic!("not resolved: {packet:02x?}"),
    }
}

#[test]
fn every_client_gets_the_synthetic_address() {
    for (client, wants, hex) in CLIENTS {
        let packet = bytes(hex);
        let (query, name) = resolving(&packet);
        assert_eq!(
            (name.as_str(), query.wants),
            ("api.github.com", wants),
            "{client}"
        );
        let reply = query.exists(ADDRESS).unwrap();
        let expected = match wants {
            Wants::V4 => words(0, &["api.github.com 30 198.18.0.2"]),
            _ => words(0, &[]),
        };
        assert_eq!(said(&reply), expected, "{client}");
        let reply = reply.as_bytes();
        assert_eq!(reply[..2], packet[..2], "{client}");
        assert_eq!(reply[12..32], packet[12..32], "{client}");
        let edns = packet.len() > 32;
        assert_eq!(
            Message::from_slice(reply).unwrap().opt().is_some(),
            edns,
            "{client}"
        );
    }
}

#[test]
fn an_answer_is_these_bytes() {
    let (query, _) = resolving(&bytes(CLIENTS[0].2));
    let expected = "4faa81800001000100000000036170690667697468756203636f6d0000010001\
                    c00c000100010000001e0004c6120002";
    assert_eq!(query.exists(ADDRESS).unwrap().as_bytes(), bytes(expected));
    let expected = "4faa81830001000000010000036170690667697468756203636f6d0000010001\
                    000006000100000005002f096c6f63616c686f737400066e6f626f647907696e76616c696400\
                    00000001000151800001518000015180 00000005";
    assert_eq!(
        query.reply(&Answer::NotFound).unwrap().as_bytes(),
        bytes(expected)
    );
}

#[test]
fn an_address_that_cannot_be_had_is_a_failure_and_no_other_record_is() {
    for (client, wants, hex) in CLIENTS {
        let (query, _) = resolving(&bytes(hex));
        let expected = match wants {
            Wants::V4 => Said {
                nothing_for: None,
                ..words(2, &[])
            },
            _ => words(0, &[]),
        };
        assert_eq!(said(&query.failed().unwrap()), expected, "{client}");
        assert_eq!(
            said(&query.reply(&Answer::NotFound).unwrap()),
            words(3, &[]),
            "{client}"
        );
    }
}

#[test]
fn other_records_of_an_allowed_name_are_none() {
    for hex in [ANY_OF_JAVA, SRV_OF_C_ARES] {
        assert_eq!(at_once(&bytes(hex)), words(0, &[]));
    }
    // NS, CNAME, SOA, PTR, MX, TXT, DS, DNSKEY, SVCB, HTTPS, CAA, and types that nobody knows.
    for kind in [2, 5, 6, 12, 15, 16, 43, 48, 64, 65, 257, 999, 65535, 0] {
        assert_eq!(
            at_once(&asking("api.github.com", kind, 1)),
            words(0, &[]),
            "{kind}"
        );
    }
}

#[test]
fn a_name_that_is_not_allowed_is_not_found_and_told() {
    for (asked, told) in [
        ("github.com", "github.com"),
        ("EXAMPLE.com", "example.com"),
        ("api.github.com.lan", "api.github.com.lan"),
        ("secret-a-b-c.tunnel.test", "secret-a-b-c.tunnel.test"),
    ] {
        for kind in [1, 28, 16, 65] {
            match receive(&asking(asked, kind, 1), &Two) {
                Act::Refuse(reply, name) => {
                    assert_eq!((said(&reply), name.as_str()), (words(3, &[]), told));
                }
                _ => panic!("{asked} not refused"),
            }
        }
    }
}

#[test]
fn what_is_no_name_is_not_found() {
    let dot_in_label = {
        let mut packet = asking("xxx.github.com", 1, 1);
        packet[13..16].copy_from_slice(b"a.b");
        packet
    };
    assert_eq!(at_once(&dot_in_label), words(3, &[]));
    for name in [
        "",
        "1.2.3.4",
        "0x7f.1",
        "a b.example.com",
        "a\0.example.com",
        "bücher.example.com",
        "*.example.com",
    ] {
        assert_eq!(at_once(&asking(name, 1, 1)), words(3, &[]), "{name:?}");
    }
    assert_eq!(
        resolving(&asking("b.example.com", 1, 1)).1.as_str(),
        "b.example.com"
    );
}

#[test]
fn case_does_not_matter_and_comes_back_as_it_was() {
    let packet = asking("aPi.GitHUB.com", 1, 1);
    let (query, name) = resolving(&packet);
    assert_eq!(name.as_str(), "api.github.com");
    let reply = query.exists(ADDRESS).unwrap();
    assert_eq!(reply.as_bytes()[12..packet.len()], packet[12..]);
    assert_eq!(said(&reply), words(0, &["aPi.GitHUB.com 30 198.18.0.2"]));
}

#[test]
fn localhost_is_the_box_itself() {
    for name in ["localhost", "LOCALHOST", "app.localhost", "a.b.localhost"] {
        assert_eq!(
            at_once(&asking(name, 1, 1)),
            words(0, &[&format!("{name} 30 127.0.0.1")])
        );
        assert_eq!(
            at_once(&asking(name, 28, 1)),
            words(0, &[&format!("{name} 30 ::1")])
        );
        assert_eq!(at_once(&asking(name, 65, 1)), words(0, &[]));
    }
    assert_eq!(at_once(&asking("notlocalhost", 1, 1)), words(3, &[]));
}

#[test]
fn reverse_look_ups_know_our_addresses_only() {
    assert_eq!(
        at_once(&bytes(REVERSE_OF_C_ARES)),
        words(0, &["2.0.18.198.in-addr.arpa 30 api.github.com."])
    );
    let own = format!("1.{}ip6.arpa", "0.".repeat(31));
    for name in ["1.0.0.127.in-addr.arpa", &own] {
        assert_eq!(
            at_once(&asking(name, 12, 1)),
            words(0, &[&format!("{name} 30 localhost.")])
        );
        assert_eq!(at_once(&asking(name, 1, 1)), words(0, &[]));
    }
    for name in [
        "3.0.18.198.in-addr.arpa",
        "8.8.8.8.in-addr.arpa",
        "0.18.198.in-addr.arpa",
        "1.2.0.18.198.in-addr.arpa",
        "256.0.0.127.in-addr.arpa",
        "01.0.0.127.in-addr.arpa",
        "in-addr.arpa",
        "f.ip6.arpa",
        "10.ip6.arpa",
    ] {
        assert_eq!(at_once(&asking(name, 12, 1)), words(3, &[]), "{name}");
    }
}

#[test]
fn the_longest_name_behind_an_address_fits() {
    struct Longest(Name);
    impl Zone for Longest {
        fn allows(&self, _: &Name) -> bool {
            true
        }
        fn behind(&self, _: Ipv4Addr) -> Option<Name> {
            Some(self.0.clone())
        }
    }
    let label = "x".repeat(63);
    let longest = [&label[..], &label, &label, &label[..61]].join(".");
    let asked = with_opt(asking("200.200.19.198.in-addr.arpa", 12, 1), 0, 0);
    let zone = Longest(Name::parse(&longest).unwrap());
    let Act::Reply(reply) = receive(&asked, &zone) else {
        panic!("no reply");
    };
    let expected = format!("200.200.19.198.in-addr.arpa 30 {longest}.");
    assert_eq!(said(&reply), words(0, &[&expected]));
    assert!(reply.as_bytes().len() <= 512);
}

#[test]
fn edns_is_answered_in_kind() {
    let (query, _) = resolving(&with_opt(asking("api.github.com", 1, 1), 0, 0x8000));
    let reply = query.exists(ADDRESS).unwrap();
    let opt = Message::from_slice(reply.as_bytes()).unwrap().opt().unwrap();
    assert!(opt.dnssec_ok());
    assert_eq!((opt.version(), opt.udp_payload_size()), (0, 1232));

    let newer = at_once(&with_opt(asking("api.github.com", 1, 1), 1, 0));
    assert_eq!(newer, words(16, &[]));
    let twice = with_opt(with_opt(asking("api.github.com", 1, 1), 0, 0), 0, 0);
    assert_eq!(at_once(&twice), words(1, &[]));
    let mut below_a_name = asking("api.github.com", 1, 1);
    below_a_name[11] = 1;
    below_a_name.extend_from_slice(&bytes("c00c002904d0000000000000"));
    assert_eq!(at_once(&below_a_name), words(1, &[]));
}

#[test]
fn options_and_other_additional_records_do_not_matter() {
    let mut cookie = asking("api.github.com", 1, 1);
    cookie[11] = 1;
    cookie.extend_from_slice(&bytes("00002904d000000000000c000a0008 0011223344556677"));
    assert_eq!(resolving(&cookie).1.as_str(), "api.github.com");
    cookie.truncate(cookie.len() - 1);
    assert_eq!(at_once(&cookie), words(1, &[]));
}

#[test]
fn other_classes_and_zone_transfers_are_refused() {
    for (kind, class) in [(16, 3), (1, 255), (1, 254), (1, 4), (1, 0), (252, 1), (251, 1)] {
        assert_eq!(
            at_once(&asking("api.github.com", kind, class)),
            words(5, &[]),
            "{kind} {class}"
        );
    }
    assert_eq!(at_once(&asking("version.bind", 16, 3)), words(5, &[]));
}

#[test]
fn other_operations_are_not_implemented() {
    for opcode in [
        Opcode::IQUERY,
        Opcode::STATUS,
        Opcode::NOTIFY,
        Opcode::UPDATE,
        Opcode::from_int(15),
    ] {
        let mut packet = asking("api.github.com", 1, 1);
        packet[2] |= opcode.to_int() << 3;
        match receive(&packet, &Two) {
            Act::Reply(reply) => {
                let message = Message::from_slice(reply.as_bytes()).unwrap();
                assert_eq!(message.header().rcode().to_int(), 4);
                assert_eq!(message.header().opcode(), opcode);
            }
            _ => panic!("{opcode}"),
        }
    }
}

#[test]
fn what_is_not_a_query_is_ignored() {
    let mut response = asking("api.github.com", 1, 1);
    response[2] |= 0x80;
    for packet in [&response[..], &[], &[0], &response[..11]] {
        assert!(matches!(receive(packet, &Two), Act::Ignore));
    }
}

#[test]
fn malformed_queries_are_told_so() {
    let good = asking("api.github.com", 1, 1);
    let changed = |at: usize, to: u8| {
        let mut packet = good.clone();
        packet[at] = to;
        packet
    };
    let pointer = |to: &str| [&good[..12], &bytes(to), &bytes("00010001")].concat();
    let cases = [
        ("no question", changed(5, 0)),
        ("two questions", changed(5, 2)),
        ("many questions", changed(4, 0xff)),
        ("an answer", changed(7, 1)),
        ("an authority", changed(9, 1)),
        ("additional records that are not there", changed(11, 1)),
        ("many additional records", changed(10, 0xff)),
        ("truncated", changed(2, 0x03)),
        ("no name", good[..12].to_vec()),
        ("half a name", good[..20].to_vec()),
        ("no class", good[..good.len() - 1].to_vec()),
        ("a pointer to itself", pointer("c00c")),
        ("a pointer forward", pointer("c020")),
        ("a pointer back into itself", pointer("0161c00c")),
        ("a pointer into the header", pointer("c002")),
        ("a pointer to a zero of the header", pointer("c006")),
        ("a name that goes on in the header", pointer("0161c006")),
        ("a long label", pointer("40")),
        (
            "a name of 256 bytes",
            [&good[..12], &[1; 255], &[0, 0, 1, 0, 1]].concat(),
        ),
        ("OPT as a question", asking("api.github.com", 41, 1)),
    ];
    for (what, packet) in cases {
        assert_eq!(at_once(&packet), words(1, &[]), "{what}");
    }
    assert_eq!(resolving(&good).1.as_str(), "api.github.com");
}

proptest! {
    #[test]
    fn any_bytes_are_answered_within_bounds(packet in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&packet);
    }

    #[test]
    fn any_change_of_a_query_is_answered_within_bounds(
        client in 0..CLIENTS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length in any::<prop::sample::Index>(),
    ) {
        let mut packet = bytes(CLIENTS[client].2);
        for (at, to) in changes {
            let at = at.index(packet.len());
            packet[at] = to;
        }
        packet.truncate(length.index(packet.len()) + 1);
        check(&packet);
    }

    #[test]
    fn any_name_fits_an_answer(labels in prop::collection::vec("[a-z0-9]{1,63}", 1..5), edns: bool) {
        let name = format!("{}.example.com", labels.join("."));
        prop_assume!(name.len() <= 253);
        let mut packet = asking(&name, 1, 1);
        if edns {
            packet = with_opt(packet, 0, 0);
        }
        let (query, found) = resolving(&packet);
        prop_assert_eq!(found.as_str(), &name);
        let owner = format!("{name} 30 198.18.0.2");
        prop_assert_eq!(said(&query.exists(ADDRESS).unwrap()), words(0, &[&owner]));
        prop_assert_eq!(said(&query.reply(&Answer::NotFound).unwrap()), words(3, &[]));
    }

    #[test]
    fn every_address_is_read_from_its_reverse_name(v4: u32, v6: u128) {
        let v4 = Ipv4Addr::from_bits(v4);
        let [a, b, c, d] = v4.octets();
        prop_assert_eq!(reversed(&format!("{d}.{c}.{b}.{a}.in-addr.arpa")), Some(IpAddr::V4(v4)));
        let nibbles: String = format!("{v6:032x}").chars().rev().flat_map(|nibble| [nibble, '.']).collect();
        prop_assert_eq!(reversed(&format!("{nibbles}ip6.arpa")), Some(IpAddr::V6(Ipv6Addr::from_bits(v6))));
    }
}

/// An answer repeats the number of its query, is one, fits in a datagram, and can be read.
fn check(packet: &[u8]) {
    let reply = match receive(packet, &Two) {
        Act::Ignore => return,
        Act::Reply(reply) => reply,
        Act::Refuse(reply, name) => {
            assert!(!Two.allows(&name));
            reply
        }
        Act::Resolve(query, name) => {
            assert!(Two.allows(&name));
            query.exists(ADDRESS).unwrap()
        }
    };
    let bytes = reply.as_bytes();
    assert!(bytes.len() <= 512);
    assert_eq!(bytes[..2], packet[..2]);
    said(&reply);
}
