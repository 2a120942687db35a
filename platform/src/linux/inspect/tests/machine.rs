//! The state machine of a connection, against a kernel made of counters.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use proptest::prelude::*;

use super::super::book::Expected;
use super::super::connection::{ANSWER, Action, Connection, FIRST_BYTES, GRACE, Side, Way};
use super::super::entry::Entry;
use super::super::flow::Step;
use super::{NAME, REQUEST, name};
use crate::net::inspect::Reason;

fn addresses(count: u16) -> Vec<SocketAddr> {
    (1..=count)
        .map(|port| SocketAddr::from(([192, 0, 2, 1], port)))
        .collect()
}

fn expected(hosts: u16) -> Option<Expected> {
    Some(Expected {
        name: name(NAME),
        port: 80,
        addresses: addresses(hosts),
    })
}

fn refusal(reason: Reason) -> Action {
    Action::Refuse(name(NAME), 80, reason)
}

/// A connection that has sent `first`, and what it wants then.
fn after(first: &[u8], hosts: u16, now: Instant) -> (Connection, Action) {
    let mut connection = Connection::new(expected(hosts), now);
    assert_eq!(connection.next(now), Action::Wait);
    connection.ready(Side::Server, true, true);
    assert_eq!(connection.next(now), Action::Receive);
    connection.received(Ok(first));
    let action = connection.next(now);
    (connection, action)
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Entry>() <= 400, "{} bytes", size_of::<Entry>());
}

#[test]
fn nothing_is_read_of_a_stranger_and_its_time_is_short() {
    let now = Instant::now();
    let mut stranger = Connection::new(None, now);
    stranger.ready(Side::Server, true, true);
    assert_eq!(stranger.next(now), Action::Wait);
    assert_eq!(stranger.deadline(), Some(now + GRACE));
    stranger.late();
    assert_eq!(stranger.next(now), Action::Reset);
    let mut announced = Connection::new(None, now);
    announced.ready(Side::Server, true, true);
    announced.announced(expected(1).unwrap(), now);
    assert_eq!(announced.next(now), Action::Receive);
    assert_eq!(announced.deadline(), Some(now + FIRST_BYTES));
}

#[test]
fn the_host_is_not_touched_before_the_name_is_known() {
    let now = Instant::now();
    for end in 1..REQUEST.len() {
        let (mut connection, action) = after(&REQUEST[..end], 1, now);
        assert_eq!(action, Action::Receive);
        connection.received(Err(Errno::EAGAIN));
        assert_eq!(connection.next(now), Action::Wait);
        connection.ready(Side::Server, true, false);
        assert_eq!(connection.next(now), Action::Receive);
        connection.received(Ok(&REQUEST[end..]));
        assert_eq!(connection.next(now), Action::Connect(addresses(1)[0]));
    }
}

#[test]
fn first_bytes_that_end_or_do_not_come() {
    let now = Instant::now();
    let (_, action) = after(b"", 1, now);
    assert_eq!(action, Action::Reset);
    let (mut connection, _) = after(b"GET /", 1, now);
    connection.received(Ok(b""));
    assert_eq!(connection.next(now), refusal(Reason::Unfinished));
    let (mut slow, _) = after(b"GET /", 1, now);
    // Each byte gives no new time.
    assert_eq!(slow.deadline(), Some(now + FIRST_BYTES));
    slow.late();
    assert_eq!(slow.next(now), refusal(Reason::Slow));
    let mut silent = Connection::new(expected(1), now);
    silent.late();
    assert_eq!(silent.next(now), refusal(Reason::Silent));
    let (mut reset, _) = after(b"GET /", 1, now);
    reset.failed(Side::Server);
    assert_eq!(reset.next(now), Action::Reset);
}

#[test]
fn addresses_are_tried_in_order_each_with_its_time() {
    let now = Instant::now();
    let (mut connection, action) = after(REQUEST, 3, now);
    assert_eq!(action, Action::Connect(addresses(3)[0]));
    assert_eq!(connection.next(now), Action::Wait);
    connection.failed(Side::Host);
    assert_eq!(connection.next(now), Action::Connect(addresses(3)[1]));
    assert_eq!(connection.deadline(), Some(now + ANSWER));
    connection.late();
    let later = now + Duration::from_secs(1);
    assert_eq!(connection.next(later), Action::Connect(addresses(3)[2]));
    assert_eq!(connection.deadline(), Some(later + ANSWER));
    connection.failed(Side::Host);
    assert_eq!(connection.next(now), Action::Reset);
    let (_, nowhere) = after(REQUEST, 0, now);
    assert_eq!(nowhere, Action::Reset);
}

#[test]
fn the_first_bytes_are_sent_first_however_slowly_the_host_takes_them() {
    let now = Instant::now();
    let (mut connection, _) = after(REQUEST, 1, now);
    connection.ready(Side::Host, false, true);
    assert_eq!(connection.deadline(), None);
    let mut taken = Vec::new();
    while taken.len() < REQUEST.len() {
        assert_eq!(connection.next(now), Action::Move(Way::Out, Step::Send));
        connection.did(Way::Out, Step::Send, Err(Errno::EAGAIN));
        assert_eq!(connection.next(now), Action::Wait);
        connection.ready(Side::Host, false, true);
        taken.push(connection.unsent()[0]);
        connection.did(Way::Out, Step::Send, Ok(1));
    }
    assert_eq!(taken, REQUEST);
    assert_eq!(connection.next(now), Action::Move(Way::Out, Step::Fill));
}

#[test]
fn a_reset_passes_what_it_can_and_does_not_wait() {
    let now = Instant::now();
    let (mut connection, _) = after(b"GET / HTTP/1.0\r\nHost: api.example\r\n\r\n", 1, now);
    connection.ready(Side::Host, true, true);
    connection.did(Way::Out, Step::Send, Ok(37));
    connection.did(Way::Out, Step::Fill, Err(Errno::EAGAIN));
    connection.failed(Side::Host);
    assert_eq!(connection.next(now), Action::Move(Way::Back, Step::Fill));
    connection.did(Way::Back, Step::Fill, Ok(100));
    assert_eq!(connection.next(now), Action::Move(Way::Back, Step::Pour));
    connection.did(Way::Back, Step::Pour, Err(Errno::EAGAIN));
    assert_eq!(connection.next(now), Action::Reset);
}

#[test]
fn a_pipe_that_could_hold_something_is_not_given_on() {
    let now = Instant::now();
    for (step, outcome, dirty) in [
        (Step::Pour, Err(Errno::EPIPE), true),
        (Step::Pour, Err(Errno::EAGAIN), true),
        (Step::Pour, Ok(99), true),
        (Step::Pour, Ok(100), false),
    ] {
        let (mut connection, _) = after(REQUEST, 1, now);
        connection.ready(Side::Host, true, true);
        connection.did(Way::Back, Step::Fill, Ok(100));
        connection.did(Way::Back, step, outcome);
        assert_eq!(connection.may_hold_bytes(Way::Back), dirty, "{outcome:?}");
    }
}

/// What happens outside.
#[derive(Debug, Clone, Copy)]
enum Outside {
    /// The source of a direction sends so many bytes.
    Sends(Way, usize),
    /// The source sends nothing more.
    Ends(Way),
    /// The drain takes so many bytes more.
    Takes(Way, usize),
}

/// One direction of the kernel.
#[derive(Debug, Default)]
struct Channel {
    waiting: usize,
    ended: bool,
    room: usize,
    pipe: usize,
    /// Whether the machine was told that there is nothing, or no room, since the last edge.
    told: [bool; 2],
    delivered: usize,
    sent: usize,
    finished: bool,
}

const PIPE: usize = 16;

impl Channel {
    fn step(&mut self, step: Step, unsent: usize) -> nix::Result<usize> {
        match step {
            Step::Fill => self.fill(),
            Step::Send => self.pour(unsent),
            Step::Pour => {
                let moved = self.pour(self.pipe);
                self.pipe -= moved.unwrap_or(0);
                moved
            }
            Step::Finish => {
                assert!(!self.finished && self.pipe == 0 && self.waiting == 0 && self.ended);
                self.finished = true;
                Ok(0)
            }
        }
    }

    fn fill(&mut self) -> nix::Result<usize> {
        assert_eq!(self.pipe, 0, "filled a pipe that holds something");
        self.pipe = self.waiting.min(PIPE);
        self.waiting -= self.pipe;
        match self.pipe {
            0 if !self.ended => {
                assert!(
                    !std::mem::replace(&mut self.told[0], true),
                    "asked an empty source twice"
                );
                Err(Errno::EAGAIN)
            }
            count => Ok(count),
        }
    }

    fn pour(&mut self, wanted: usize) -> nix::Result<usize> {
        assert!(wanted > 0);
        let moved = wanted.min(self.room);
        self.room -= moved;
        self.delivered += moved;
        if moved == 0 {
            assert!(
                !std::mem::replace(&mut self.told[1], true),
                "asked a full drain twice"
            );
            return Err(Errno::EAGAIN);
        }
        Ok(moved)
    }
}

/// A machine in that kernel.
struct World {
    connection: Connection,
    out: Channel,
    back: Channel,
    closed: bool,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let (mut connection, _) = after(REQUEST, 1, now);
        connection.ready(Side::Host, false, true);
        let mut world = World {
            connection,
            out: Channel::default(),
            back: Channel::default(),
            closed: false,
        };
        world.out.sent = REQUEST.len();
        world.settle();
        world
    }

    fn channel(&mut self, way: Way) -> &mut Channel {
        if way == Way::Out {
            &mut self.out
        } else {
            &mut self.back
        }
    }

    fn happens(&mut self, outside: Outside) {
        match outside {
            Outside::Sends(way, count) if !self.channel(way).ended => {
                self.channel(way).waiting += count;
                self.channel(way).sent += count;
                self.channel(way).told[0] = false;
                self.connection.ready(way.source(), true, false);
            }
            Outside::Sends(..) => {}
            Outside::Ends(way) => {
                self.channel(way).ended = true;
                self.channel(way).told[0] = false;
                self.connection.ready(way.source(), true, false);
            }
            Outside::Takes(way, count) => {
                self.channel(way).room += count;
                self.channel(way).told[1] = false;
                self.connection.ready(way.drain(), false, true);
            }
        }
        self.settle();
    }

    /// Carries out actions until the machine waits.
    fn settle(&mut self) {
        loop {
            match self.connection.next(Instant::now()) {
                Action::Wait => return,
                Action::Close => return self.closed = true,
                Action::Move(way, step) => {
                    let unsent = self.connection.unsent().len();
                    let outcome = self.channel(way).step(step, unsent);
                    self.connection.did(way, step, outcome);
                    let holds = self.channel(way).pipe > 0;
                    assert_eq!(self.connection.may_hold_bytes(way), holds);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn outside() -> impl Strategy<Value = Outside> {
    let way = prop::sample::select(vec![Way::Out, Way::Back]);
    prop_oneof![
        8 => (way.clone(), 1_usize..50).prop_map(|(way, count)| Outside::Sends(way, count)),
        8 => (way.clone(), 1_usize..50).prop_map(|(way, count)| Outside::Takes(way, count)),
        1 => way.prop_map(Outside::Ends),
    ]
}

proptest! {
    /// Everything arrives, in both directions, whatever the order of events; nothing is asked twice in vain; and the
    /// end is passed on after the last byte.
    #[test]
    fn everything_arrives_and_nothing_spins(events in prop::collection::vec(outside(), 0..60)) {
        let mut world = World::new();
        for event in events {
            world.happens(event);
            prop_assert!(!world.closed || (world.out.finished && world.back.finished));
        }
        for way in [Way::Out, Way::Back] {
            world.happens(Outside::Ends(way));
            world.happens(Outside::Takes(way, 1 << 20));
            prop_assert!(world.channel(way).finished);
            prop_assert_eq!(world.channel(way).delivered, world.channel(way).sent);
        }
        prop_assert!(world.closed);
    }
}
