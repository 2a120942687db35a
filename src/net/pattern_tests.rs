//! What is a host pattern, what is none and why, and what holds for whatever is accepted.

use std::net::IpAddr;

use mcp_sandbox_platform::Network;
use mcp_sandbox_platform::net::Name;
use proptest::prelude::*;

use super::*;

fn canonical(text: &str, list: List) -> String {
    match HostPattern::parse(text, list) {
        Ok(pattern) => pattern.to_string(),
        Err((message, hint)) => panic!("{text:?}: {message} ({hint})"),
    }
}

#[test]
fn every_form_of_host() {
    for (text, expected) in [
        ("api.github.com", "api.github.com"),
        ("API.GitHub.COM", "api.github.com"),
        ("api.github.com.", "api.github.com"),
        ("api.github.com.:443", "api.github.com:443"),
        ("*.githubusercontent.com:443", "*.githubusercontent.com:443"),
        ("*.Example.com", "*.example.com"),
        ("example.com:8000-8100", "example.com:8000-8100"),
        ("example.com:80-80", "example.com:80"),
        ("example.com:1-65535", "example.com:1-65535"),
        ("my_host", "my_host"),
        ("r3---sn-4g5e.googlevideo.com", "r3---sn-4g5e.googlevideo.com"),
        ("localhost:5432", "localhost:5432"),
        ("LocalHost.:5432", "localhost:5432"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3/32:22", "10.1.2.3:22"),
        ("10.1.2.0/24:5432", "10.1.2.0/24:5432"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::1", "[fd00::1]"),
        ("FD00:0::1", "[fd00::1]"),
        ("[fd00::1]", "[fd00::1]"),
        ("[fd00::1]:5432", "[fd00::1]:5432"),
        ("fd00::/64", "[fd00::/64]"),
        ("[fd00::/64]:5432-5433", "[fd00::/64]:5432-5433"),
        ("::1", "[::1]"),
        ("::/0", "[::/0]"),
        ("2606:4700:4700::1111", "[2606:4700:4700::1111]"),
        ("bücher.de", "xn--bcher-kva.de"),
        ("BÜCHER.de:443", "xn--bcher-kva.de:443"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("XN--BCHER-KVA.de", "xn--bcher-kva.de"),
        ("*.faß.de", "*.xn--fa-hia.de"),
        ("例え.jp", "xn--r8jz45g.jp"),
        ("my_host-1.Bücher.de", "my_host-1.xn--bcher-kva.de"),
    ] {
        assert_eq!(canonical(text, List::Allow), expected, "{text}");
        assert_eq!(canonical(text, List::Block), expected, "{text}");
    }
}

/// Text, a part of the message, a part of the hint.
const REFUSED: &[(&str, &str, &str)] = &[
    ("", "an empty string", "api.github.com"),
    ("evil.com\0.example.com", "holds a NUL", "alone"),
    ("a.com\r\nHost: b", "holds a control character", "alone"),
    ("a.com\u{85}", "holds a control character", "alone"),
    ("a.com\u{1b}[0m", "holds a control character", "alone"),
    (" a.com", "holds a blank", "entry of its own"),
    ("a.com b.com", "holds a blank", "entry of its own"),
    ("a.com\u{a0}", "holds a blank", "entry of its own"),
    (
        "https://api.github.com/v3?x",
        "it is a URL",
        "as in \"api.github.com\"",
    ),
    ("user@a.com", "holds a user name", "follows the @"),
    ("a.com@evil.com:443", "holds a user name", "follows the @"),
    ("a%2ecom", "zone or an escape", "without %"),
    ("fe80::1%eth0", "zone or an escape", "without %"),
    ("[fe80::1%25eth0]:80", "zone or an escape", "without %"),
    ("a\\.com", "a backslash", "alone"),
    ("a.com?x", "query", "alone"),
    ("a.com#x", "query", "alone"),
    ("a.com/path", "it holds \"/\"", "without a path"),
    ("a.com,b.com", "it holds \",\"", "entry of its own"),
    ("a.com;b", "it holds \";\"", "letters, digits"),
    ("a.com..", "empty part between dots", "single dots"),
    (".a.com", "empty part between dots", "single dots"),
    ("a..com", "empty part between dots", "single dots"),
    (".", "it is empty", "api.github.com"),
    ("-a.com", "hyphen", "api.github.com"),
    ("a-.com", "hyphen", "api.github.com"),
    ("*", "every host", "*.example.com"),
    ("*:443", "every host", "*.example.com"),
    ("*.", "it is empty", "api.github.com"),
    ("*.*.com", "it holds \"*\"", "whole first part"),
    ("a*.com", "it holds \"*\"", "whole first part"),
    ("*a.com", "it holds \"*\"", "whole first part"),
    ("a.*.com", "it holds \"*\"", "whole first part"),
    ("a.com.*", "it holds \"*\"", "whole first part"),
    ("**.a.com", "it holds \"*\"", "whole first part"),
    ("*.localhost", "the box's own loopback", "localhost:PORT"),
    ("api.localhost:80", "the box's own loopback", "localhost:PORT"),
    ("0177.0.0.1", "ends in the number \"1\"", "four decimal numbers"),
    ("0x7f.0.0.1", "ends in the number \"1\"", "four decimal numbers"),
    ("0x7f.1", "ends in the number \"1\"", "four decimal numbers"),
    ("0x7f000001", "ends in the number", "four decimal numbers"),
    ("127.1", "ends in the number \"1\"", "four decimal numbers"),
    ("127.0.1", "ends in the number \"1\"", "four decimal numbers"),
    ("2130706433", "ends in the number", "four decimal numbers"),
    ("10.0.0.1.", "ends in the number \"1\"", "four decimal numbers"),
    ("10.0.0.256", "ends in the number \"256\"", "four decimal numbers"),
    ("*.127.0.0.1", "ends in the number", "four decimal numbers"),
    (
        "10.1.2.3/24",
        "bits beyond the length",
        "\"10.1.2.0/24\" for the net, or \"10.1.2.3\"",
    ),
    (
        "fd00::1/64",
        "bits beyond the length",
        "\"fd00::/64\" for the net",
    ),
    ("10.0.0.0/", "\"\" is no length", "0 to 32"),
    ("10.0.0.0/33", "\"33\" is no length", "0 to 32"),
    ("10.0.0.0/08", "\"08\" is no length", "0 to 32"),
    ("10.0.0.0/+8", "\"+8\" is no length", "0 to 32"),
    ("10.0.0.0/255.0.0.0", "is no length", "0 to 32"),
    ("10.0.0.0/8/8", "\"8/8\" is no length", "0 to 32"),
    ("fd00::/129", "is no length", "0 to 128"),
    ("fd00::/64:5432", "is no length", "[fd00::/64]:5432"),
    (
        "[fd00::]/64:5432",
        "length after the bracket",
        "inside the brackets",
    ),
    (
        "fd00::1:5432",
        "may be an address, or an address and a port",
        "\"[fd00::1]:5432\" if 5432 is the port",
    ),
    (
        "::1:80",
        "may be an address",
        "\"[::1:80]\" if it is part of the address",
    ),
    ("::2:002", "may be an address", "\"[::2:002]\" if it is part"),
    ("fd00::1:80-90", "has no brackets", "\"[fd00::1]:80-90\""),
    ("fd00::1::1", "no IPv6 address", "fd00::1"),
    ("fd00::1:54321", "has no brackets", "\"[fd00::1]:54321\""),
    ("a:b:c", "no IPv6 address", "fd00::1"),
    ("12345::1", "no IPv6 address", "fd00::1"),
    ("::ffff:10.0.0.1", "IPv4 address written as IPv6", "\"10.0.0.1\""),
    (
        "[::ffff:a00:1]:80",
        "IPv4 address written as IPv6",
        "\"10.0.0.1\"",
    ),
    (
        "[::ffff:10.0.0.0/104]",
        "IPv4 address written as IPv6",
        "\"10.0.0.0\"",
    ),
    ("[fd00::1", "not closed", "]"),
    ("fd00::1]", "out of place", "brackets stand"),
    ("[10.0.0.1]:80", "for IPv6 only", "\"10.0.0.1:80\""),
    ("[a.com]", "for IPv6 only", "\"a.com\""),
    ("[fd00::1]80", "follows the bracket", ":PORT"),
    ("[fd00::1].", "follows the bracket", ":PORT"),
    ("[]:80", "for IPv6 only", ""),
    ("a.com:", "\"\" in \"a.com:\" is no port", "drop the colon"),
    ("a.com:0", "\"0\" in \"a.com:0\" is no port", "1 to 65535"),
    ("a.com:0-80", "is no port", "1 to 65535"),
    ("a.com:65536", "highest is 65535", "1 to 65535"),
    ("a.com:99999999999", "highest is 65535", "1 to 65535"),
    ("a.com:90-80", "ends before it starts", "1 to 65535"),
    ("a.com:80-", "is no port", "1 to 65535"),
    ("a.com:-80", "is no port", "1 to 65535"),
    ("a.com:80-90-100", "is no port", "1 to 65535"),
    ("a.com:+80", "is no port", "1 to 65535"),
    ("a.com:0080", "is no port", "1 to 65535"),
    ("a.com:0x50", "is no port", "1 to 65535"),
    ("a.com:80,443", "is no port", "one entry for each port"),
    ("a.com:*", "is no port", ":1-65535"),
    ("a.com:https", "is no port", "1 to 65535"),
    ("a.com:８０", "is no port", "1 to 65535"),
    ("ｇithub.com", "stand for other ones", "\"github.com\""),
    ("a。com", "stand for other ones", "\"a.com\""),
    ("exa\u{ad}mple.com", "stand for other ones", "\"example.com\""),
    ("exa\u{200b}mple.com", "stand for other ones", "\"example.com\""),
    ("\u{212a}.com", "stand for other ones", "\"k.com\""),
    ("ﬁle.com", "stand for other ones", "\"file.com\""),
    ("bu\u{308}cher.de", "stand for other ones", "\"xn--bcher-kva.de\""),
    ("１２７.0.0.1", "stand for other ones", "\"127.0.0.1\""),
    ("рaypal.com", "mixes scripts", "xn--"),
    ("gооgle.com", "mixes scripts", "xn--"),
    ("☃.net", "mixes scripts", "xn--n3h.net"),
    ("xn--a.com", "no valid international name", "letters"),
    ("xn--80ak6aa92e\u{200d}.com", "international name", "letters"),
    ("\u{202e}moc.a", "international name", "letters"),
];

#[test]
fn everything_else_is_refused_with_the_reason_and_the_cure() {
    for (text, why, cure) in REFUSED {
        for list in [List::Allow, List::Block] {
            let (message, hint) = HostPattern::parse(text, list).unwrap_err();
            assert!(message.contains(why), "{text:?}: {message}");
            assert!(hint.contains(cure), "{text:?}: {message}: {hint}");
            assert!(
                !message.contains(char::is_control) && !hint.contains(char::is_control),
                "{text:?}"
            );
        }
    }
}

#[test]
fn over_long_names_are_refused() {
    for text in [
        format!("{}.com", "a".repeat(64)),
        format!("{}com", "a.".repeat(126)),
        "ü".repeat(600),
    ] {
        let (message, _) = HostPattern::parse(&text, List::Allow).unwrap_err();
        assert!(message.contains("longer than"), "{message}");
    }
    let longest = format!("{}com", "a.".repeat(125));
    assert_eq!(longest.len(), 253);
    assert_eq!(canonical(&longest, List::Allow), longest);
}

#[test]
fn some_can_be_blocked_and_not_allowed() {
    for (text, why) in [
        ("localhost", "needs a port"),
        ("198.18.0.0/15", "a synthetic address"),
        ("198.19.1.1:443", "a synthetic address"),
        ("0.0.0.0:80", "an unspecified address"),
        ("[::]:80", "an unspecified address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255", "a broadcast address"),
    ] {
        let (message, _) = HostPattern::parse(text, List::Allow).unwrap_err();
        assert!(message.contains(why), "{text}: {message}");
        assert!(HostPattern::parse(text, List::Block).is_ok(), "{text}");
    }
}

#[test]
fn without_ports_allow_means_the_web_and_block_everything() {
    let ports = |list| {
        let pattern = HostPattern::parse("a.com", list).unwrap();
        pattern.rule(list, "p.toml:3".into()).ports.to_string()
    };
    assert_eq!(ports(List::Allow), "80,443");
    assert_eq!(ports(List::Block), "1-65535");
    let rule = HostPattern::parse("A.com:22", List::Allow)
        .unwrap()
        .rule(List::Allow, "p.toml:3".into());
    assert_eq!(
        (
            rule.ports.to_string().as_str(),
            rule.text.as_str(),
            rule.reason.as_str()
        ),
        ("22", "A.com:22", "p.toml:3")
    );
}

/// Texts near to patterns: pieces of them in any order.
fn near() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "Example",
        ".com",
        ".",
        "..",
        ":",
        "443",
        "0",
        "80-90",
        "*",
        "*.",
        "[",
        "]",
        "/",
        "24",
        "127",
        "10.1.2.3",
        "0x7f",
        "017",
        "::",
        "fd00::1",
        "::ffff:",
        "localhost",
        "xn--",
        "ü",
        "Ⅷ",
        "ß",
        "а",
        "\u{200d}",
        "-",
        "_",
        "%",
        "@",
        " ",
        "\0",
        "\r\n",
        "198.18.0.1",
        "https://",
    ]);
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![near(), "\\PC{0,20}", any::<String>(), "[a-zA-Z0-9.:*/-]{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_accepted_has_one_form(text in texts()) {
        for list in [List::Allow, List::Block] {
            let Ok(pattern) = HostPattern::parse(&text, list) else { continue };
            let canonical = pattern.to_string();
            let again = HostPattern::parse(&canonical, list).unwrap();
            prop_assert!(again.same(&pattern), "{} {}", text, canonical);
            prop_assert_eq!(&again.to_string(), &canonical);
            prop_assert!(canonical.is_ascii());
            // Upper case is the same host; letters whose upper case is something else may be refused, never another.
            if let Ok(upper) = HostPattern::parse(&text.to_uppercase(), list) {
                let changed = text.to_uppercase().to_lowercase() != text.to_lowercase();
                prop_assert!(changed || upper.same(&pattern), "{}", text);
            }
            if text.is_ascii() {
                prop_assert!(HostPattern::parse(&text.to_ascii_uppercase(), list).unwrap().same(&pattern));
            }
        }
    }

    #[test]
    fn a_pattern_covers_what_it_says_and_nothing_else(
        labels in prop::collection::vec("[a-z0-9]{1,6}", 1..4),
        other in "[a-z0-9.]{1,12}",
    ) {
        let text = format!("{}.x", labels.join("."));
        let network = |text: &str| {
            let rule = HostPattern::parse(text, List::Allow).unwrap().rule(List::Allow, "test".into());
            Network { allow: vec![rule], ..Network::none() }
        };
        let (exact, below) = (network(&text), network(&format!("*.{text}")));
        for candidate in [text.clone(), format!("{other}.{text}"), format!("{other}{text}"), format!("{text}.{other}"), other] {
            let Ok(name) = Name::parse(&candidate) else { continue };
            let plain = name.as_str();
            prop_assert_eq!(exact.judge_name(&name, 443).is_allowed(), plain == text);
            prop_assert_eq!(below.judge_name(&name, 443).is_allowed(), plain.ends_with(&format!(".{text}")));
        }
    }

    #[test]
    fn an_address_is_itself_and_nothing_else(bits: u128, v4: u32, length in 0u8..=128) {
        for ip in [IpAddr::V4(v4.into()), IpAddr::V6(bits.into()).to_canonical()] {
            let alone = HostPattern::parse(&format!("{}", Host::Addresses(ip.into())), List::Block);
            if let Ok(pattern) = alone {
                prop_assert_eq!(pattern.host, Host::Addresses(ip.into()));
            }
            let net = ipnet::IpNet::new(ip, length.min(if ip.is_ipv4() { 32 } else { 128 })).unwrap();
            let parsed = HostPattern::parse(&format!("{net}"), List::Block);
            prop_assert_eq!(parsed.is_ok(), net.addr() == net.network(), "{}", net);
        }
    }
}
