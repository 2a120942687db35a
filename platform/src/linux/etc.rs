//! The synthetic files of `/etc`: this user and nobody else, no name server, nothing of the host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::Policy;
use crate::net::{Dns, Network};

/// Where the stub resolver is found: programs read an address from resolv.conf(5), and take port 53 for granted.
pub const STUB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// Path and content of every synthetic file.
pub fn files(policy: &Policy, network: Option<&Network>) -> Vec<(&'static str, String)> {
    vec![
        ("/etc/passwd", passwd(policy)),
        ("/etc/group", group(policy)),
        (
            "/etc/hosts",
            "127.0.0.1 localhost mcp-sandbox\n::1 localhost\n".into(),
        ),
        ("/etc/hostname", "mcp-sandbox\n".into()),
        ("/etc/resolv.conf", resolver(network)),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n".into(),
        ),
        // Fixed and the same for every box: identifies nothing (machine-id(5) asks for 32 hex digits).
        ("/etc/machine-id", "6d63702d73616e64626f782d626f7800\n".into()),
    ]
}

/// The stub gives up on a name after five seconds. Where there is none nothing listens, and a look-up is refused at once.
fn resolver(network: Option<&Network>) -> String {
    let options = match network {
        Some(network) if network.dns == Dns::Filtered => "timeout:6 attempts:2",
        _ => "timeout:1 attempts:1",
    };
    format!("nameserver {}\noptions {options}\n", STUB.ip())
}

fn passwd(policy: &Policy) -> String {
    let user = &policy.process.user;
    let home = policy.home.at.to_string_lossy();
    let own = format!("{}:x:{}:{}::{home}:/bin/sh\n", user.name, user.uid, user.gid);
    match user.uid {
        0 => own + NOBODY_PASSWD,
        _ => own + "root:x:0:0::/nonexistent:/bin/sh\n" + NOBODY_PASSWD,
    }
}

fn group(policy: &Policy) -> String {
    let user = &policy.process.user;
    let own = format!("{}:x:{}:\n", user.name, user.gid);
    match user.gid {
        0 => own + NOBODY_GROUP,
        _ => own + "root:x:0:\n" + NOBODY_GROUP,
    }
}

/// Who files of unmapped owners appear to belong to (user_namespaces(7)).
const NOBODY_PASSWD: &str = "nobody:x:65534:65534::/nonexistent:/bin/false\n";
const NOBODY_GROUP: &str = "nogroup:x:65534:\n";
