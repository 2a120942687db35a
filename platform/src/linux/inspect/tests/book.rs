//! Expectations and strangers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::book::{Book, Expected, MOST_EXPECTED, Noted, PATIENCE};
use super::{NAME, name};

fn peer(port: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port as u16))
}

fn expected(port: u16) -> Expected {
    Expected {
        name: name(NAME),
        port,
        addresses: Vec::new(),
    }
}

#[test]
fn an_expectation_holds_once_and_only_for_its_peer() {
    let (mut book, now) = (Book::default(), Instant::now());
    assert_eq!(book.expect(peer(1), expected(443), now), Noted::Waits);
    assert_eq!(book.arrived(peer(2), 7, now), None);
    assert_eq!(book.arrived(peer(1), 8, now), Some(expected(443)));
    assert_eq!(book.arrived(peer(1), 9, now), None);
}

#[test]
fn the_last_word_about_a_peer_counts() {
    let (mut book, now) = (Book::default(), Instant::now());
    book.expect(peer(1), expected(1), now);
    book.expect(peer(1), expected(2), now);
    assert_eq!(book.arrived(peer(1), 1, now), Some(expected(2)));
}

#[test]
fn expectations_expire() {
    let (mut book, now) = (Book::default(), Instant::now());
    book.expect(peer(1), expected(1), now);
    book.expect(peer(2), expected(2), now);
    let almost = now + PATIENCE - Duration::from_millis(1);
    assert_eq!(book.arrived(peer(1), 1, almost), Some(expected(1)));
    assert_eq!(book.arrived(peer(2), 2, now + PATIENCE), None);
}

#[test]
fn their_number_is_bounded_and_room_comes_back() {
    let (mut book, now) = (Book::default(), Instant::now());
    for port in 0..MOST_EXPECTED {
        assert_eq!(book.expect(peer(port), expected(1), now), Noted::Waits);
    }
    assert_eq!(book.expect(peer(MOST_EXPECTED), expected(1), now), Noted::Full);
    assert_eq!(book.expect(peer(0), expected(2), now), Noted::Waits);
    assert_eq!(book.arrived(peer(1), 1, now), Some(expected(1)));
    assert_eq!(book.expect(peer(MOST_EXPECTED), expected(1), now), Noted::Waits);
    let later = now + PATIENCE;
    assert_eq!(
        book.expect(peer(MOST_EXPECTED + 1), expected(1), later),
        Noted::Waits
    );
}

#[test]
fn a_stranger_meets_its_expectation_unless_it_has_left() {
    let (mut book, now) = (Book::default(), Instant::now());
    assert_eq!(book.arrived(peer(1), 1, now), None);
    assert_eq!(book.arrived(peer(2), 2, now), None);
    book.left(peer(2), 2);
    // Another connection with the same address came and left; the stranger is still here.
    book.left(peer(1), 99);
    assert_eq!(book.expect(peer(1), expected(1), now), Noted::Met);
    assert_eq!(book.expect(peer(2), expected(2), now), Noted::Waits);
    assert_eq!(book.take_met(), [(1, expected(1))]);
    assert_eq!(book.take_met(), []);
}
