//! The processes of the box, as its own /proc lists them: a folder that the supervisor got from init, so that no
//! process hides by leaving its parent, and nothing of the host is looked at.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use super::super::sys;
use super::find;
use crate::Bytes;

/// How often a process is asked for a thread that lives, when those that were listed have ended at once.
const ATTEMPTS: usize = 8;

/// The root of the box, from outside.
pub struct Boxed {
    root: OwnedFd,
    page: u64,
    /// What is swapped out has to be asked for separately.
    swaps: bool,
}

/// One process of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number in the box.
    pub pid: u32,
    /// When it began, in the kernel's clock ticks since boot: with the number it names one process.
    pub since: u64,
    /// Processor time of its threads, as far as the kernel shows it, and of the children that it has waited for.
    pub own: Duration,
    pub children: Duration,
    pub tasks: u32,
    /// In memory, what it shares with others included.
    pub resident: u64,
}

impl Boxed {
    /// `root` is a descriptor of the root folder of the box, which nobody in it can write to.
    pub fn new(root: OwnedFd) -> Self {
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
        Boxed {
            root,
            page: page
                .ok()
                .flatten()
                .and_then(|page| page.try_into().ok())
                .unwrap_or(4096),
            swaps: find::swaps(),
        }
    }

    /// A path of the box. Our own descriptor stands for its root, so no link of the box leads out of it on the way to
    /// what the kernel and our own plan have put there.
    fn path(&self, at: &str) -> PathBuf {
        Path::new(&format!("/proc/self/fd/{}/{at}", self.root.as_raw_fd())).to_owned()
    }

    /// Every process but init, which is ours.
    pub fn processes(&self) -> Vec<Process> {
        let folder = self.path("proc");
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(|pid| *pid != 1)
            .filter_map(|pid| self.process(&folder.join(pid.to_string()), pid))
            .collect()
    }

    fn process(&self, folder: &Path, pid: u32) -> Option<Process> {
        let stat = read_stat(folder)?;
        // The kernel keeps nanoseconds per thread, and shows hundredths of a second per process, the threads included
        // that have ended.
        let exact = (stat.tasks == 1)
            .then(|| fs::read_to_string(folder.join("schedstat")).ok())
            .flatten()
            .and_then(|text| text.split(' ').next()?.parse().ok())
            .map(Duration::from_nanos);
        Some(Process {
            pid,
            since: stat.since,
            own: ticks(stat.own).max(exact.unwrap_or_default()),
            children: ticks(stat.children),
            tasks: stat.tasks,
            resident: self.resident(folder, &stat),
        })
    }

    /// What a process has in memory and swap. The kernel asks the thread whose folder it is, and the first one may have
    /// ended before the others.
    fn resident(&self, folder: &Path, first: &Stat) -> u64 {
        let of = |folder: &Path, stat: &Stat| stat.resident * self.page + self.swapped(folder);
        if first.resident > 0 || first.tasks < 2 {
            return of(folder, first);
        }
        let one_that_lives = || {
            let threads = fs::read_dir(folder.join("task")).into_iter().flatten().flatten();
            threads.map(|thread| thread.path()).find_map(|thread| {
                let stat = read_stat(&thread).filter(|stat| stat.resident > 0)?;
                Some(of(&thread, &stat))
            })
        };
        (0..ATTEMPTS).find_map(|_| one_that_lives()).unwrap_or(0)
    }

    /// Processor time of what init has collected.
    pub fn collected(&self) -> Duration {
        let text = sys::read_proc(self.path("proc/1/stat")).unwrap_or_default();
        stat(&text).map_or(Duration::ZERO, |stat| ticks(stat.children))
    }

    fn swapped(&self, folder: &Path) -> u64 {
        let read = || sys::read_proc(folder.join("status")).ok();
        self.swaps
            .then(read)
            .flatten()
            .map_or(0, |text| kibibytes(&text, "VmSwap:"))
    }

    /// The fair share of a process in what it has in memory and swap, in bytes: what is shared counts once for all
    /// who share it. Costs a walk over its pages. A process that has ended shares nothing any more, and one that does
    /// not let itself be looked into has all of it alone.
    pub fn fair_share(&self, process: &Process) -> u64 {
        let file = self.path(&format!("proc/{}/smaps_rollup", process.pid));
        match fs::read_to_string(file) {
            Ok(text) => kibibytes(&text, "Pss:") + kibibytes(&text, "SwapPss:"),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                let folder = self.path(&format!("proc/{}", process.pid));
                self.process(&folder, process.pid).map_or(0, |now| now.resident)
            }
            Err(_) => process.resident,
        }
    }

    /// What files in `folders` of the box hold, where those are memory.
    pub fn in_files(&self, folders: &[PathBuf]) -> Bytes {
        let used = folders.iter().filter_map(|at| {
            let at = at.strip_prefix("/").ok()?;
            let folder = statfs(&self.path(at.to_str()?)).ok()?;
            let memory = folder.filesystem_type() == TMPFS_MAGIC;
            memory.then(|| (folder.blocks() - folder.blocks_free()) * folder.block_size() as u64)
        });
        Bytes(used.sum())
    }

    /// What processes have written to disks, in bytes; those that do not let themselves be looked into say nothing.
    pub fn written(&self, processes: &[Process]) -> u64 {
        let written = |process: &Process| {
            let text = fs::read_to_string(self.path(&format!("proc/{}/io", process.pid))).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
            line.parse::<u64>().ok()
        };
        processes.iter().filter_map(written).sum()
    }

    /// SIGKILL to a process of the box, whoever has its number by now.
    pub fn kill(&self, pid: u32) -> bool {
        // A folder of /proc stands for its process (pidfd_send_signal(2)).
        let folder = fs::File::open(self.path(&format!("proc/{pid}")));
        folder.is_ok_and(|folder| sys::signal_pidfd(folder.as_fd(), libc::SIGKILL).is_ok())
    }
}

/// What proc_pid_stat(5) says, in its own units.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    own: u64,
    children: u64,
    tasks: u32,
    since: u64,
    resident: u64,
}

fn read_stat(folder: &Path) -> Option<Stat> {
    stat(&sys::read_proc(folder.join("stat")).ok()?)
}

fn stat(text: &str) -> Option<Stat> {
    // The second field, a name in parentheses, may itself contain spaces and parentheses.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.trim_end().parse::<i64>().ok();
    let count = |number: usize| field(number).and_then(|count| u64::try_from(count).ok());
    Some(Stat {
        own: count(14)? + count(15)?,
        children: count(16)? + count(17)?,
        tasks: count(20)?.try_into().ok()?,
        since: count(22)?,
        resident: count(24)?,
    })
}

/// The unit of processor time in /proc, the same on every architecture that we build for (USER_HZ, time(7)).
fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(10))
}

/// The number after `label` in a table of kB, in bytes.
fn kibibytes(text: &str, label: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |number| number * 1024)
}

#[cfg(test)]
mod tests {
    use super::{Boxed, Process, Stat, kibibytes, stat};
    use std::fs::File;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_cannot_shift_the_fields() {
        let text =
            "7 (a) R 1 (b)) S 1 7 7 0 -1 4194304 100 200 0 0 11 12 13 14 20 0 5 0 999 8192000 777 184467\n";
        let expected = Stat {
            own: 23,
            children: 27,
            tasks: 5,
            since: 999,
            resident: 777,
        };
        assert_eq!(stat(text), Some(expected));
        assert_eq!(stat("7 (a"), None);
    }

    /// Children end between two reads all the time; what they shared with their parent is the parent's.
    #[test]
    fn a_process_that_has_ended_has_no_share() {
        let boxed = Boxed::new(File::open("/").expect("the root").into());
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let pid = child.id();
        let of = |processes: Vec<Process>| processes.into_iter().find(|process| process.pid == pid);
        let alive = of(boxed.processes()).expect("a process of ours");
        assert!(alive.resident > 0 && boxed.fair_share(&alive) > 0, "{alive:?}");

        drop(child.stdin.take());
        while of(boxed.processes()).is_some_and(|process| process.resident > 0) {
            std::thread::yield_now();
        }
        assert_eq!(boxed.fair_share(&alive), 0, "a zombie");
        child.wait().expect("it has ended");
        assert_eq!(boxed.fair_share(&alive), 0, "a process that is gone");
    }

    #[test]
    fn tables_of_kilobytes() {
        let text = "Rss:     100 kB\nPss:      12 kB\nSwapPss:   3 kB\n";
        assert_eq!(
            (kibibytes(text, "Pss:"), kibibytes(text, "SwapPss:")),
            (12 << 10, 3 << 10)
        );
        assert_eq!(kibibytes("", "Pss:"), 0);
    }
}
