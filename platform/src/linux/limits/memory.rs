//! The memory of the whole box where no control group bounds it.
//!
//! A look adds up what every process has in memory, which counts shared pages too often; only when that is too much are
//! the fair shares asked for, which costs a walk over the pages.

use std::time::Duration;

use super::census::{Boxed, Process};
use crate::Bytes;

/// What a box can fill in a second at most, for when to look again.
const FASTEST: u64 = 4 << 30;
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// The watch over one limit.
pub struct Memory {
    most: Bytes,
    pub peak: Bytes,
    /// How many processes were killed for it.
    pub killed: u64,
}

impl Memory {
    pub fn new(most: Bytes) -> Self {
        Memory {
            most,
            peak: Bytes(0),
            killed: 0,
        }
    }

    /// Kills the largest processes when there is too much, as the kernel would. Says when to look again, or nothing when
    /// the box as a whole has to end: files stay when a process goes.
    pub fn look(&mut self, boxed: &Boxed, processes: &[Process], files: Bytes) -> Option<Duration> {
        let rough = files.0 + processes.iter().map(|process| process.resident).sum::<u64>();
        if rough <= self.most.0 {
            self.peak = self.peak.max(Bytes(rough));
            let left = (self.most.0 - rough) as f64 / FASTEST as f64;
            return Some(Duration::from_secs_f64(left).clamp(SHORTEST, LONGEST));
        }
        let share = |process: &Process| {
            (
                boxed.fair_share(process.pid).unwrap_or(process.resident),
                process.pid,
            )
        };
        let shares: Vec<(u64, u32)> = processes.iter().map(share).collect();
        let used = files.0 + shares.iter().map(|(share, _)| share).sum::<u64>();
        self.peak = self.peak.max(Bytes(used));
        if used <= self.most.0 {
            return Some(SHORTEST);
        }
        if files > self.most {
            return None;
        }
        let mut shares = shares;
        shares.sort_unstable_by(|one, two| two.cmp(one));
        let mut left = used;
        for (share, pid) in shares {
            if left <= self.most.0 {
                break;
            }
            left -= share;
            self.killed += u64::from(boxed.kill(pid));
        }
        Some(SHORTEST)
    }
}
