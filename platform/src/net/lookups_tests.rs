//! The state machine of look-ups, driven by a clock of our own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

type Test = Lookups<u32>;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn found(last: u8) -> Outcome {
    Ok(Arc::from([ip(last)]))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Look-ups that know `a` since `now`.
fn knowing_a(now: Instant) -> Test {
    let mut lookups = Test::default();
    assert_eq!(lookups.wait(&name("a"), 0, now), Wait::Begun);
    assert_eq!(lookups.next_job(), Some(name("a")));
    let _ = lookups.finished(&name("a"), Ok(vec![ip(1)]), now);
    lookups
}

#[test]
fn all_who_wait_for_a_name_share_one_look_up() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    for who in 1..4 {
        assert_eq!(lookups.wait(&name("a"), who, now), Wait::Begun);
    }
    assert_eq!(lookups.next_job(), Some(name("a")));
    assert_eq!(lookups.next_job(), None);
    assert_eq!(lookups.wait(&name("a"), 4, now), Wait::Begun);
    assert_eq!(lookups.next_job(), None);
    let (who, outcome) = lookups.finished(&name("a"), Ok(vec![ip(1), ip(1), ip(2)]), now);
    assert_eq!(who, [1, 2, 3, 4]);
    assert_eq!(outcome, Ok(Arc::from([ip(1), ip(2)])));
    assert_eq!(lookups.next_deadline(), None);
}

#[test]
fn an_answer_is_fresh_for_ten_seconds() {
    let now = Instant::now();
    let mut lookups = knowing_a(now);
    let nearly = now + secs(10) - Duration::from_millis(1);
    assert_eq!(lookups.wait(&name("a"), 1, nearly), Wait::Over(1, found(1)));
    assert_eq!(lookups.addresses(&name("a"), nearly), found(1).ok());
    assert_eq!(lookups.next_job(), None);
    assert_eq!(lookups.wait(&name("a"), 1, now + secs(10)), Wait::Begun);
}

#[test]
fn old_addresses_are_given_while_the_host_is_asked_again() {
    let now = Instant::now();
    let mut lookups = knowing_a(now);
    let later = now + secs(11);
    assert_eq!(lookups.addresses(&name("a"), later), found(1).ok());
    assert_eq!(lookups.next_job(), Some(name("a")));
    // A query waits for that look-up.
    assert_eq!(lookups.wait(&name("a"), 1, later), Wait::Begun);
    assert_eq!(lookups.addresses(&name("a"), later), found(1).ok());
    assert_eq!(lookups.next_job(), None);
    assert_eq!(
        lookups.finished(&name("a"), Ok(vec![ip(2)]), later),
        (vec![1], found(2))
    );
    assert_eq!(lookups.addresses(&name("a"), later), found(2).ok());
    assert_eq!(lookups.next_job(), None);
}

#[test]
fn addresses_of_an_unknown_name_are_none_and_ask_nobody() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    assert_eq!(lookups.addresses(&name("a"), now), None);
    assert_eq!(lookups.next_job(), None);
}

#[test]
fn a_failure_is_repeated_for_two_seconds() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    for error in [
        ResolveError::NotFound,
        ResolveError::NoAddress,
        ResolveError::Failed,
    ] {
        let name = name(&format!("{error:?}"));
        assert_eq!(lookups.wait(&name, 1, now), Wait::Begun);
        assert_eq!(lookups.next_job().as_ref(), Some(&name));
        assert_eq!(lookups.finished(&name, Err(error), now), (vec![1], Err(error)));
        let nearly = now + secs(2) - Duration::from_millis(1);
        assert_eq!(lookups.wait(&name, 2, nearly), Wait::Over(2, Err(error)));
        assert_eq!(lookups.wait(&name, 2, now + secs(2)), Wait::Begun);
        assert_eq!(lookups.next_job().as_ref(), Some(&name));
    }
    assert_eq!(
        lookups.finished(&name("notfound"), Ok(vec![]), now).1,
        Err(ResolveError::NoAddress)
    );
}

#[test]
fn a_name_that_is_gone_keeps_no_addresses_and_one_that_fails_keeps_them() {
    let now = Instant::now();
    let later = now + secs(20);
    for (error, kept) in [
        (ResolveError::NotFound, None),
        (ResolveError::NoAddress, None),
        (ResolveError::Failed, found(1).ok()),
    ] {
        let mut lookups = knowing_a(now);
        assert_eq!(lookups.wait(&name("a"), 1, later), Wait::Begun);
        assert_eq!(lookups.next_job(), Some(name("a")));
        let _ = lookups.finished(&name("a"), Err(error), later);
        assert_eq!(lookups.addresses(&name("a"), later), kept, "{error:?}");
        // Not asked again at once.
        assert_eq!(lookups.next_job(), None);
        assert_eq!(lookups.addresses(&name("a"), later + FAILED), kept, "{error:?}");
        assert_eq!(lookups.next_job().is_some(), kept.is_some(), "{error:?}");
    }
}

#[test]
fn addresses_do_not_outlive_the_host_for_ever() {
    let now = Instant::now();
    let mut lookups = knowing_a(now);
    assert_eq!(
        lookups.addresses(&name("a"), now + USABLE - secs(1)),
        found(1).ok()
    );
    assert_eq!(lookups.addresses(&name("a"), now + USABLE), None);
}

#[test]
fn a_look_up_is_given_up_after_five_seconds() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    assert_eq!(lookups.wait(&name("a"), 1, now), Wait::Begun);
    assert_eq!(lookups.next_job(), Some(name("a")));
    assert_eq!(lookups.wait(&name("a"), 2, now + secs(4)), Wait::Begun);
    assert_eq!(lookups.next_deadline(), Some(now + PATIENCE));
    assert_eq!(lookups.expired(now + secs(4)), []);
    let over = now + PATIENCE;
    assert_eq!(lookups.expired(over), [1, 2]);
    assert_eq!(lookups.next_deadline(), None);
    assert_eq!(
        lookups.wait(&name("a"), 3, over),
        Wait::Over(3, Err(ResolveError::TimedOut))
    );
    // Later ones wait for the same worker, for another five seconds.
    assert_eq!(lookups.wait(&name("a"), 4, over + secs(2)), Wait::Begun);
    assert_eq!(lookups.next_job(), None);
    assert_eq!(lookups.next_deadline(), Some(over + secs(7)));
    assert_eq!(
        lookups.finished(&name("a"), Ok(vec![ip(1)]), over + secs(3)),
        (vec![4], found(1))
    );
    assert_eq!(
        lookups.wait(&name("a"), 5, over + secs(3)),
        Wait::Over(5, found(1))
    );
}

#[test]
fn an_answer_that_comes_too_late_is_still_remembered() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    assert_eq!(lookups.wait(&name("a"), 1, now), Wait::Begun);
    assert_eq!(lookups.next_job(), Some(name("a")));
    assert_eq!(lookups.expired(now + secs(6)), [1]);
    assert_eq!(lookups.finished(&name("a"), Ok(vec![ip(1)]), now + secs(7)).0, []);
    assert_eq!(lookups.addresses(&name("a"), now + secs(7)), found(1).ok());
    assert_eq!(
        lookups.wait(&name("a"), 2, now + secs(7)),
        Wait::Over(2, found(1))
    );
}

#[test]
fn stuck_workers_count_and_the_queue_ends() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    let host = |number: usize| name(&format!("h{number}.test"));
    for number in 0..WORKERS + QUEUE {
        assert_eq!(lookups.wait(&host(number), number as u32, now), Wait::Begun);
        let job = lookups.next_job();
        assert_eq!(job.is_some(), number < WORKERS, "{number}");
    }
    let further = host(WORKERS + QUEUE);
    assert_eq!(
        lookups.wait(&further, 0, now),
        Wait::Over(0, Err(ResolveError::Busy))
    );
    // Nobody waits any more, and still the workers are busy.
    let over = now + PATIENCE;
    assert_eq!(lookups.expired(over).len(), WORKERS + QUEUE);
    assert_eq!(lookups.wait(&further, 0, over), Wait::Begun);
    assert_eq!(lookups.next_job(), None);
    // The first that comes back serves it.
    let _ = lookups.finished(&host(3), Err(ResolveError::Failed), over);
    assert_eq!(lookups.next_job(), Some(further));
    assert_eq!(lookups.next_job(), None);
}

#[test]
fn not_everybody_can_wait() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    for who in 0..WAITING as u32 {
        assert_eq!(lookups.wait(&name("a"), who, now), Wait::Begun);
    }
    assert_eq!(
        lookups.wait(&name("a"), 7, now),
        Wait::Over(7, Err(ResolveError::Busy))
    );
    assert_eq!(
        lookups.wait(&name("b"), 7, now),
        Wait::Over(7, Err(ResolveError::Busy))
    );
    lookups.next_job();
    let _ = lookups.finished(&name("a"), Ok(vec![ip(1)]), now);
    assert_eq!(lookups.wait(&name("b"), 7, now), Wait::Begun);
}

#[test]
fn forgotten_addresses_are_asked_for_again_unless_they_are_new() {
    let now = Instant::now();
    let mut lookups = knowing_a(now);
    lookups.forget(&name("a"), now + secs(1));
    assert_eq!(lookups.addresses(&name("a"), now + secs(1)), found(1).ok());
    lookups.forget(&name("a"), now + secs(3));
    lookups.forget(&name("b"), now + secs(3));
    assert_eq!(lookups.addresses(&name("a"), now + secs(3)), None);
    assert_eq!(lookups.wait(&name("a"), 1, now + secs(3)), Wait::Begun);
}

#[test]
fn what_is_remembered_has_an_end_and_makes_room() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    let host = |number: usize| name(&format!("h{number}.test"));
    let later = |number: usize| now + Duration::from_millis(number as u64);
    for number in 0..REMEMBERED + 10 {
        let _ = lookups.finished(&host(number), Ok(vec![ip(1)]), later(number));
        assert_eq!(lookups.addresses(&host(number), later(number)), found(1).ok());
    }
    assert_eq!(lookups.known.len(), REMEMBERED);
    // The oldest are gone.
    let now = later(REMEMBERED + 10);
    assert_eq!(lookups.addresses(&host(9), now), None);
    assert_eq!(lookups.addresses(&host(10), now), found(1).ok());
    // What nobody needs goes before that.
    let _ = lookups.finished(&host(10), Err(ResolveError::NotFound), now);
    let _ = lookups.finished(&host(0), Ok(vec![ip(1)]), now + FAILED);
    assert_eq!(lookups.addresses(&host(11), now + FAILED), found(1).ok());
    assert_eq!(lookups.known.len(), REMEMBERED);
}

#[test]
fn too_many_addresses_are_cut() {
    let many: Vec<IpAddr> = (0..1000).map(|n| Ipv4Addr::from_bits(n).into()).collect();
    assert_eq!(distinct(many.clone()).unwrap()[..], many[..ADDRESSES]);
}

#[test]
fn the_end_sends_everybody_away() {
    let (mut lookups, now) = (Test::default(), Instant::now());
    lookups.wait(&name("a"), 1, now);
    lookups.next_job();
    lookups.wait(&name("b"), 2, now);
    assert_eq!(lookups.abandon(), [1, 2]);
    assert_eq!(lookups.finished(&name("a"), Ok(vec![ip(1)]), now).0, []);
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    Wait(u8),
    Addresses(u8),
    Forget(u8),
    Job,
    Finish(u8, Result<u8, ()>),
    Pass(u16),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0u8..100).prop_map(Event::Wait),
        2 => (0u8..100).prop_map(Event::Addresses),
        1 => (0u8..100).prop_map(Event::Forget),
        4 => Just(Event::Job),
        3 => (any::<u8>(), prop_oneof![any::<u8>().prop_map(Ok), Just(Err(()))]).prop_map(|(n, r)| Event::Finish(n, r)),
        2 => (0u16..4000).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..300)
}

proptest! {
    /// Whatever happens: everybody who waits is told exactly once and within five seconds, no name is with two
    /// workers, and no limit is passed.
    #[test]
    fn nobody_is_lost_and_no_limit_is_passed(events in events()) {
        let host = |number: u8| name(&format!("h{number}.test"));
        let (mut lookups, mut now) = (Test::default(), Instant::now());
        let mut jobs: Vec<Name> = Vec::new();
        let mut waiting: BTreeSet<(u32, Instant)> = BTreeSet::new();
        let told = |waiting: &mut BTreeSet<(u32, Instant)>, who: Vec<u32>| {
            for who in who {
                let before = waiting.len();
                waiting.retain(|(other, _)| *other != who);
                assert_eq!(waiting.len() + 1, before, "{who} was told without waiting");
            }
        };
        for (number, event) in (0u32..).zip(events) {
            match event {
                Event::Wait(n) => {
                    if lookups.wait(&host(n), number, now) == Wait::Begun {
                        waiting.insert((number, now));
                    }
                }
                Event::Addresses(n) => drop(lookups.addresses(&host(n), now)),
                Event::Forget(n) => lookups.forget(&host(n), now),
                Event::Job => {
                    if let Some(job) = lookups.next_job() {
                        prop_assert!(!jobs.contains(&job));
                        jobs.push(job);
                    }
                }
                Event::Finish(n, result) if !jobs.is_empty() => {
                    let job = jobs.remove(usize::from(n) % jobs.len());
                    let result = result.map(|last| vec![ip(last)]).map_err(|()| ResolveError::NotFound);
                    told(&mut waiting, lookups.finished(&job, result, now).0);
                }
                Event::Finish(..) => {}
                Event::Pass(milliseconds) => {
                    now += Duration::from_millis(milliseconds.into());
                    told(&mut waiting, lookups.expired(now));
                    prop_assert!(lookups.next_deadline().is_none_or(|next| next > now));
                }
            }
            prop_assert!(jobs.len() <= WORKERS);
            prop_assert!(lookups.active.len() <= WORKERS + QUEUE);
            prop_assert!(waiting.iter().all(|(_, since)| now < *since + PATIENCE));
            prop_assert_eq!(lookups.waiting(), waiting.len());
        }
        told(&mut waiting, lookups.abandon());
        prop_assert!(waiting.is_empty());
    }
}
