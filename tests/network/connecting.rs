//! connect(2) of TCP: a program in the box sees what it would see outside.
//!
//! Each script runs bare and in the box, and must say the same.

use crate::common::{gone_within_a_second, hosts, unique};
use crate::scripts::{allow, begin, same};

const RULES: [&str; 4] = [
    "api.test:7000-7999",
    "six.test:7000-7999",
    "hole.test:7001",
    "both.test:7000-7999",
];

#[test]
fn sockets_behave_as_outside() {
    for host in hosts() {
        let said = same(&host, &allow(&RULES), include_str!("scripts/connecting.py"));
        // What the comparison alone would not notice.
        assert_eq!(
            said.get("non-blocking"),
            "EINPROGRESS, 0, then 0, hung up: False, there and back"
        );
        assert_eq!(
            said.get("refused, non-blocking"),
            "EINPROGRESS, ECONNREFUSED, then 0, hung up: True"
        );
        assert_eq!(said.get("never answered"), "EINPROGRESS, in time: True");
        assert_eq!(
            said.get("duplicated"),
            "[True, True], by the third, there and back"
        );
        assert_eq!(
            (said.get("not for children"), said.get("for children")),
            ("(7, False)", "(0, True)")
        );
        assert_eq!(said.get("IPv6 only host"), "hello from 2a00:1111::6");
        assert_eq!(said.get("first address refuses"), "hello from 11.11.1.1");
        assert_ne!(said.get("options"), said.get("options of a new socket"));
    }
}

/// Netty, nginx and others watch a socket first and connect it then.
#[test]
fn a_socket_that_epoll_knew_before_is_watched_on() {
    for host in hosts() {
        let said = same(&host, &allow(&RULES), include_str!("scripts/epoll.py"));
        assert_eq!(
            said.get("edge"),
            "['OUT of feedfacecafe1234', 'IN of feedfacecafe1235', 'nothing']"
        );
    }
}

#[test]
fn thousands_at_once_and_many_threads() {
    for host in hosts() {
        let said = same(&host, &allow(&RULES), include_str!("scripts/many.py"));
        assert_eq!(said.get("at once"), "2000");
        assert_eq!(said.get("in threads"), "(320, ['hello from 11.11.1.1'])");
    }
}

#[test]
fn signals_interrupt_and_restart_as_outside() {
    for host in hosts() {
        let said = same(&host, &allow(&RULES), include_str!("scripts/signals.py"));
        assert_eq!(said.get("interrupted"), "('EINTR', 'EALREADY')");
        assert_eq!(said.get("restarted"), "('begin True True', 'ended: False')");
    }
}

/// The supervisor is killed while the server waits for a host that never answers: everything ends.
#[test]
fn nothing_is_left_of_a_box_that_was_killed_while_connecting() {
    for host in hosts() {
        let marker = unique("connecting");
        let script = format!("{marker:?}\nsay('connecting', 'now')\nreach('hole.test', ECHO)");
        let mut child = begin(&host, &allow(&RULES), &script);
        child.expect("connecting: now");
        drop(child);
        gone_within_a_second(&marker);
    }
}
