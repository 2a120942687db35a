//! Unix sockets of the box's own, which pass through the same broker.

use crate::common::hosts;
use crate::scripts::{allow, same};

#[test]
fn unix_sockets_behave_as_outside() {
    for host in hosts() {
        let said = same(&host, &allow(&["api.test"]), include_str!("scripts/unix.py"));
        for label in ["absolute", "relative", "dotted", "abstract", "packets"] {
            assert_eq!(said.get(label), "hello, own user: True", "{said:#?}");
        }
        assert_eq!(said.get("full"), "EAGAIN");
    }
}
