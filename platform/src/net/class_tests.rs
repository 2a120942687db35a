//! The table, row by row, at its edges.

use super::*;

fn class(text: &str) -> Option<Class> {
    class_of(text.parse().unwrap())
}

#[test]
fn internal_addresses_and_their_public_neighbours() {
    let rows: &[(&str, Option<Class>)] = &[
        ("0.0.0.0", Some(Class::Unspecified)),
        ("0.255.255.255", Some(Class::Unspecified)),
        ("1.0.0.0", None),
        ("9.255.255.255", None),
        ("10.0.0.0", Some(Class::Private)),
        ("10.255.255.255", Some(Class::Private)),
        ("11.0.0.0", None),
        ("100.63.255.255", None),
        ("100.64.0.0", Some(Class::SharedCgnat)),
        ("100.100.100.200", Some(Class::Metadata)),
        ("100.127.255.255", Some(Class::SharedCgnat)),
        ("100.128.0.0", None),
        ("126.255.255.255", None),
        ("127.0.0.1", Some(Class::Loopback)),
        ("127.255.255.255", Some(Class::Loopback)),
        ("128.0.0.0", None),
        ("168.63.129.15", None),
        ("168.63.129.16", Some(Class::Metadata)),
        ("169.253.255.255", None),
        ("169.254.0.0", Some(Class::LinkLocal)),
        ("169.254.169.254", Some(Class::Metadata)),
        ("169.255.0.0", None),
        ("172.15.255.255", None),
        ("172.16.0.0", Some(Class::Private)),
        ("172.31.255.255", Some(Class::Private)),
        ("172.32.0.0", None),
        ("192.0.0.1", Some(Class::Reserved)),
        ("192.0.0.192", Some(Class::Metadata)),
        ("192.0.1.0", None),
        ("192.0.2.1", Some(Class::Documentation)),
        ("192.88.99.1", Some(Class::Tunnel)),
        ("192.167.255.255", None),
        ("192.168.0.0", Some(Class::Private)),
        ("192.169.0.0", None),
        ("198.17.255.255", None),
        ("198.18.0.0", Some(Class::Synthetic)),
        ("198.19.255.255", Some(Class::Synthetic)),
        ("198.20.0.0", None),
        ("198.51.100.7", Some(Class::Documentation)),
        ("203.0.113.7", Some(Class::Documentation)),
        ("223.255.255.255", None),
        ("224.0.0.1", Some(Class::Multicast)),
        ("239.255.255.255", Some(Class::Multicast)),
        ("240.0.0.0", Some(Class::Reserved)),
        ("255.255.255.255", Some(Class::Broadcast)),
        ("::", Some(Class::Unspecified)),
        ("::1", Some(Class::Loopback)),
        ("::2", Some(Class::Unspecified)),
        ("100::1", Some(Class::Reserved)),
        ("4000::1", Some(Class::Reserved)),
        ("2001:1ff::1", Some(Class::Reserved)),
        ("2001:200::1", None),
        ("2001:db8::1", Some(Class::Documentation)),
        ("2001:db9::1", None),
        ("2606:4700::1111", None),
        ("3fff::1", Some(Class::Documentation)),
        ("3ffe::1", None),
        ("5f00::1", Some(Class::Reserved)),
        ("fc00::1", Some(Class::UniqueLocal)),
        ("fd00:ec2::254", Some(Class::Metadata)),
        ("fd00:ec2::23", Some(Class::Metadata)),
        ("fd20:ce::254", Some(Class::Metadata)),
        ("fd20:ce::255", Some(Class::UniqueLocal)),
        ("fe80::1", Some(Class::LinkLocal)),
        ("fe80::a9fe:a9fe", Some(Class::Metadata)),
        ("fec0::1", Some(Class::SiteLocal)),
        ("ff02::1", Some(Class::Multicast)),
    ];
    for (text, expected) in rows {
        assert_eq!(class(text), *expected, "{text}");
    }
}

#[test]
fn an_address_in_an_address_is_judged_by_what_it_stands_for() {
    let rows: &[(&str, Option<Class>)] = &[
        ("::ffff:10.0.0.1", Some(Class::Private)),
        ("::ffff:127.0.0.1", Some(Class::Loopback)),
        ("::ffff:8.8.8.8", None),
        ("::127.0.0.1", Some(Class::Loopback)),
        ("::8.8.8.8", Some(Class::Tunnel)),
        ("::ffff:0:10.0.0.1", Some(Class::Private)),
        ("::ffff:0:8.8.8.8", Some(Class::Tunnel)),
        ("64:ff9b::169.254.169.254", Some(Class::Metadata)),
        ("64:ff9b::10.0.0.1", Some(Class::Private)),
        ("64:ff9b::8.8.8.8", None),
        ("64:ff9b:1::8.8.8.8", Some(Class::Tunnel)),
        ("64:ff9c::1", Some(Class::Reserved)),
        ("2002:7f00:1::1", Some(Class::Loopback)),
        ("2002:a9fe:a9fe::", Some(Class::Metadata)),
        ("2002:808:808::1", Some(Class::Tunnel)),
        // The client part of a Teredo address is turned over: !7f00:0001.
        ("2001:0:808:808::80ff:fffe", Some(Class::Loopback)),
        ("2001:0:808:808::f7f7:f7f7", Some(Class::Tunnel)),
        ("2606:4700::5efe:10.0.0.1", Some(Class::Private)),
        ("2606:4700::200:5efe:10.0.0.1", Some(Class::Private)),
        ("2606:4700::5efe:8.8.8.8", None),
        ("2606:4700::5eff:10.0.0.1", None),
    ];
    for (text, expected) in rows {
        assert_eq!(class(text), *expected, "{text}");
    }
}

#[test]
fn a_narrow_row_stands_before_the_one_around_it() {
    for table in [IPV4, IPV6] {
        for (at, row) in table.iter().enumerate() {
            let hidden = table[..at].iter().any(|earlier| earlier.net.contains(&row.net));
            assert!(!hidden, "{} is never found", row.net);
            assert_eq!(row.net, row.net.trunc(), "host bits");
        }
    }
}

#[test]
fn a_carried_address_is_named_by_itself_only() {
    let ip: IpAddr = "64:ff9b::10.0.0.1".parse().unwrap();
    assert_eq!(internal(ip).unwrap().net, IpNet::from(ip));
    let ip: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
    assert_eq!(internal(ip).unwrap().net.to_string(), "10.0.0.0/8");
}
