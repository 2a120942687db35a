//! Everything about the limits that one run needs: the groups before the box, the looks while it lives, the account after.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::super::sys;
use super::census::Boxed;
use super::choice::{Enforcement, Means};
use super::clock::{Idle, Timeout};
use super::disk::{self, Disk};
use super::group::{Group, Numbers};
use super::memory::Memory;
use super::spent::Spent;
use super::throttle::Throttle;
use crate::{Bytes, Hit, Kind, Usage};

/// How long the supervisor sleeps when it only keeps count for the account.
const COUNT: Duration = Duration::from_secs(2);
/// Between two counts of processes and threads where the supervisor alone bounds them.
const OFTEN: Duration = Duration::from_millis(10);
/// A look takes no more than this share of a core, one in so many parts, as long as it is not put off longer than this.
const SHARE: u32 = 400;
const LATEST: Duration = Duration::from_millis(50);

/// What the supervisor has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Nothing,
    /// Ask the server to end, then end the box.
    Stop,
    /// End the box at once.
    Kill,
}

/// The limits of one run.
pub struct Watcher {
    enforcement: Enforcement,
    group: Option<Group>,
    boxed: Option<Arc<Boxed>>,
    start: Instant,
    timeout: Option<Timeout>,
    idle: Option<Idle>,
    disk: Option<(Disk, Instant)>,
    memory: Option<Memory>,
    throttle: Option<Throttle>,
    spent: Spent,
    /// The processor time of the thread that makes calls for the box.
    broker: Option<ClockId>,
    /// When the processes of the box are looked at next.
    next: Instant,
    most_tasks: u32,
    most_memory: Bytes,
    /// What a look saw of processor time and bytes written: the kernel forgets both of processes that end with init.
    seen: (Duration, u64),
    /// What the box was ended for.
    ended_for: Option<Kind>,
}

/// What could not be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprepared {
    pub kind: Kind,
    pub why: Why,
}

/// Who refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Kernel(i32),
    /// systemd, by the name of an error or in words.
    Manager(String),
}

impl Watcher {
    /// Makes the groups and begins to listen. The process has one thread.
    ///
    /// # Errors
    /// A group that the host said could be made and cannot, or a stream that cannot be listened to.
    pub fn prepare(enforcement: &Enforcement) -> Result<Self, Unprepared> {
        let watch = &enforcement.watch;
        let refused = |kind| {
            move |errno: nix::errno::Errno| Unprepared {
                kind,
                why: Why::Kernel(errno as i32),
            }
        };
        let idle = watch
            .idle
            .map(Idle::new)
            .transpose()
            .map_err(refused(Kind::Idle))?;
        let group = enforcement.group.as_ref().map(Group::make).transpose();
        let disk = watch.disk.map(|most| Disk::new(most, &watch.writable));
        let disk = disk.transpose().map_err(refused(Kind::Disk))?.flatten();
        let now = Instant::now();
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Ok(Watcher {
            group: group.map_err(of_group)?,
            boxed: None,
            start: now,
            timeout: watch.timeout.map(Timeout::new),
            idle,
            disk: disk.map(|disk| (disk, now + 5 * OFTEN)),
            memory: watch.memory.map(Memory::new),
            throttle: watch.cpu.map(|cap| Throttle::new(cap, cores)),
            spent: Spent::default(),
            broker: None,
            next: now,
            most_tasks: 0,
            most_memory: Bytes(0),
            seen: (Duration::ZERO, 0),
            ended_for: None,
            enforcement: enforcement.clone(),
        })
    }

    /// The group that init starts in.
    pub fn to_start_in(&self) -> Option<BorrowedFd<'_>> {
        self.group.as_ref().and_then(Group::to_start_in)
    }

    /// The groups that init has to join.
    ///
    /// # Errors
    /// A group cannot be opened.
    pub fn to_join(&self) -> Result<Vec<OwnedFd>, Unprepared> {
        let groups = self.group.as_ref().map(Group::to_join).transpose();
        groups.map(Option::unwrap_or_default).map_err(of_group)
    }

    /// Bounds init, which does nothing yet.
    ///
    /// # Errors
    /// The group does not take it.
    pub fn admit(&mut self, init: Pid) -> Result<(), Unprepared> {
        match &mut self.group {
            Some(group) => group.admit(init).map_err(of_group),
            None => Ok(()),
        }
    }

    /// Takes the root of the box, where its processes are seen.
    pub fn see(&mut self, root: OwnedFd) {
        self.boxed = Some(Arc::new(Boxed::new(root, self.memory.is_some())));
        self.next = Instant::now() + OFTEN;
    }

    /// Takes the clock of the thread that makes calls for the box: they are the box's own doing.
    pub fn serve(&mut self, broker: Option<ClockId>) {
        self.broker = broker;
    }

    /// When to look again.
    pub fn due(&self, now: Instant) -> Instant {
        let naps = [
            self.timeout.as_ref().map(|timeout| now + timeout.nap()),
            self.idle.as_ref().map(|idle| now + idle.nap(now)),
            self.disk.as_ref().map(|(_, next)| *next),
            Some(self.next),
        ];
        naps.into_iter().flatten().min().unwrap_or(self.next)
    }

    /// Whether the box is to stand still until the next look.
    pub fn paused(&self) -> bool {
        self.throttle.as_ref().is_some_and(|throttle| throttle.paused)
    }

    /// Looks at whatever is due. A box that is ending already is not ended once more.
    pub fn look(&mut self) -> Order {
        let now = Instant::now();
        let over = self.clocks(now).or_else(|| self.disk(now));
        let over = over.or_else(|| {
            if self.next <= now {
                self.look_inside(now)
            } else {
                None
            }
        });
        if self.ended_for.is_some() {
            return Order::Nothing;
        }
        self.ended_for = over;
        match over {
            None => Order::Nothing,
            Some(Kind::Timeout | Kind::Idle) => Order::Stop,
            Some(_) => Order::Kill,
        }
    }

    /// Looks once more before the box is killed.
    pub fn look_back(&mut self) {
        if let Some(boxed) = &self.boxed {
            let processes = boxed.processes();
            let times = processes.iter().map(|process| process.own + process.children);
            let used = times.sum::<Duration>() + boxed.collected();
            self.seen = (used.max(self.spent.total()), boxed.written(&processes));
        }
    }

    fn clocks(&mut self, now: Instant) -> Option<Kind> {
        if self.timeout.take_if(|timeout| timeout.left().is_zero()).is_some() {
            return Some(Kind::Timeout);
        }
        self.idle
            .take_if(|idle| idle.left(now).is_zero())
            .map(|_| Kind::Idle)
    }

    fn disk(&mut self, now: Instant) -> Option<Kind> {
        let (disk, next) = self.disk.as_mut().filter(|(_, next)| *next <= now)?;
        let (passed, later) = disk::look(disk, self.boxed.as_ref(), now);
        *next = later;
        passed.then_some(Kind::Disk)
    }

    /// The processes of the box; which limit it passed, if it has to end.
    fn look_inside(&mut self, now: Instant) -> Option<Kind> {
        if let Some(group) = &mut self.group {
            group.numbers();
        }
        let Some(boxed) = &self.boxed else {
            self.next = now + COUNT;
            return None;
        };
        let before = sys::own_time();
        let processes = boxed.processes();
        let tasks = processes.iter().map(|process| process.tasks).sum();
        self.most_tasks = self.most_tasks.max(tasks);
        let mut nap = COUNT;
        let mut over = None;
        if let Some(memory) = &mut self.memory {
            let files = boxed.in_files(&self.enforcement.watch.private);
            match memory.look(boxed, &processes, files, now) {
                Some(wait) => nap = nap.min(wait),
                None => over = Some(Kind::Memory),
            }
            self.most_memory = self.most_memory.max(memory.peak);
        }
        if let Some(throttle) = &mut self.throttle {
            let (used, changed) = self.spent.add(&processes, boxed.collected());
            let served = self.broker.and_then(|clock| clock_gettime(clock).ok());
            throttle.charge(served.map_or(Duration::ZERO, Duration::from));
            nap = nap.min(throttle.look(now, used));
            // In doubt about its memory the box goes on; what it uses meanwhile is a debt.
            throttle.paused &= !self.memory.as_ref().is_some_and(Memory::doubts);
            // Of a process that ends between two looks, and that nobody waits for, nothing is seen.
            if changed && !throttle.paused {
                nap = nap.min(OFTEN);
            }
            over = over.or(throttle.is_evaded().then_some(Kind::Cpu));
        }
        if let Some(most) = self.enforcement.watch.processes {
            nap = nap.min(OFTEN);
            over = over.or((tasks > most).then_some(Kind::Processes));
        }
        // Looking stays cheap, but never so rare that a box close to its limit runs far beyond. A pause ends in time.
        let urgent = self.paused() || self.memory.as_ref().is_some_and(Memory::doubts);
        let cheap = match urgent {
            true => Duration::ZERO,
            false => sys::own_time().saturating_sub(before) * SHARE,
        };
        self.next = now + nap.max(cheap.min(LATEST));
        over
    }

    /// The account of a box that has ended: its init must have been waited for.
    pub fn finish(mut self) -> Account {
        let numbers = self.group.as_mut().map(Group::numbers).unwrap_or_default();
        let rusage = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
        let seconds = |time: TimeVal| {
            Duration::from_secs(time.tv_sec().max(0) as u64)
                + Duration::from_micros(time.tv_usec().max(0) as u64)
        };
        // The unit of blocks is 512 bytes, that of the largest process 1 KiB (getrusage(2)).
        let largest = rusage.map_or(0, |usage| usage.max_rss().max(0) as u64 * 1024);
        let sampled = self.most_memory.max(Bytes(largest));
        let counted = self.most_tasks.max(1);
        let usage = Usage {
            memory: Some(numbers.memory.unwrap_or(sampled)),
            cpu: rusage
                .map_or(Duration::ZERO, |usage| {
                    seconds(usage.user_time()) + seconds(usage.system_time())
                })
                .max(self.seen.0),
            processes: Some(
                numbers
                    .processes
                    .map_or(counted, |count| count.saturating_sub(1).max(1)),
            ),
            written: Bytes(
                rusage
                    .map_or(0, |usage| usage.block_writes().max(0) as u64 * 512)
                    .max(self.seen.1),
            ),
            wall: self.start.elapsed(),
        };
        let hits = self.hits(&numbers, &usage);
        Account {
            usage,
            hits,
            timed_out: matches!(self.ended_for, Some(Kind::Timeout | Kind::Idle)),
        }
    }

    fn hits(&self, numbers: &Numbers, usage: &Usage) -> Vec<Hit> {
        let killed = numbers.killed + self.memory.as_ref().map_or(0, |memory| memory.killed);
        let hits = self.enforcement.chosen.iter().filter_map(|chosen| {
            let ended = self.ended_for == Some(chosen.kind);
            let tasks = usage.processes.unwrap_or(0);
            // A rlimit tells nobody that it held; that there never was room for one more says it too.
            let full = chosen.by == Means::Rlimit && chosen.value == tasks.to_string();
            let (met, effect) = match chosen.kind {
                Kind::Memory => (killed > 0, counted(killed, "process", "killed")),
                Kind::Processes => (
                    numbers.refused > 0 || full,
                    match numbers.refused {
                        0 => "more could not be made".into(),
                        refused => counted(refused, "more", "could not be made"),
                    },
                ),
                _ => (false, String::new()),
            };
            let peak = match chosen.kind {
                Kind::Memory => usage.memory.map(about),
                Kind::Processes => Some(tasks.to_string()),
                Kind::Disk => self.disk.as_ref().map(|(disk, _)| about(disk.peak)),
                _ => None,
            };
            (ended || met).then(|| Hit {
                kind: chosen.kind,
                value: chosen.value.clone(),
                peak,
                effect: if ended {
                    "the server was ended".into()
                } else {
                    effect
                },
                reason: chosen.reason.clone(),
                ended,
            })
        });
        hits.collect()
    }
}

/// What a run used, and the limits that it reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub usage: Usage,
    pub hits: Vec<Hit>,
    /// The box was ended because its time was over.
    pub timed_out: bool,
}

fn of_group(error: std::io::Error) -> Unprepared {
    use std::io::ErrorKind;
    let why = match (error.kind(), error.raw_os_error()) {
        // Of the socket that we ask on: its time to wait was over.
        (ErrorKind::WouldBlock | ErrorKind::TimedOut, _) => {
            Why::Manager("systemd's manager does not answer in time".into())
        }
        (_, Some(errno)) => Why::Kernel(errno),
        (_, None) => Why::Manager(format!("systemd's manager answers \"{error}\"")),
    };
    Unprepared {
        kind: Kind::Memory,
        why,
    }
}

fn counted(number: u64, what: &str, happened: &str) -> String {
    let plural = match (number, what) {
        (1, _) | (_, "more") => "",
        _ => "es",
    };
    format!("{number} {what}{plural} {happened}")
}

/// A measured size: nobody wants its last digits.
fn about(size: Bytes) -> String {
    match size.0 {
        0..1_000_000 => format!("{}KB", size.0.div_ceil(1000)),
        bytes => format!("{}MB", bytes.div_ceil(1_000_000)),
    }
}
