//! Unix sockets of the host: abstract names (CVE-2020-15257) and paths.

use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::thread;

use crate::common::{NO_FLAGS, answer, binaries, hosts, unique, words};

/// Greets everybody who connects, until the test program ends.
fn greet(listener: UnixListener, word: &str) {
    let word = word.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(word.as_bytes()));
        }
    });
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_reach() {
    let (name, word) = (unique("mcp-sandbox-test"), unique("word"));
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    greet(UnixListener::bind_addr(&address).expect("a listener"), &word);
    for host in hosts() {
        assert_eq!(host.bare(&["abstract", &name]).done(), word);
        host.boxed(NO_FLAGS, &["abstract", &name]).stopped("ECONNREFUSED");
    }
}

/// A datagram socket of the host's network namespace as stdin still belongs there: its abstract names are the host's.
#[test]
fn an_inherited_datagram_socket_cannot_reach_abstract_sockets() {
    for host in hosts() {
        let name = unique("mcp-sandbox-test");
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let receiver = UnixDatagram::bind_addr(&address).expect("a receiver");
        receiver.set_nonblocking(true).expect("a flag");
        let mut received = [0; 16];
        for (mut command, arrives) in [(host.command("env"), true), (host.run(NO_FLAGS), false)] {
            let inherited = UnixDatagram::unbound().expect("a socket");
            command.stdin(std::os::fd::OwnedFd::from(inherited));
            command.arg(&binaries().probe).args(["send-from-stdin", &name]);
            let answer = answer(command);
            assert_eq!(receiver.recv(&mut received).is_ok(), arrives, "{answer:?}");
        }
    }
}

/// Nor is a name of the host taken with it, at which the server would hear what is meant for others.
#[test]
fn an_inherited_socket_takes_no_name_of_the_host() {
    for host in hosts() {
        let attack = |mut command: std::process::Command| {
            let inherited = UnixDatagram::unbound().expect("a socket");
            command.stdin(std::os::fd::OwnedFd::from(inherited));
            let name = unique("mcp-sandbox-test");
            command.arg(&binaries().probe).args(["bind-stdin", &name]);
            answer(command)
        };
        assert_eq!(attack(host.command("env")).done(), "bound");
        attack(host.run(NO_FLAGS)).refused("not connected");
    }
}

/// A connected one, as some clients give, has a name that nobody looks for, and takes no other (unix(7)).
#[test]
fn a_socket_of_the_client_has_a_name_already() {
    for host in hosts() {
        let attack = |mut command: std::process::Command| {
            let (inherited, ours) = std::os::unix::net::UnixStream::pair().expect("sockets");
            command.stdin(std::os::fd::OwnedFd::from(inherited));
            let name = unique("mcp-sandbox-test");
            command.arg(&binaries().probe).args(["bind-stdin", &name]);
            let answer = answer(command);
            (answer, name, ours)
        };
        let name_of_stdin = |ours: std::os::unix::net::UnixStream| {
            let address = ours.peer_addr().expect("an address");
            address.as_abstract_name().map(<[u8]>::to_vec)
        };
        let (answer, name, ours) = attack(host.command("env"));
        assert_eq!(answer.done(), "bound");
        assert_eq!(name_of_stdin(ours), Some(name.into_bytes()));
        let (answer, name, ours) = attack(host.run(NO_FLAGS));
        answer.stopped("EACCES");
        assert!(name_of_stdin(ours).is_some_and(|given| given != name.as_bytes()));
    }
}

#[test]
fn sockets_in_folders_that_are_not_mounted_do_not_exist() {
    for host in hosts() {
        let (path, word) = (host.folder().join("socket"), unique("word"));
        greet(UnixListener::bind(&path).expect("a listener"), &word);
        host.give(&path);
        let path = path.to_str().expect("UTF-8");
        assert_eq!(host.bare(&["unix", path]).done(), word);
        host.boxed(NO_FLAGS, &["unix", path]).stopped("ENOENT");
    }
}

/// A limit, not a promise: a read-only mount does not stop connect(2), and Landlock before ABI 9 has no right for
/// it. Whoever mounts a folder with a socket in it gives the socket away; known control sockets are refused by name.
#[test]
fn limit_a_socket_in_a_mounted_folder_can_be_connected_to() {
    for host in hosts() {
        let folder = host.directory("shared");
        let (path, word) = (folder.join("socket"), unique("word"));
        greet(UnixListener::bind(&path).expect("a listener"), &word);
        host.give(&path);
        let flags = words([&"--read", &folder]);
        let path = path.to_str().expect("UTF-8");
        assert_eq!(host.boxed(&flags, &["unix", path]).done(), word);
    }
}

/// To talk to what listens there is to read it.
#[test]
fn an_excluded_socket_is_not_connected_to() {
    for host in hosts() {
        let folder = host.directory("shared");
        let profile = format!(
            "version = 1\n[filesystem]\nmounts = [{{ path = {folder:?}, access = \"read\", exclude = [\"*.secret\", \"run/\"] }}]\n"
        );
        let profile = host.file("excluding.toml", &profile);
        let flags = words([&"--profile", &profile]);
        let run = host.directory("shared/run");
        let places = [folder.join("open"), folder.join("a.secret"), run.join("socket")];
        for (place, allowed) in places.iter().zip([true, false, false]) {
            let word = unique("word");
            greet(UnixListener::bind(place).expect("a listener"), &word);
            host.give(place);
            let path = place.to_str().expect("UTF-8");
            assert_eq!(host.bare(&["unix", path]).done(), word);
            match (allowed, host.boxed(&flags, &["unix", path])) {
                (true, answer) => assert_eq!(answer.done(), word),
                (false, answer) => answer.stopped("EACCES"),
            }
        }
    }
}
