//! Unix sockets that the broker connects for the server: as the server's user, from the server's root, by no way of its
//! own.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::{fs, thread};

use crate::common::{NO_FLAGS, hosts, root_hosts, unique, words};

/// A socket that greets everybody with `word`.
fn greeter(path: &Path, word: &str, mode: u32) {
    let listener = UnixListener::bind(path).expect("a listener");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
    let word = word.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(word.as_bytes()));
        }
    });
}

/// Links that the broker could follow out of the box, or into its own process.
#[test]
fn links_do_not_lead_to_sockets_outside() {
    for host in hosts() {
        let (folder, word) = (host.directory("shared"), unique("word"));
        let outside = host.folder().join("outside");
        greeter(&outside, &word, 0o666);
        greeter(&folder.join("inside"), &word, 0o666);
        let links = [
            ("absolute", outside.clone()),
            ("relative", "../outside".into()),
            (
                "by-proc",
                Path::new("/proc/self/root").join(outside.strip_prefix("/").expect("absolute")),
            ),
        ];
        let flags = words([&"--read", &folder]);
        for (name, target) in links {
            let link = folder.join(name);
            symlink(target, &link).expect("a link");
            let link = link.to_str().expect("UTF-8");
            assert_eq!(host.bare(&["unix", link]).done(), word);
            host.boxed(&flags, &["unix", link]).stopped("ENOENT");
        }
        let inside = folder.join("inside");
        let attack = ["unix", inside.to_str().expect("UTF-8")];
        assert_eq!(host.boxed(&flags, &attack).done(), word);
    }
}

/// The broker is root where root starts a server as another user, and must not lend its rights.
#[test]
fn root_connects_another_user_to_nothing_that_the_user_may_not_open() {
    for host in root_hosts() {
        let (folder, word) = (host.directory("shared"), unique("word"));
        for directory in [host.folder(), &folder] {
            fs::set_permissions(directory, Permissions::from_mode(0o755)).expect("our own folder");
        }
        greeter(&folder.join("private"), &word, 0o600);
        greeter(&folder.join("public"), &word, 0o666);
        let profile = |user: &str| {
            let text = format!(
                "version = 1\nextends = [\"default\"]\n[filesystem]\nmounts = [{{ path = \"{}\" }}]\n[process]\nuser = \"{user}\"\n",
                folder.display()
            );
            let path = host.file(&format!("{user}.toml"), &text);
            words([&"--profile", &path])
        };
        let folder = folder.to_str().expect("UTF-8");
        let attack = |name| ["unix-in", folder, name];
        assert_eq!(host.boxed(profile("inherit"), &attack("private")).done(), word);
        assert_eq!(host.boxed(profile("nobody"), &attack("public")).done(), word);
        host.boxed(profile("nobody"), &attack("private"))
            .stopped("EACCES");
    }
}

/// The broker is the peer of every connection in the box. It is no process that can be signalled from there.
#[test]
fn the_peer_of_a_connection_cannot_be_signalled() {
    for host in hosts() {
        // SO_PEERPIDFD came with Linux 6.5.
        let bare = host.bare(&["signal-peer"]);
        if !bare.all().any(|(_, said)| said == "stopped: 92") {
            host.only_bare(&["signal-peer"], "EINVAL");
        }
        assert_eq!(host.boxed(NO_FLAGS, &["socket", "1", "1", "0"]).done(), "socket");
    }
}
