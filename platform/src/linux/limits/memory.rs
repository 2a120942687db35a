//! The memory of the whole box where no control group bounds it.
//!
//! A look adds up what every process has in memory, which counts shared pages too often; only when that is too much are
//! the fair shares asked for, which costs a walk over the pages. Shares are read one process after another, and a child
//! of vfork(2) looks like a second parent until it executes: a sum that is too much has to stay so for a moment before
//! anyone is killed for it. One process that is too much by itself is killed at once.

use std::time::{Duration, Instant};

use super::super::sys;
use super::census::{Boxed, Process};
use crate::Bytes;

/// What a box can fill in a second at most, for when to look again.
const FASTEST: u64 = 4 << 30;
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);
/// For so long, and in so many looks, a sum has to be too much: no fork and few calls of execve(2) take as long.
const CERTAIN: Duration = Duration::from_millis(40);
const LOOKS: u32 = 3;
/// Walks that find enough room take no more than this share of a core, one in so many parts, as long as that does not put
/// the next one off by more than this.
const SHARE: u32 = 20;
const LATEST: Duration = Duration::from_millis(500);

/// The watch over one limit.
pub struct Memory {
    most: Bytes,
    pub peak: Bytes,
    /// How many processes were killed for it.
    pub killed: u64,
    doubt: Option<Doubt>,
    room: Option<Room>,
}

/// A sum that is too much and not certain yet.
struct Doubt {
    since: Instant,
    looks: u32,
    /// The smallest of these looks: the others counted something twice.
    least: u64,
}

/// What the last walk found, while nothing else has to be asked.
struct Room {
    until: Instant,
    /// The rough sum that leaves no room any more.
    most: u64,
}

/// The share of one process in what the box has, in bytes, and its number in the box.
type Share = (u64, u32);

/// What is to be done about the memory of a box.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    /// These processes, by their numbers in the box.
    Kill(Vec<u32>),
    /// Files stay when a process goes.
    End,
}

impl Memory {
    pub fn new(most: Bytes) -> Self {
        Memory {
            most,
            peak: Bytes(0),
            killed: 0,
            doubt: None,
            room: None,
        }
    }

    /// Whether the next look must not be put off, and the box has to go on until then.
    pub fn doubts(&self) -> bool {
        self.doubt.is_some()
    }

    /// Kills the largest processes when there is too much, as the kernel would. Says when to look again, or nothing when
    /// the box as a whole has to end.
    pub fn look(
        &mut self,
        boxed: &Boxed,
        processes: &[Process],
        files: Bytes,
        now: Instant,
    ) -> Option<Duration> {
        let rough = files.0 + processes.iter().map(|process| process.memory.all()).sum::<u64>();
        if rough <= self.most.0 {
            (self.doubt, self.room) = (None, None);
            self.peak = self.peak.max(Bytes(rough));
            let left = (self.most.0 - rough) as f64 / FASTEST as f64;
            return Some(Duration::from_secs_f64(left).clamp(SHORTEST, LONGEST));
        }
        let room = self.room.as_ref();
        if room.is_some_and(|room| now < room.until && rough <= room.most) {
            return Some(SHORTEST);
        }
        let before = sys::own_time();
        let shares = self.shares(boxed, processes, files.0);
        let cost = sys::own_time().saturating_sub(before);
        let left = self.most.0.checked_sub(sum(files.0, &shares));
        self.room = left.map(|left| Room {
            until: now + (cost * SHARE).min(LATEST),
            most: rough + left,
        });
        match self.judge(files.0, shares, now) {
            Verdict::End => return None,
            Verdict::Kill(pids) => {
                self.killed += pids
                    .into_iter()
                    .map(|pid| u64::from(boxed.kill(pid)))
                    .sum::<u64>();
            }
            Verdict::Wait => {}
        }
        Some(SHORTEST)
    }

    /// Fair shares, without the files in memory that processes have mapped where that makes a difference.
    fn shares(&self, boxed: &Boxed, processes: &[Process], files: u64) -> Vec<Share> {
        let fair = processes
            .iter()
            .map(|process| (boxed.fair_share(process), process));
        let fair: Vec<_> = fair.collect();
        let all = fair.iter().map(|(share, process)| (share.all(), process.pid));
        let all: Vec<Share> = all.collect();
        if files == 0 || sum(files, &all) <= self.most.0 {
            return all;
        }
        let without_files = fair.into_iter().map(|(share, process)| {
            let shared = (share.shared > 0).then(|| boxed.without_files(process)).flatten();
            (share.own + shared.unwrap_or(share.shared), process.pid)
        });
        without_files.collect()
    }

    fn judge(&mut self, files: u64, mut shares: Vec<Share>, now: Instant) -> Verdict {
        let most = self.most.0;
        let used = sum(files, &shares);
        if used <= most {
            self.doubt = None;
            self.peak = self.peak.max(Bytes(used));
            return Verdict::Wait;
        }
        shares.sort_unstable_by(|one, two| two.cmp(one));
        let doubt = self.doubt.get_or_insert(Doubt {
            since: now,
            looks: 0,
            least: used,
        });
        doubt.looks += 1;
        doubt.least = doubt.least.min(used);
        let certain = doubt.looks >= LOOKS && now >= doubt.since + CERTAIN;
        let alone = files + shares.first().map_or(0, |(share, _)| *share);
        if alone <= most && !certain {
            return Verdict::Wait;
        }
        self.peak = self.peak.max(Bytes(doubt.least));
        self.doubt = None;
        if files > most {
            return Verdict::End;
        }
        let mut left = used;
        let mut too_much = Vec::new();
        for (share, pid) in shares {
            if left <= most {
                break;
            }
            left -= share;
            too_much.push(pid);
        }
        Verdict::Kill(too_much)
    }
}

fn sum(files: u64, shares: &[Share]) -> u64 {
    files + shares.iter().map(|(share, _)| share).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::{CERTAIN, LOOKS, Memory, Verdict};
    use crate::Bytes;
    use std::time::{Duration, Instant};

    const FEW: [(u64, u32); 3] = [(30, 2), (60, 3), (50, 4)];

    /// One more look at shares that are too much, so long after the first.
    fn look(memory: &mut Memory, start: Instant, after: Duration) -> Verdict {
        memory.judge(0, FEW.to_vec(), start + after)
    }

    #[test]
    fn a_sum_is_certain_when_it_stays() {
        let (start, mut memory) = (Instant::now(), Memory::new(Bytes(100)));
        for after in [Duration::ZERO, CERTAIN / 4, CERTAIN / 3, CERTAIN / 2] {
            assert_eq!(look(&mut memory, start, after), Verdict::Wait);
        }
        assert_eq!((memory.peak, memory.doubts()), (Bytes(0), true));
        assert_eq!(look(&mut memory, start, CERTAIN), Verdict::Kill(vec![3]));
        assert_eq!((memory.peak, memory.doubts()), (Bytes(140), false));
    }

    #[test]
    fn two_looks_however_far_apart_are_not_enough() {
        let (start, mut memory) = (Instant::now(), Memory::new(Bytes(100)));
        for number in 1..LOOKS {
            assert_eq!(look(&mut memory, start, CERTAIN * number), Verdict::Wait);
        }
        assert_ne!(look(&mut memory, start, CERTAIN * LOOKS), Verdict::Wait);
    }

    #[test]
    fn one_look_that_finds_less_takes_the_doubt_away() {
        let (start, mut memory) = (Instant::now(), Memory::new(Bytes(100)));
        for number in 0..10 {
            assert_eq!(look(&mut memory, start, CERTAIN * (2 * number)), Verdict::Wait);
            assert_eq!(
                look(&mut memory, start, CERTAIN * (2 * number + 1)),
                Verdict::Wait
            );
            assert_eq!(memory.judge(0, vec![(50, 3), (40, 4)], start), Verdict::Wait);
        }
        assert_eq!(memory.peak, Bytes(90));
    }

    #[test]
    fn the_peak_is_the_least_of_what_was_certain() {
        let (start, mut memory) = (Instant::now(), Memory::new(Bytes(100)));
        for number in 0..LOOKS {
            let shares = vec![(60, 3), (70 - u64::from(number), 4)];
            memory.judge(0, shares, start + CERTAIN * number);
        }
        assert_eq!(memory.peak, Bytes(130 - u64::from(LOOKS - 1)));
    }

    #[test]
    fn what_one_process_has_needs_no_second_look() {
        let mut memory = Memory::new(Bytes(100));
        assert_eq!(
            memory.judge(60, vec![(10, 2), (70, 3), (60, 4)], Instant::now()),
            Verdict::Kill(vec![3, 4])
        );
    }

    #[test]
    fn files_stay_when_a_process_goes() {
        let mut memory = Memory::new(Bytes(100));
        assert_eq!(memory.judge(101, vec![(1, 2)], Instant::now()), Verdict::End);
        assert_eq!(memory.peak, Bytes(102));
    }
}
