//! When to pause the box so that its processor time stays below a cap: an allowance that grows with the time that
//! passes and shrinks with the time that is used. Debt is carried, so what one look comes too late for is paid back.

use std::time::{Duration, Instant};

use crate::Percent;

/// How much of the allowance may be saved up, as time at the cap: what an idle server may use at once.
const SAVED: f64 = 0.05;
/// Between two looks while it runs.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(50);
/// Between two while it hardly runs. What a burst takes until then is paid back within a second: see [`Throttle::rarest`].
const RAREST: Duration = Duration::from_millis(200);
/// A box hardly runs below this share of its cap.
const HARDLY: f64 = 0.1;
/// A pause; a longer debt is paid in several, with a look in between.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How many seconds of each core a box may use in one pause before that is taken for a refusal to stand still.
const EVADED: f64 = 1.0;

/// The state of one cap.
pub struct Throttle {
    cap: Percent,
    cores: f64,
    /// Seconds of processor time that may be used at once; negative is debt.
    allowance: f64,
    seen: Option<(Instant, Duration)>,
    /// What is charged already of what others have used for it.
    charged: Duration,
    /// Between two looks, longer each time that the box has hardly run.
    nap: Duration,
    pub paused: bool,
    /// Seconds of processor time that were used in this pause. Some call of the kernel may have to come to its end first.
    in_pause: f64,
}

impl Throttle {
    pub fn new(cap: Percent, cores: usize) -> Self {
        Throttle {
            cap,
            cores: cores as f64,
            allowance: 0.0,
            seen: None,
            charged: Duration::ZERO,
            nap: SHORTEST,
            paused: false,
            in_pause: 0.0,
        }
    }

    /// Whether the box does not stand still when it is told to: its processes wake each other (SIGCONT of signal(7)).
    pub fn is_evaded(&self) -> bool {
        self.in_pause > EVADED * self.cores
    }

    /// Takes the processor time that others have used so far for the box, before the next look. That does not stand still
    /// at once, and is no sign of evasion.
    pub fn charge(&mut self, used: Duration) {
        self.allowance -= used.saturating_sub(self.charged).as_secs_f64();
        self.charged = self.charged.max(used);
    }

    /// Takes the processor time used so far; says when to look again. `paused` is what the box should be from now on.
    pub fn look(&mut self, now: Instant, used: Duration) -> Duration {
        let cap = f64::from(self.cap.0) / 100.0;
        if let Some((before, used_before)) = self.seen {
            let passed = now.saturating_duration_since(before).as_secs_f64();
            let used = used.saturating_sub(used_before).as_secs_f64();
            self.allowance = (self.allowance + passed * cap - used).min(SAVED * cap);
            self.in_pause = if self.paused { self.in_pause + used } else { 0.0 };
            self.nap = match !self.paused && used < passed * cap * HARDLY {
                true => (self.nap * 2).min(self.rarest()),
                false => SHORTEST,
            };
        }
        self.seen = Some((now, used));
        self.paused = self.allowance < 0.0;
        if self.paused {
            let debt = Duration::from_secs_f64(-self.allowance / cap);
            return debt.clamp(Duration::from_millis(1), LONGEST_PAUSE);
        }
        let spare = (self.cores - cap).max(0.01);
        let nap = Duration::from_secs_f64(self.allowance / spare).clamp(SHORTEST, LONGEST);
        nap.max(self.nap)
    }

    /// In which all cores together can use what the cap gives in a second.
    fn rarest(&self) -> Duration {
        let cap = f64::from(self.cap.0) / 100.0;
        Duration::from_secs_f64(cap / self.cores).clamp(SHORTEST, RAREST)
    }
}

#[cfg(test)]
mod tests {
    use super::Throttle;
    use crate::Percent;
    use std::time::{Duration, Instant};

    /// Runs busy loops on `cores` for `seconds`; the processor time they get.
    fn busy(cap: u32, cores: u32, seconds: u64) -> Duration {
        let start = Instant::now();
        let (mut now, mut used) = (start, Duration::ZERO);
        let mut throttle = Throttle::new(Percent(cap), cores as usize);
        while now - start < Duration::from_secs(seconds) {
            let wait = throttle.look(now, used);
            if !throttle.paused {
                used += wait * cores;
            }
            now += wait;
        }
        used
    }

    #[test]
    fn the_cap_holds_within_a_tenth_over_two_seconds() {
        for (cap, cores) in [(10, 1), (10, 8), (50, 1), (50, 2), (150, 2), (300, 8)] {
            let used = busy(cap, cores, 2).as_secs_f64();
            let fair = 2.0 * f64::from(cap) / 100.0;
            // The last look may come after as long as one slice on every core.
            assert!(
                (used - fair).abs() <= fair * 0.1 + 0.01 * f64::from(cores),
                "{cap}% on {cores}: {used}"
            );
        }
    }

    #[test]
    fn a_box_that_hardly_runs_is_looked_at_rarely_and_its_burst_is_paid_back() {
        for (cap, cores, rarest) in [(10, 8, 12), (50, 2, 200), (150, 2, 200), (20, 4, 50)] {
            let mut now = Instant::now();
            let mut throttle = Throttle::new(Percent(cap), cores as usize);
            let mut wait = Duration::ZERO;
            for _ in 0..20 {
                wait = throttle.look(now, Duration::ZERO);
                assert!(!throttle.paused);
                now += wait;
            }
            assert_eq!(wait.as_millis(), rarest, "{cap}% on {cores}");
            // The burst begins right after a look.
            let (start, mut used) = (now - wait, wait * cores);
            while now - start < Duration::from_secs(2) {
                let wait = throttle.look(now, used);
                if !throttle.paused {
                    used += wait * cores;
                }
                now += wait;
            }
            let fair = 2.0 * f64::from(cap) / 100.0;
            let most = fair * 1.1 + 0.01 * f64::from(cores);
            let used = used.as_secs_f64();
            assert!(used <= most, "{cap}% on {cores}: {used}");
        }
    }

    #[test]
    fn a_box_that_runs_on_in_its_pauses_is_found_out() {
        for cores in [1, 2, 16] {
            let (start, mut now, mut used) = (Instant::now(), Instant::now(), Duration::ZERO);
            let mut throttle = Throttle::new(Percent(50), cores);
            while !throttle.is_evaded() {
                assert!(now - start < Duration::from_secs(3));
                let wait = throttle.look(now, used);
                used += wait * cores as u32;
                now += wait;
            }
            assert!(throttle.paused && now - start > Duration::from_secs(1));
        }
    }

    /// A machine that stood still itself, or a call of the kernel that had to come to its end.
    #[test]
    fn what_is_used_once_is_a_debt_and_no_refusal() {
        let (mut now, mut used) = (Instant::now(), Duration::ZERO);
        let mut throttle = Throttle::new(Percent(50), 2);
        for (passed, more) in [(0, 0), (10_000, 20_000), (50, 0), (250, 400), (250, 0)] {
            now += Duration::from_millis(passed);
            used += Duration::from_millis(more);
            throttle.look(now, used);
            assert!(!throttle.is_evaded());
        }
        assert!(throttle.paused);
    }

    #[test]
    fn what_others_do_for_it_is_its_own() {
        let (start, mut now) = (Instant::now(), Instant::now());
        let mut throttle = Throttle::new(Percent(20), 2);
        let mut used = Duration::ZERO;
        while now - start < Duration::from_secs(10) {
            throttle.charge(used * 3);
            let wait = throttle.look(now, used);
            assert!(!throttle.is_evaded());
            if !throttle.paused {
                used += wait / 4;
            }
            now += wait;
        }
        // A fourth of 20 %.
        assert!((used.as_secs_f64() - 0.5).abs() < 0.05, "{used:?}");
    }

    #[test]
    fn a_box_below_its_cap_is_never_paused() {
        let start = Instant::now();
        let (mut now, mut used) = (start, Duration::ZERO);
        let mut throttle = Throttle::new(Percent(50), 2);
        while now - start < Duration::from_secs(5) {
            let wait = throttle.look(now, used);
            assert!(!throttle.paused);
            used += wait.mul_f64(0.4);
            now += wait;
        }
    }
}
