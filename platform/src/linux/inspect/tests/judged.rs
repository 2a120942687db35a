//! What reaches the host, and what does not.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::super::connection::FIRST_BYTES;
use super::{Bench, NAME, REQUEST, ends_in_reset, exactly, name};
use crate::net::inspect::samples::{hello, long_hello};
use crate::net::inspect::{LONGEST, Reason};

#[test]
fn a_hello_reaches_the_host_byte_by_byte_as_it_was_sent() {
    let bench = Bench::new();
    let hello = hello(NAME);
    let mut client = bench.client();
    for byte in &hello {
        client.write_all(&[*byte]).unwrap();
    }
    let mut host = bench.accept();
    assert_eq!(exactly(&mut host, hello.len()), hello);
    host.write_all(b"answer").unwrap();
    assert_eq!(exactly(&mut client, 6), b"answer");
}

#[test]
fn the_longest_hello_and_what_is_sent_with_it_arrive() {
    let bench = Bench::new();
    let flight = [long_hello(NAME, LONGEST), vec![23; 100_000]].concat();
    let mut client = bench.client();
    let sent = flight.clone();
    let sender = std::thread::spawn(move || {
        for piece in sent.chunks(999) {
            client.write_all(piece).unwrap();
        }
        client
    });
    let mut host = bench.accept();
    assert_eq!(exactly(&mut host, flight.len()), flight);
    drop(sender.join().unwrap());
    assert_eq!(host.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_asks_for_another_name_is_reset_and_the_host_hears_nothing() {
    let bench = Bench::new();
    for (first, reason) in [
        (hello("evil.example"), Reason::OtherName(name("evil.example"))),
        (long_hello(NAME, LONGEST + 1), Reason::TooLong),
        (b"SSH-2.0-x\r\n".to_vec(), Reason::NotTlsOrHttp),
        (
            b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(),
            Reason::OtherName(name("evil.example")),
        ),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Reason::NoHost),
    ] {
        let mut client = bench.client();
        let _ = client.write_all(&first);
        assert!(ends_in_reset(&client));
        assert_eq!(bench.refusal(), reason);
        bench.assert_host_untouched();
    }
    drop(bench.pair());
}

#[test]
fn a_client_that_ends_before_its_name_is_known() {
    let bench = Bench::new();
    let mut client = bench.client();
    client.write_all(&REQUEST[..20]).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(ends_in_reset(&client));
    assert_eq!(bench.refusal(), Reason::Unfinished);
    let probe = bench.client();
    probe.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(ends_in_reset(&probe));
    assert!(bench.refused.try_recv().is_err());
    bench.assert_host_untouched();
}

#[test]
fn first_bytes_take_only_so_much_memory_together() {
    let bench = Bench::new();
    let begin = Instant::now();
    let long = [&REQUEST[..REQUEST.len() - 2], b"X: ", &[b'x'; 60_000]].concat();
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let mut client = bench.client();
            let _ = client.write_all(&long);
            client
        })
        .collect();
    assert!(ends_in_reset(clients.last().unwrap()));
    assert!(begin.elapsed() < FIRST_BYTES);
    // One that holds little is served.
    drop(bench.pair());
    drop(clients);
    let mut client = bench.client();
    client.write_all(&[&long[..], b"\r\n\r\n"].concat()).unwrap();
    assert_eq!(exactly(&mut bench.accept(), long.len() + 4).len(), long.len() + 4);
}

/// One that sends nothing, and one that sends a byte now and then.
#[test]
fn slow_senders_are_reset_in_their_time() {
    let bench = Bench::new();
    let begin = Instant::now();
    let silent = bench.client();
    let mut slow = bench.client();
    slow.write_all(&REQUEST[..1]).unwrap();
    let mut other = slow.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut sent = 1;
        while slow
            .read(&mut [0])
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        {
            slow.write_all(&REQUEST[sent..=sent]).unwrap();
            sent += 1;
        }
    });
    assert!(ends_in_reset(&silent));
    dripping.join().unwrap();
    assert!(begin.elapsed() >= FIRST_BYTES && begin.elapsed() < FIRST_BYTES + Duration::from_secs(5));
    assert!(other.write_all(b"x").is_err());
    let reasons = [bench.refusal(), bench.refusal()];
    assert!(reasons.contains(&Reason::Silent) && reasons.contains(&Reason::Slow));
    bench.assert_host_untouched();
}
