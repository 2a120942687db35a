//! Much data, and many connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use super::{Bench, REQUEST, exactly};

const MIB: usize = 1 << 20;

/// How much goes each way.
const LENGTH: usize = 256 * MIB;

/// Sends a pattern that no shift of it equals.
fn send(mut to: &TcpStream, length: usize) {
    let block: Vec<u8> = (0..MIB as u32).map(|at| (at % 251) as u8).collect();
    for _ in 0..length / MIB {
        to.write_all(&block).unwrap();
    }
    to.shutdown(Shutdown::Write).unwrap();
}

/// Reads to the end; whether the pattern arrived whole.
fn receive(mut from: &TcpStream, length: usize) {
    let block: Vec<u8> = (0..MIB as u32).map(|at| (at % 251) as u8).collect();
    let mut got = vec![0; MIB];
    for _ in 0..length / MIB {
        from.read_exact(&mut got).unwrap();
        assert!(got == block);
    }
    assert_eq!(from.read(&mut got).unwrap(), 0);
}

/// Moves much data from one to the other; in MiB a second.
fn rate(from: &TcpStream, to: &TcpStream) -> f64 {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| send(from, LENGTH));
        receive(to, LENGTH);
    });
    (LENGTH / MIB) as f64 / begin.elapsed().as_secs_f64()
}

#[test]
fn much_data_moves_both_ways_without_a_copy() {
    let bench = Bench::new();
    let direct = TcpStream::connect(bench.host_address()).unwrap();
    let direct = rate(&direct, &bench.accept());
    let (client, host) = bench.pair();
    let (out, back) = (rate(&client, &host), rate(&host, &client));
    println!("MiB/s: out {out:.0}, back {back:.0}, without the relay {direct:.0}");
    assert_eq!(bench.inspector.copied(), REQUEST.len() as u64);
}

#[test]
fn two_hundred_connections_at_once() {
    const CONNECTIONS: usize = 200;
    let bench = Bench::new();
    std::thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let client = bench.client();
            scope.spawn(move || ask(client, number));
        }
        for _ in 0..CONNECTIONS {
            let host = bench.accept();
            scope.spawn(move || answer(host));
        }
    });
    assert!(bench.refused.try_recv().is_err());
}

fn ask(mut client: TcpStream, number: usize) {
    client.write_all(REQUEST).unwrap();
    client.write_all(&number.to_be_bytes()).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(answer == number.to_be_bytes().repeat(10_000));
}

fn answer(mut host: TcpStream) {
    exactly(&mut host, REQUEST.len());
    let number = exactly(&mut host, 8);
    host.write_all(&number.repeat(10_000)).unwrap();
}
