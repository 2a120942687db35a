//! What the whole box has used of processor time, where no control group counts it.
//!
//! The kernel keeps the time of a process that has ended only where somebody waits for it, with its parent. So each
//! process is followed by itself: what it has used until the last look that saw it stays used.

use std::collections::HashMap;
use std::time::Duration;

use super::census::Process;

/// The account of one box.
#[derive(Default)]
pub struct Spent {
    total: Duration,
    last: HashMap<(u32, u64), Times>,
    collected: Duration,
    /// What was counted of processes that have ended, and is still to come from those who have waited for them: the kernel
    /// shows a parent's time in whole ticks.
    ahead: Duration,
}

/// A parent's time is shown as two numbers, each rounded down.
const ROUNDED: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Default)]
struct Times {
    own: Duration,
    children: Duration,
}

impl Spent {
    pub fn total(&self) -> Duration {
        self.total
    }

    /// Takes what a look saw: the processes, and the time of those that init has waited for. Says what is used by now,
    /// and whether processes have come or gone since the last look.
    pub fn add(&mut self, processes: &[Process], collected: Duration) -> (Duration, bool) {
        let mut gone = std::mem::take(&mut self.last);
        let mut waited_for = collected.saturating_sub(self.collected);
        self.collected = self.collected.max(collected);
        let mut come = false;
        for process in processes {
            let before = gone.remove(&(process.pid, process.since));
            come |= before.is_none();
            let before = before.unwrap_or_default();
            // A process is shown in hundredths of a second while it has several threads, and exactly while it has one.
            let now = Times {
                own: process.own.max(before.own),
                children: process.children.max(before.children),
            };
            self.total += now.own - before.own;
            waited_for += now.children - before.children;
            self.last.insert((process.pid, process.since), now);
        }
        // Of those that were waited for, what earlier looks saw is counted already.
        let counted: Duration = gone.values().map(|times| times.own + times.children).sum();
        let expected = counted + self.ahead;
        self.total += waited_for.saturating_sub(expected);
        let parents = processes.len() as u32 + 1;
        self.ahead = expected.saturating_sub(waited_for).min(ROUNDED * parents);
        (self.total, come || !gone.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::Spent;
    use crate::linux::limits::census::{Memory, Process};
    use std::time::Duration;

    fn process(pid: u32, own: u64, children: u64) -> Process {
        Process {
            pid,
            since: 7,
            own: ms(own),
            children: ms(children),
            tasks: 1,
            thread: pid,
            memory: Memory::default(),
        }
    }

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn what_is_waited_for_counts_once() {
        let mut spent = Spent::default();
        assert_eq!(spent.add(&[process(2, 5, 0)], ms(0)), (ms(5), true));
        let two = [process(2, 5, 0), process(3, 100, 0)];
        assert_eq!(spent.add(&two, ms(0)), (ms(105), true));
        assert_eq!(spent.add(&two, ms(0)), (ms(105), false));
        // Its last 20 ms nobody saw.
        assert_eq!(spent.add(&[process(2, 6, 120)], ms(0)), (ms(126), true));
        // Begun and ended between two looks; the second was init's to wait for.
        assert_eq!(spent.add(&[process(2, 6, 150)], ms(10)), (ms(166), false));
    }

    /// Two milliseconds each, and a tick of the parent's after five of them.
    #[test]
    fn what_short_children_use_counts_once() {
        let mut spent = Spent::default();
        for pid in 10..510 {
            let ticks = u64::from(pid - 10) * 2 / 10 * 10;
            spent.add(&[process(2, 0, ticks), process(pid, 2, 0)], ms(0));
        }
        assert!(spent.total <= ms(1010), "{:?}", spent.total);
    }

    #[test]
    fn what_nobody_waits_for_stays_used() {
        let mut spent = Spent::default();
        for pid in 3..10 {
            let used = spent.add(&[process(2, 0, 0), process(pid, 90, 0)], ms(0));
            assert_eq!(used, (ms(90) * (pid - 2), true));
        }
    }

    /// With a second thread a process shows the time of all that have ended, without one that of the first alone.
    #[test]
    fn threads_that_have_ended_count_once() {
        let mut spent = Spent::default();
        for own in [3000, 60, 3010, 60, 3010] {
            spent.add(&[process(2, own, 0)], ms(0));
        }
        assert_eq!(spent.total, ms(3010));
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let mut spent = Spent::default();
        spent.add(&[process(2, 80, 0)], ms(0));
        let again = Process {
            since: 8,
            ..process(2, 30, 0)
        };
        assert_eq!(spent.add(&[again], ms(0)), (ms(110), true));
    }
}
