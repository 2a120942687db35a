//! Destinations and what the rules say about them.

use proptest::prelude::*;

use super::*;

const WEB: &[u16] = &[443, 80];
const ANY: &[u16] = &[];

/// A rule as the product's parser would make it; without ports every port.
fn rule(text: &str, ports: &[u16]) -> Rule {
    let host = if text == "localhost" {
        Host::HostLoopback
    } else if let Some(suffix) = text.strip_prefix("*.") {
        Host::Below(name(suffix))
    } else if let Ok(net) = text.parse() {
        Host::Addresses(net)
    } else if let Ok(ip) = text.parse::<IpAddr>() {
        Host::Addresses(ip.into())
    } else {
        Host::Name(name(text))
    };
    let ports = match ports {
        [] => Ports::all(),
        _ => Ports::new(ports.iter().map(|port| *port..=*port)),
    };
    let (text, reason) = (text.to_owned(), "test".to_owned());
    Rule {
        host,
        ports,
        text,
        reason,
    }
}

fn network(allow: &[(&str, &[u16])], block: &[(&str, &[u16])]) -> Network {
    let rules = |rules: &[(&str, &[u16])]| rules.iter().map(|(text, ports)| rule(text, ports)).collect();
    Network {
        allow: rules(allow),
        block: rules(block),
        ..Network::none()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A verdict in short: the text of the rule that allows, or why not.
fn short(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Allowed(rule) => format!("by {}", rule.text),
        Verdict::Refused(Refusal::Blocked(rule)) => format!("blocked by {}", rule.text),
        Verdict::Refused(refusal) => format!("{refusal:?}"),
    }
}

#[test]
fn an_empty_list_allows_nothing() {
    let none = Network::none();
    assert!(none.is_empty());
    for verdict in [
        none.resolves(&name("example.com")),
        none.judge_name(&name("example.com"), 443),
        none.judge_address(ip("1.1.1.1"), 443, None),
        none.judge_address(ip("1.1.1.1"), 443, Some(&name("example.com"))),
        none.judge_address(ip("127.0.0.1"), 443, None),
        none.host_loopback(443),
    ] {
        assert_eq!(verdict, Verdict::Refused(Refusal::NotListed));
    }
}

#[test]
fn names_match_whole_and_wildcards_match_below() {
    let network = network(&[("example.com", WEB), ("*.example.org", &[443])], &[]);
    for (text, port, expected) in [
        ("example.com", 443, "by example.com"),
        ("EXAMPLE.com.", 80, "by example.com"),
        ("example.com", 8080, "Port"),
        ("www.example.com", 443, "NotListed"),
        ("notexample.com", 443, "NotListed"),
        ("example.com.evil.net", 443, "NotListed"),
        ("a.example.org", 443, "by *.example.org"),
        ("a.b.example.org", 443, "by *.example.org"),
        ("a.example.org", 80, "Port"),
        ("example.org", 443, "NotListed"),
        ("aexample.org", 443, "NotListed"),
    ] {
        assert_eq!(
            short(network.judge_name(&name(text), port)),
            expected,
            "{text}:{port}"
        );
    }
}

#[test]
fn block_wins_by_name_and_by_address() {
    let network = network(
        &[
            ("*.example.com", WEB),
            ("1.0.0.0/8", &[53]),
            ("localhost", &[5432]),
        ],
        &[
            ("secret.example.com", ANY),
            ("half.example.com", &[443]),
            ("1.1.1.0/24", ANY),
            ("::1", ANY),
        ],
    );
    let through =
        |ip_text: &str, text: &str, port| short(network.judge_address(ip(ip_text), port, Some(&name(text))));
    assert_eq!(through("8.8.8.8", "a.example.com", 443), "by *.example.com");
    assert_eq!(through("1.1.1.1", "a.example.com", 443), "blocked by 1.1.1.0/24");
    assert_eq!(
        through("::ffff:1.1.1.1", "a.example.com", 443),
        "blocked by 1.1.1.0/24"
    );
    assert_eq!(
        through("64:ff9b::1.1.1.1", "a.example.com", 443),
        "blocked by 1.1.1.0/24"
    );
    assert_eq!(
        through("64:ff9b::8.8.8.8", "a.example.com", 443),
        "by *.example.com"
    );
    assert_eq!(
        through("8.8.8.8", "secret.example.com", 443),
        "blocked by secret.example.com"
    );
    assert_eq!(through("8.8.8.8", "half.example.com", 80), "by *.example.com");
    assert_eq!(
        through("8.8.8.8", "half.example.com", 443),
        "blocked by half.example.com"
    );
    assert_eq!(through("8.8.8.8", "other.net", 443), "NotListed");
    assert_eq!(
        short(network.judge_address(ip("1.2.3.4"), 53, None)),
        "by 1.0.0.0/8"
    );
    assert_eq!(
        short(network.judge_address(ip("1.1.1.1"), 53, None)),
        "blocked by 1.1.1.0/24"
    );
    assert_eq!(short(network.host_loopback(5432)), "blocked by ::1");
}

#[test]
fn a_name_resolves_while_a_port_of_it_is_open() {
    let network = network(
        &[
            ("a.com", WEB),
            ("b.com", WEB),
            ("*.c.com", ANY),
            ("10.0.0.0/8", ANY),
        ],
        &[
            ("a.com", &[443]),
            ("b.com", &[443]),
            ("b.com", &[80, 81]),
            ("secret.c.com", ANY),
        ],
    );
    for (text, expected) in [
        ("a.com", "by a.com"),
        ("b.com", "blocked by b.com"),
        ("x.c.com", "by *.c.com"),
        ("secret.c.com", "blocked by secret.c.com"),
        ("d.com", "NotListed"),
    ] {
        assert_eq!(short(network.resolves(&name(text))), expected, "{text}");
    }
    let off = Network {
        dns: Dns::Off,
        ..network
    };
    assert_eq!(off.resolves(&name("a.com")), Verdict::Refused(Refusal::NotListed));
    assert_eq!(
        off.judge_name(&name("a.com"), 80),
        Verdict::Refused(Refusal::NotListed)
    );
    assert_eq!(
        short(off.judge_address(ip("10.0.0.1"), 80, None)),
        "by 10.0.0.0/8"
    );
}

#[test]
fn a_name_never_grants_an_internal_address() {
    let name_only = network(&[("evil.com", WEB)], &[]);
    let evil = name("evil.com");
    for (text, class) in [
        ("127.0.0.1", Class::Loopback),
        ("10.0.0.1", Class::Private),
        ("169.254.169.254", Class::Metadata),
        ("::ffff:192.168.1.1", Class::Private),
        ("64:ff9b::10.0.0.1", Class::Private),
        ("0.0.0.0", Class::Unspecified),
        ("fd00::1", Class::UniqueLocal),
        ("198.18.0.5", Class::Synthetic),
    ] {
        let verdict = name_only.judge_address(ip(text), 443, Some(&evil));
        assert_eq!(verdict, Verdict::Refused(Refusal::Internal(class)), "{text}");
    }
    assert_eq!(
        short(name_only.judge_address(ip("8.8.8.8"), 443, Some(&evil))),
        "by evil.com"
    );
    assert_eq!(
        short(name_only.judge_address(ip("8.8.8.8"), 443, None)),
        "NotListed"
    );

    let both = network(&[("evil.com", WEB), ("10.0.0.0/24", &[443])], &[]);
    assert_eq!(
        short(both.judge_address(ip("10.0.0.1"), 443, Some(&evil))),
        "by 10.0.0.0/24"
    );
    assert_eq!(short(both.judge_address(ip("10.0.0.1"), 80, Some(&evil))), "Port");
    assert_eq!(
        short(both.judge_address(ip("10.0.1.1"), 443, Some(&evil))),
        "Internal(Private)"
    );
    assert_eq!(
        short(both.judge_address(ip("10.0.0.1"), 443, Some(&name("other.com")))),
        "NotListed"
    );
}

#[test]
fn an_internal_address_is_granted_by_a_rule_inside_its_own_range() {
    let rows: &[(&str, &str, &str)] = &[
        ("10.1.2.0/24", "10.1.2.3", "by 10.1.2.0/24"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "by 10.0.0.0/8"),
        ("10.0.0.0/7", "10.1.2.3", "Internal(Private)"),
        ("10.0.0.0/7", "11.1.2.3", "by 10.0.0.0/7"),
        ("0.0.0.0/0", "8.8.8.8", "by 0.0.0.0/0"),
        ("0.0.0.0/0", "10.1.2.3", "Internal(Private)"),
        ("0.0.0.0/0", "2606:4700::1", "NotListed"),
        ("::/0", "2606:4700::1", "by ::/0"),
        ("::/0", "::1", "Internal(Loopback)"),
        ("::/0", "4000::1", "Internal(Reserved)"),
        ("::/0", "::ffff:8.8.8.8", "NotListed"),
        ("169.254.0.0/16", "169.254.1.1", "by 169.254.0.0/16"),
        ("169.254.0.0/16", "169.254.169.254", "Internal(Metadata)"),
        ("169.254.169.254", "169.254.169.254", "by 169.254.169.254"),
        ("100.64.0.0/10", "100.100.100.200", "Internal(Metadata)"),
        ("fd00::/8", "fd00::1", "by fd00::/8"),
        ("fd00::/8", "fd00:ec2::254", "Internal(Metadata)"),
        ("64:ff9b::/96", "64:ff9b::8.8.8.8", "by 64:ff9b::/96"),
        ("64:ff9b::/96", "64:ff9b::10.0.0.1", "Internal(Private)"),
        ("198.18.0.0/15", "198.18.0.1", "Internal(Synthetic)"),
        ("198.18.0.1", "198.18.0.1", "Internal(Synthetic)"),
        ("0.0.0.0", "0.0.0.0", "Internal(Unspecified)"),
        ("127.0.0.0/8", "127.0.0.1", "by 127.0.0.0/8"),
        ("localhost", "127.0.0.1", "by localhost"),
        ("localhost", "::1", "by localhost"),
        ("localhost", "127.0.0.2", "NotListed"),
    ];
    for (text, address, expected) in rows {
        let network = network(&[(text, ANY)], &[]);
        assert_eq!(
            short(network.judge_address(ip(address), 5432, None)),
            *expected,
            "{text} {address}"
        );
    }
}

#[test]
fn the_hosts_loopback_needs_its_own_rule() {
    let rows: &[(&str, &str)] = &[
        ("localhost", "by localhost"),
        ("127.0.0.1", "by 127.0.0.1"),
        ("127.0.0.0/8", "by 127.0.0.0/8"),
        ("::1", "by ::1"),
        ("127.0.0.2", "NotListed"),
        ("0.0.0.0/0", "Internal(Loopback)"),
        ("example.com", "NotListed"),
    ];
    for (text, expected) in rows {
        assert_eq!(
            short(network(&[(text, &[5432])], &[]).host_loopback(5432)),
            *expected,
            "{text}"
        );
    }
    let other_port = network(&[("localhost", &[5432])], &[]);
    assert_eq!(short(other_port.host_loopback(80)), "Port");
    let blocked = network(&[("localhost", ANY)], &[("127.0.0.0/8", &[22])]);
    assert_eq!(short(blocked.host_loopback(22)), "blocked by 127.0.0.0/8");
    assert_eq!(short(blocked.host_loopback(80)), "by localhost");
}

fn any_rules() -> impl Strategy<Value = Vec<(&'static str, &'static [u16])>> {
    let host = prop::sample::select(vec![
        "a.com",
        "*.a.com",
        "b.a.com",
        "com",
        "*.com",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "::/0",
        "8.8.8.8",
        "localhost",
        "127.0.0.1",
        "fd00::/8",
        "64:ff9b::/96",
    ]);
    let ports = prop::sample::select(vec![ANY, WEB, &[22], &[5432]]);
    prop::collection::vec((host, ports), 0..5)
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        prop::sample::select(vec![
            ip("10.0.0.1"),
            ip("127.0.0.1"),
            ip("::1"),
            ip("8.8.8.8"),
            ip("64:ff9b::a00:1")
        ]),
    ]
}

proptest! {
    #[test]
    fn what_is_allowed_is_named_by_its_rule_and_blocked_by_none(
        allow in any_rules(),
        block in any_rules(),
        ip in any_ip(),
        port in prop::sample::select(vec![22u16, 80, 443, 5432, 9]),
        name in prop::sample::select(vec!["a.com", "b.a.com", "c.b.a.com", "com", "ba.com", "net"]),
    ) {
        let network = network(&allow, &block);
        let name = Name::parse(name).unwrap();
        let unblocked = |covers: &dyn Fn(&Host) -> bool| {
            !network.block.iter().any(|rule| covers(&rule.host) && rule.ports.contains(port))
        };
        if let Verdict::Allowed(rule) = network.judge_name(&name, port) {
            prop_assert!(rule.host.covers_name(&name) && rule.ports.contains(port));
            prop_assert!(unblocked(&|host| host.covers_name(&name)));
            prop_assert!(network.resolves(&name).is_allowed());
        }
        if let Verdict::Allowed(rule) = network.judge_address(ip, port, None) {
            prop_assert!(rule.host.covers_address(ip) && rule.ports.contains(port));
            prop_assert!(unblocked(&|host| host.covers_address(ip)));
            prop_assert!(class_of(ip).is_none() || !["0.0.0.0/0", "::/0"].contains(&rule.text.as_str()));
        }
        if let Verdict::Allowed(rule) = network.judge_address(ip, port, Some(&name)) {
            prop_assert!(network.judge_name(&name, port).is_allowed());
            prop_assert!(unblocked(&|host| host.covers_address(ip)));
            prop_assert!(class_of(ip).is_none() || rule.host.covers_address(ip));
        }
        let mapped = match ip {
            IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
            v6 => v6.to_canonical(),
        };
        prop_assert_eq!(network.judge_address(ip, port, None), network.judge_address(mapped, port, None));
        prop_assert_eq!(class_of(ip), class_of(mapped));
    }
}
