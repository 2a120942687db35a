//! The memory of the whole box where no control group bounds it.
//!
//! A look adds up what every process has in memory, which counts shared pages too often; only when that is too much are
//! the fair shares asked for, which costs a walk over the pages. Shares are read one process after another, so that what
//! a process shares with a child of that very moment may still count twice, and a child of vfork(2) counts as a second
//! parent until it executes: a sum that is too much has to stay so before anyone is killed for it. One process that is
//! too much by itself is killed at once.

use std::time::Duration;

use super::census::{Boxed, Process};
use crate::Bytes;

/// What a box can fill in a second at most, for when to look again.
const FASTEST: u64 = 4 << 30;
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);
/// So many looks in a row make a sum certain, [`SHORTEST`] apart: no fork and few calls of execve(2) take as long.
const CERTAIN: u32 = 5;

/// The watch over one limit.
pub struct Memory {
    most: Bytes,
    pub peak: Bytes,
    /// How many processes were killed for it.
    pub killed: u64,
    doubt: Option<Doubt>,
}

/// A sum that is too much and not certain yet.
struct Doubt {
    looks: u32,
    /// The smallest of these looks: the others counted something twice.
    least: u64,
}

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
        }
    }

    /// Whether the next look must not be put off.
    pub fn doubts(&self) -> bool {
        self.doubt.is_some()
    }

    /// Kills the largest processes when there is too much, as the kernel would. Says when to look again, or nothing when
    /// the box as a whole has to end. A box that stood still since the last look (`paused`) is no more certain than then.
    pub fn look(
        &mut self,
        boxed: &Boxed,
        processes: &[Process],
        files: Bytes,
        paused: bool,
    ) -> Option<Duration> {
        let rough = files.0 + processes.iter().map(|process| process.resident).sum::<u64>();
        if rough <= self.most.0 {
            self.doubt = None;
            self.peak = self.peak.max(Bytes(rough));
            let left = (self.most.0 - rough) as f64 / FASTEST as f64;
            return Some(Duration::from_secs_f64(left).clamp(SHORTEST, LONGEST));
        }
        let share = |process: &Process| (boxed.fair_share(process), process.pid);
        match self.judge(files.0, processes.iter().map(share).collect(), paused) {
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

    fn judge(&mut self, files: u64, mut shares: Vec<(u64, u32)>, paused: bool) -> Verdict {
        let most = self.most.0;
        let used = files + shares.iter().map(|(share, _)| share).sum::<u64>();
        if used <= most {
            self.doubt = None;
            self.peak = self.peak.max(Bytes(used));
            return Verdict::Wait;
        }
        shares.sort_unstable_by(|one, two| two.cmp(one));
        let doubt = self.doubt.get_or_insert(Doubt {
            looks: 0,
            least: used,
        });
        doubt.looks += u32::from(!paused);
        doubt.least = doubt.least.min(used);
        let alone = files + shares.first().map_or(0, |(share, _)| *share);
        if alone <= most && doubt.looks < CERTAIN {
            return Verdict::Wait;
        }
        self.peak = self.peak.max(Bytes(doubt.least.max(alone)));
        self.doubt = None;
        if files > most {
            return Verdict::End;
        }
        let mut left = used;
        let too_much = shares.into_iter().take_while(|(share, _)| {
            let over = left > most;
            left -= share;
            over
        });
        Verdict::Kill(too_much.map(|(_, pid)| pid).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{CERTAIN, Memory, Verdict};
    use crate::Bytes;

    const FEW: [(u64, u32); 3] = [(30, 2), (60, 3), (50, 4)];

    #[test]
    fn a_sum_is_certain_when_it_stays() {
        let mut memory = Memory::new(Bytes(100));
        for _ in 1..CERTAIN {
            assert_eq!(memory.judge(0, FEW.to_vec(), false), Verdict::Wait);
        }
        assert_eq!((memory.peak, memory.doubts()), (Bytes(0), true));
        assert_eq!(memory.judge(0, FEW.to_vec(), false), Verdict::Kill(vec![3]));
        assert_eq!((memory.peak, memory.doubts()), (Bytes(140), false));
    }

    #[test]
    fn one_look_that_finds_less_takes_the_doubt_away() {
        let mut memory = Memory::new(Bytes(100));
        for _ in 0..CERTAIN {
            for _ in 1..CERTAIN {
                assert_eq!(memory.judge(0, FEW.to_vec(), false), Verdict::Wait);
            }
            assert_eq!(memory.judge(0, vec![(50, 3), (40, 4)], false), Verdict::Wait);
        }
        assert_eq!(memory.peak, Bytes(90));
    }

    #[test]
    fn the_peak_is_the_least_of_what_was_certain() {
        let mut memory = Memory::new(Bytes(100));
        for extra in (1..=u64::from(CERTAIN)).rev() {
            memory.judge(0, vec![(60, 3), (60 + extra, 4)], false);
        }
        assert_eq!(memory.peak, Bytes(121));
    }

    #[test]
    fn what_one_process_has_needs_no_second_look() {
        let mut memory = Memory::new(Bytes(100));
        assert_eq!(
            memory.judge(60, vec![(10, 2), (70, 3), (60, 4)], false),
            Verdict::Kill(vec![3, 4])
        );
    }

    #[test]
    fn files_stay_when_a_process_goes() {
        let mut memory = Memory::new(Bytes(100));
        assert_eq!(memory.judge(101, vec![(1, 2)], false), Verdict::End);
        assert_eq!(memory.peak, Bytes(102));
    }

    #[test]
    fn a_box_that_stands_still_makes_nothing_more_certain() {
        let mut memory = Memory::new(Bytes(100));
        for _ in 0..2 * CERTAIN {
            assert_eq!(memory.judge(0, FEW.to_vec(), true), Verdict::Wait);
        }
        assert!(memory.doubts());
    }
}
