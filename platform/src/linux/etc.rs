//! The synthetic files of `/etc`: this user and nobody else, no name server, nothing of the host.

use crate::Policy;

/// Path and content of every synthetic file.
pub fn files(policy: &Policy) -> Vec<(&'static str, String)> {
    vec![
        ("/etc/passwd", passwd(policy)),
        ("/etc/group", group(policy)),
        (
            "/etc/hosts",
            "127.0.0.1 localhost mcp-sandbox\n::1 localhost\n".into(),
        ),
        ("/etc/hostname", "mcp-sandbox\n".into()),
        // Nothing listens there: a look-up is refused at once instead of timing out.
        (
            "/etc/resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n".into(),
        ),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n".into(),
        ),
        // Fixed and the same for every box: identifies nothing (machine-id(5) asks for 32 hex digits).
        ("/etc/machine-id", "6d63702d73616e64626f782d626f7800\n".into()),
    ]
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
