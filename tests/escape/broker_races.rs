//! A hostile server changes the arguments of a call while the broker judges them, and kills or interrupts the callers.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::network::{FullPort, Greeter, greeter};
use crate::common::{gone_within_a_second, hosts, slowness, unique};

/// How long each race runs, in milliseconds: on an emulated machine it takes longer until one is won.
fn time() -> String {
    (3000 * slowness().min(5)).to_string()
}

fn allow(addresses: &[&str]) -> Vec<String> {
    let rule = |address: &&str| ["--allow".to_owned(), address.replace("127.0.0.1", "localhost")];
    addresses.iter().flat_map(rule).collect()
}

#[test]
fn an_address_and_a_number_that_change_lead_nowhere_else() {
    let (word, secret) = (unique("allowed"), unique("secret"));
    let (allowed, other) = (greeter(&word), Greeter::new(&secret));
    for host in hosts() {
        let attack = ["race-connect", &allowed, &other.address, &time()];
        let bare = host.bare(&attack).done();
        assert!(bare.contains(&word) && bare.contains(&secret), "{bare}");
        let visits = other.visits();
        assert_eq!(host.boxed(allow(&[&allowed]), &attack).done(), word);
        assert_eq!(other.visits(), visits);
    }
}

/// bind(2) of Unix sockets is the one call that the kernel carries out after it was judged.
#[test]
fn a_number_that_changes_does_not_bind_a_socket_of_the_host() {
    let full = FullPort::new();
    for host in hosts() {
        let attack = ["race-bind", &full.address, &time()];
        assert_eq!(host.bare(&attack).done(), "bound");
        assert_eq!(host.boxed(allow(&[&full.address]), &attack).done(), "held");
    }
}

#[test]
fn a_number_that_changes_does_not_make_a_socket_of_the_host_listen() {
    let full = FullPort::new();
    for host in hosts() {
        let attack = ["race-listen", &full.address, &time()];
        assert_eq!(host.bare(&attack).done(), "listening");
        assert_eq!(host.boxed(allow(&[&full.address]), &attack).done(), "held");
    }
}

#[test]
fn callers_that_are_killed_and_interrupted_leave_a_broker_that_serves() {
    let word = unique("allowed");
    let allowed = greeter(&word);
    for host in hosts() {
        let attack = ["killed-callers", &allowed, &time()];
        assert_eq!(host.bare(&attack).done(), word);
        assert_eq!(host.boxed(allow(&[&allowed]), &attack).done(), word);
        gone_within_a_second(&format!("killed-callers {allowed}"));
    }
}

/// More calls than the broker keeps waiting: the rest is refused, and what does not wait goes on.
#[test]
fn a_crowd_that_waits_is_bounded_and_does_not_keep_others_from_connecting() {
    let allowed = greeter("hello");
    for host in hosts() {
        let attack = ["crowd", &allowed, "700"];
        assert_eq!(host.bare(&attack).done(), "0");
        // Each that waits is a thread.
        let text = "version = 1\nextends = [\"default\"]\n[resources]\nprocesses = 1000\n";
        let profile = host.file("crowd.toml", text);
        let mut flags = allow(&[&allowed]);
        flags.extend(["--profile".into(), profile.to_str().expect("UTF-8").into()]);
        let refused = host.boxed(flags, &attack).done();
        assert!(
            (100..700).contains(&refused.parse().expect("a number")),
            "{refused}"
        );
    }
}

/// The flag that keeps connect(2) from waiting is the server's as much as the broker's.
#[test]
fn a_socket_that_is_made_to_block_keeps_the_broker_for_a_moment_only() {
    let word = unique("allowed");
    let allowed = greeter(&word);
    for host in hosts() {
        // A hundred races may all be lost.
        let won = (0..5).any(|_| {
            let start = Instant::now();
            let attack = ["made-to-block", &allowed];
            let evidence = host.boxed(allow(&[&allowed]), &attack).done();
            assert!(start.elapsed() < Duration::from_secs(20) * slowness());
            let waited = evidence.strip_prefix(&format!("{word} ")).expect("the word");
            waited == "true"
        });
        assert!(won, "no call had to wait");
    }
}

/// A call of another thread keeps the socket that is replaced alive for a moment.
#[test]
fn a_socket_that_is_held_while_it_is_connected_is_answered_for() {
    let allowed = greeter("hello");
    for host in hosts() {
        let count = (6000 / slowness()).to_string();
        let attack = ["held-sockets", &allowed, &count];
        assert_eq!(host.bare(&attack).done(), count);
        assert_eq!(host.boxed(allow(&[&allowed]), &attack).done(), count);
    }
}

/// As many a second as go through are refused; those that are allowed are made meanwhile.
#[test]
fn a_flood_of_connections_is_refused_and_does_not_keep_others_from_connecting() {
    let (allowed, other) = (greeter("hello"), Greeter::new("secret"));
    for host in hosts() {
        let count = 20_000 / u64::from(slowness());
        let text = count.to_string();
        let [few, many] = ["400", &text].map(|count| ["connect-flood", &allowed, &other.address, count]);
        let numbers = |evidence: String| -> Vec<u64> {
            let words = evidence.split(' ');
            words.map(|word| word.parse().expect("a number")).collect()
        };
        // Few: each keeps a port for a while.
        let bare = numbers(host.bare(&few).done());
        assert_eq!(bare[0], 0);
        assert!(other.visits() > 0);
        // Those that it has not counted yet.
        thread::sleep(Duration::from_millis(500));

        let visits = other.visits();
        let boxed = numbers(host.boxed(allow(&[&allowed]), &many).done());
        assert_eq!((boxed[0], other.visits()), (count, visits));
        assert!(boxed[1] > 0);
    }
}
