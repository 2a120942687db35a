//! The time limits: since the start, and since the last byte on stdin or stdout.
//!
//! The streams are the client's own and bytes pass without us. inotify(7) tells of reads and writes without holding
//! the stream open, so that either side still sees the other close it; while nobody asks, the kernel merges all
//! writes into one waiting event.

use std::os::fd::{AsFd, AsRawFd as _};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::fstat;
use nix::time::{ClockId, clock_gettime};

use super::super::terminal;

/// How long a timer sleeps at most: after the machine has slept, the time limit is seen this late.
const NAP: Duration = Duration::from_secs(15);

/// A limit since the start. The time that the machine sleeps counts: it passes on the wall.
pub struct Timeout {
    end: Duration,
}

impl Timeout {
    pub fn new(limit: Duration) -> Self {
        Timeout {
            end: since_boot() + limit,
        }
    }

    /// The time left; zero when it is over.
    pub fn left(&self) -> Duration {
        self.end.saturating_sub(since_boot())
    }

    pub fn nap(&self) -> Duration {
        self.left().min(NAP)
    }
}

/// CLOCK_BOOTTIME, which goes on while the machine sleeps (clock_gettime(2)).
fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// A limit since the last traffic. The time that the machine sleeps does not count: nobody could have spoken.
pub struct Idle {
    limit: Duration,
    traffic: Inotify,
    last: Instant,
}

impl Idle {
    /// Begins to listen to our stdin and stdout, which the server inherits.
    ///
    /// # Errors
    /// EACCES for a stream that belongs to another user, EMFILE when the user has too many listeners.
    pub fn new(limit: Duration) -> nix::Result<Self> {
        let traffic = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        listen(&traffic, std::io::stdin())?;
        listen(&traffic, std::io::stdout())?;
        Ok(Idle {
            limit,
            traffic,
            last: Instant::now(),
        })
    }

    /// The time left if nothing more is said; zero when it is over. Traffic is dated to when it is looked for.
    pub fn left(&mut self, now: Instant) -> Duration {
        if self.spoken() {
            self.last = now;
        }
        (self.last + self.limit).saturating_duration_since(now)
    }

    /// How long until the next look, so that the limit holds within a sixteenth.
    pub fn nap(&self, now: Instant) -> Duration {
        let left = (self.last + self.limit).saturating_duration_since(now);
        let step = (self.limit / 16).clamp(Duration::from_millis(5), Duration::from_secs(60));
        left.clamp(Duration::from_millis(1), step)
    }

    fn spoken(&self) -> bool {
        // All that the kernel keeps (fs.inotify.max_queued_events), and no more: a server can speak faster than we listen.
        const MOST_READS: usize = 128;
        let reads = (0..MOST_READS).map(|_| self.traffic.read_events());
        let spoken = reads.take_while(|read| read.as_ref().is_ok_and(|events| !events.is_empty()));
        spoken.count() > 0
    }
}

/// Devices but terminals are left out: everybody reads and writes /dev/null.
fn listen(traffic: &Inotify, stream: impl AsFd) -> nix::Result<()> {
    let fd = stream.as_fd();
    let kind = fstat(fd)?.st_mode & libc::S_IFMT;
    let spoken_through = matches!(kind, libc::S_IFIFO | libc::S_IFSOCK | libc::S_IFREG);
    if !spoken_through && !terminal::is_terminal(fd) {
        return Ok(());
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = AddWatchFlags::IN_ACCESS | AddWatchFlags::IN_MODIFY;
    match traffic.add_watch(path.as_str(), flags) {
        Err(Errno::ENOENT) => Err(Errno::EACCES),
        other => other.map(drop),
    }
}
