//! The network of the host: its loopback, addresses beyond, and sockets that were open before.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::network::greeter;
use crate::common::{Answer, NO_FLAGS, answer, binaries, hosts, slowness, unique};

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    let word = unique("word");
    let address = greeter(&word);
    for host in hosts() {
        assert_eq!(host.bare(&["tcp", &address]).done(), word);
        let answer = host.boxed(NO_FLAGS, &["tcp", &address]);
        assert!(is_refused(&answer), "{answer:?}");
        let mapped = address.replace("127.0.0.1:", "[::ffff:127.0.0.1]:");
        assert_eq!(host.bare(&["tcp", &mapped]).done(), word);
        assert!(is_refused(&host.boxed(NO_FLAGS, &["tcp", &mapped])));
    }
}

#[test]
fn datagrams_do_not_arrive_on_the_host() {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    receiver.set_nonblocking(true).expect("a flag");
    let address = receiver.local_addr().expect("an address").to_string();
    let mut datagram = [0; 16];
    for host in hosts() {
        // Sending is over before the probe ends, and loopback delivers at once.
        host.boxed(NO_FLAGS, &["udp", &address]);
        assert!(receiver.recv(&mut datagram).is_err());
        host.bare(&["udp", &address]).done();
        assert_eq!(receiver.recv(&mut datagram).expect("a datagram"), 5);
    }
}

/// Documentation, metadata, private and public addresses, IPv4 and IPv6: an error at once, no time-out.
#[test]
fn addresses_outside_fail_at_once() {
    for host in hosts() {
        for address in [
            "192.0.2.1:80",
            "169.254.169.254:80",
            "10.0.0.1:22",
            "1.1.1.1:53",
            "[2001:db8::1]:80",
            "[fe80::1]:80",
        ] {
            let start = Instant::now();
            for attack in [["tcp", address], ["udp", address]] {
                let answer = host.boxed(NO_FLAGS, &attack);
                assert!(is_refused(&answer), "{answer:?}");
            }
            assert!(start.elapsed() < Duration::from_secs(2) * slowness(), "{address}");
        }
    }
}

fn is_refused(answer: &Answer) -> bool {
    let (_, said) = answer.all().next().expect("an answer");
    [
        "stopped: ENETUNREACH",
        "stopped: EACCES",
        "stopped: ECONNREFUSED",
        "stopped: EINVAL",
    ]
    .contains(&said)
}

/// The probe with a connected TCP socket of the host as stdin, as inetd would start it.
fn with_a_tcp_stdin(mut command: Command, attack: &[&str]) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    command
        .stdin(OwnedFd::from(server))
        .arg(&binaries().probe)
        .args(attack);
    let answer = answer(command);
    drop(client);
    answer
}

/// Bare, each of these points a connected socket of the host's network elsewhere: by connect(2), past Landlock by
/// MSG_FASTOPEN, and by waiting for connections itself. So such a socket is not let in.
#[test]
fn an_inherited_connection_is_refused() {
    let word = unique("word");
    let address = greeter(&word);
    for host in hosts() {
        for (attack, evidence) in [
            (&["reconnect-stdin", &address][..], word.as_str()),
            (&["fast-open-stdin", &address], &word),
            (&["listen-on-stdin"], "listening"),
        ] {
            assert_eq!(
                with_a_tcp_stdin(host.command("env"), attack).done(),
                evidence,
                "{attack:?}"
            );
            with_a_tcp_stdin(host.run(NO_FLAGS), attack).refused("a network socket");
        }
    }
}

#[test]
fn an_inherited_datagram_socket_is_refused() {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    receiver.set_nonblocking(true).expect("a flag");
    let address = receiver.local_addr().expect("an address").to_string();
    let mut datagram = [0; 16];
    for host in hosts() {
        for (mut command, arrives) in [(host.command("env"), true), (host.run(NO_FLAGS), false)] {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            command
                .stdin(OwnedFd::from(socket))
                .arg(&binaries().probe)
                .args(["udp-from-stdin", &address]);
            let answer = answer(command);
            assert_eq!(receiver.recv(&mut datagram).is_ok(), arrives, "{answer:?}");
        }
    }
}

/// Node and others connect children by Unix sockets: those carry bytes both ways.
#[test]
fn control_an_inherited_unix_connection_carries_bytes() {
    for host in hosts() {
        let (mut client, server) = UnixStream::pair().expect("a pair");
        let mut command = host.run(NO_FLAGS);
        command
            .arg("cat")
            .stdin(OwnedFd::from(server.try_clone().expect("a descriptor")));
        let mut child = command
            .stdout(OwnedFd::from(server))
            .spawn()
            .expect("the sandbox");
        drop(command);
        client.write_all(b"there and back").expect("a connection");
        client.shutdown(Shutdown::Write).expect("a connection");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("a connection");
        assert_eq!(text, "there and back");
        assert!(child.wait().expect("the child is ours").success());
    }
}
