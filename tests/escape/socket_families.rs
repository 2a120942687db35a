//! Socket families: only Unix, IPv4, IPv6 and netlink exist.

use crate::common::{NO_FLAGS, hosts, root_hosts};

/// AF_AX25 to AF_XDP and AF_VSOCK, AF_ALG, AF_PACKET, AF_BLUETOOTH, AF_CAN, AF_KEY, AF_TIPC.
const REFUSED: [&str; 10] = ["3", "15", "17", "29", "30", "31", "38", "40", "44", "45"];

#[test]
fn other_families_do_not_exist() {
    for host in hosts() {
        for family in REFUSED {
            for kind in ["1", "2", "3", "5"] {
                host.boxed(NO_FLAGS, &["socket", family, kind, "0"])
                    .stopped("EAFNOSUPPORT");
            }
        }
        // Raw IPv4 and a raw look at every packet.
        host.boxed(NO_FLAGS, &["socket", "2", "3", "1"]).stopped("EPERM");
        for family in ["1", "2", "10"] {
            host.boxed(NO_FLAGS, &["socket", family, "1", "0"]).done();
        }
    }
}

/// Root reaches AF_PACKET and raw IP when bare; the others need modules that a host may not have.
#[test]
fn control_packet_and_raw_sockets_exist_when_bare() {
    for host in root_hosts() {
        host.bare(&["socket", "17", "3", "768"]).done();
        host.bare(&["socket", "2", "3", "1"]).done();
    }
}

/// Netlink talks to the box's own network namespace: its routes and interfaces, and no right to change them.
#[test]
fn netlink_shows_the_boxes_own_network() {
    for host in hosts() {
        host.boxed(NO_FLAGS, &["socket", "16", "3", "0"]).done();
        let interfaces = host.boxed(NO_FLAGS, &["read", "/proc/net/dev"]).done();
        let names: Vec<&str> = interfaces
            .lines()
            .skip(2)
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(names, ["    lo"], "{interfaces}");
    }
}
