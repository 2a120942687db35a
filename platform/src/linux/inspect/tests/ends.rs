//! How connections begin and end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};

use super::super::connection::GRACE;
use super::super::relay::MOST_CONNECTIONS;
use super::super::socket::reset_on_close;
use super::{Bench, NAME, REQUEST, bound, ends_in_reset, exactly, name};

#[test]
fn nobody_gets_in_unannounced() {
    let bench = Bench::new();
    let begin = Instant::now();
    let mut stranger = TcpStream::connect(bench.relay).unwrap();
    stranger.write_all(REQUEST).unwrap();
    assert!(ends_in_reset(&stranger));
    assert!(begin.elapsed() >= GRACE / 2);
    bench.assert_host_untouched();
    assert!(bench.refused.try_recv().is_err());
    drop(bench.pair());
}

#[test]
fn an_announcement_may_come_just_after_the_connection() {
    let bench = Bench::new();
    let (socket, peer) = bound();
    let mut client = bench.connect(socket);
    client.write_all(REQUEST).unwrap();
    bench.expect_from(peer);
    let mut host = bench.accept();
    assert_eq!(exactly(&mut host, REQUEST.len()), REQUEST);
}

#[test]
fn the_client_ends_its_side_and_still_gets_the_answer() {
    let bench = Bench::new();
    let (mut client, mut host) = bench.pair();
    client.write_all(b"the rest").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    host.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"the rest");
    let answer = vec![5; 1 << 20];
    let sent = answer.clone();
    let sender = std::thread::spawn(move || host.write_all(&sent).unwrap());
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    sender.join().unwrap();
    assert!(got == answer);
}

#[test]
fn the_host_ends_its_side_and_still_gets_the_rest() {
    let bench = Bench::new();
    let (mut client, mut host) = bench.pair();
    host.write_all(b"bye").unwrap();
    host.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"bye");
    client.write_all(b"more").unwrap();
    assert_eq!(exactly(&mut host, 4), b"more");
    drop(client);
    assert_eq!(host.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_request_whose_client_ends_at_once_is_answered() {
    let bench = Bench::new();
    let mut client = bench.client();
    client.write_all(REQUEST).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut host = bench.accept();
    let mut request = Vec::new();
    host.read_to_end(&mut request).unwrap();
    assert_eq!(request, REQUEST);
    host.write_all(b"answer").unwrap();
    drop(host);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"answer");
}

#[test]
fn a_reset_of_either_side_is_a_reset_for_the_other() {
    let bench = Bench::new();
    let (client, host) = bench.pair();
    reset_on_close(&client);
    drop(client);
    assert!(ends_in_reset(&host));
    let (client, host) = bench.pair();
    reset_on_close(&host);
    drop(host);
    assert!(ends_in_reset(&client));
    // The control: an orderly end is none.
    let (client, host) = bench.pair();
    drop(host);
    assert!(!ends_in_reset(&client));
}

#[test]
fn what_the_host_sent_before_its_reset_arrives() {
    let bench = Bench::new();
    let (mut client, mut host) = bench.pair();
    host.write_all(&[7; 10_000]).unwrap();
    reset_on_close(&host);
    drop(host);
    assert_eq!(exactly(&mut client, 10_000), [7; 10_000]);
    assert!(ends_in_reset(&client));
}

#[test]
fn a_reset_is_seen_while_the_other_side_takes_nothing() {
    let bench = Bench::new();
    let (client, host) = bench.pair();
    client.set_nonblocking(true).unwrap();
    fill(&client);
    // Asked for nothing, poll(2) tells of errors.
    let mut poll_host = [PollFd::new(host.as_fd(), PollFlags::empty())];
    assert_eq!(poll(&mut poll_host, 0_u16), Ok(0));
    reset_on_close(&client);
    drop(client);
    assert_eq!(poll(&mut poll_host, 30_000_u16), Ok(1));
    assert!(ends_in_reset(&host));
    // What was on its way is not found by the next connection.
    let (mut client, mut host) = bench.pair();
    client.write_all(b"clean").unwrap();
    host.write_all(b"clean").unwrap();
    assert_eq!(exactly(&mut host, 5), b"clean");
    assert_eq!(exactly(&mut client, 5), b"clean");
}

#[test]
fn urgent_data_is_a_reset_and_no_end() {
    let bench = Bench::new();
    let (mut client, host) = bench.pair();
    client.write_all(b"before").unwrap();
    send(client.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap();
    assert!(ends_in_reset(&host) && ends_in_reset(&client));
    let client = bench.client();
    send(client.as_raw_fd(), b"G", MsgFlags::MSG_OOB).unwrap();
    assert!(ends_in_reset(&client));
    bench.assert_host_untouched();
}

/// Writes until the way to the other side is full: twice with a pause that only a full way survives.
fn fill(mut socket: &TcpStream) {
    let mut writable = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    while poll(&mut writable, 300_u16).unwrap() > 0 {
        loop {
            match socket.write(&[0; 65536]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn what_is_not_read_is_not_taken() {
    let bench = Bench::new();
    let (mut client, mut host) = bench.pair();
    setsockopt(&client, sockopt::SndBuf, &65536).unwrap();
    client.set_nonblocking(true).unwrap();
    fill(&client);
    client.set_nonblocking(false).unwrap();
    let writer = std::thread::spawn(move || {
        client.write_all(b"last").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client
    });
    let mut all = Vec::new();
    host.read_to_end(&mut all).unwrap();
    assert!(all.ends_with(b"last") && all[..all.len() - 4].iter().all(|byte| *byte == 0));
    drop(writer.join().unwrap());
}

/// An address of this machine where nothing listens.
fn refusing() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn a_host_that_refuses_is_a_reset_and_the_next_address_is_tried() {
    let bench = Bench::new();
    for (addresses, reached) in [
        (vec![refusing()], false),
        (vec![refusing(), bench.host_address()], true),
    ] {
        let (socket, peer) = bound();
        bench.inspector.expect(peer, name(NAME), 80, addresses);
        let mut client = bench.connect(socket);
        client.write_all(REQUEST).unwrap();
        if reached {
            let mut host = bench.accept();
            assert_eq!(exactly(&mut host, REQUEST.len()), REQUEST);
        } else {
            assert!(ends_in_reset(&client));
        }
    }
    assert!(bench.refused.try_recv().is_err());
}

#[test]
fn a_host_behind_ipv6_is_reached() {
    let bench = Bench::new();
    let host = TcpListener::bind("[::1]:0").unwrap();
    let (socket, peer) = bound();
    bench
        .inspector
        .expect(peer, name(NAME), 80, vec![host.local_addr().unwrap()]);
    let mut client = bench.connect(socket);
    client.write_all(REQUEST).unwrap();
    assert_eq!(exactly(&mut host.accept().unwrap().0, REQUEST.len()), REQUEST);
}

#[test]
fn more_connections_than_the_bound_are_reset() {
    let bench = Bench::new();
    let held: Vec<TcpStream> = (0..MOST_CONNECTIONS).map(|_| bench.client()).collect();
    assert!(ends_in_reset(&bench.client()));
    drop(held);
    // Those that are gone make room again; the relay learns of it before it accepts more, or soon after.
    let served = (0..100).any(|_| {
        let mut client = bench.client();
        let _ = client.write_all(REQUEST);
        bench.host.set_nonblocking(true).unwrap();
        let end = Instant::now() + GRACE / 10;
        while Instant::now() < end {
            if bench.host.accept().is_ok() {
                return true;
            }
        }
        false
    });
    assert!(served);
}

#[test]
fn the_end_of_the_relay_resets_everything() {
    let bench = Bench::new();
    let (client, host) = bench.pair();
    let waiting = bench.client();
    let relay = bench.relay;
    drop(bench.inspector);
    assert!(ends_in_reset(&client) && ends_in_reset(&host) && ends_in_reset(&waiting));
    assert_eq!(
        TcpStream::connect(relay).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}
