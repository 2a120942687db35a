//! The processes of the box, as its own /proc lists them: a folder that the supervisor got from init, so that no
//! process hides by leaving its parent, and nothing of the host is looked at.

use std::fs;
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use super::super::sys;
use crate::Bytes;

/// What the kernel keeps of a file in memory beside its content, about.
const NAME: u64 = 1024;
/// How often a process is asked for a thread that lives, when those that were listed have ended at once.
const ATTEMPTS: usize = 8;

/// The root of the box, from outside.
pub struct Boxed {
    root: OwnedFd,
    /// Whether anybody wants to know what processes have in memory.
    weighs: bool,
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
    /// A thread that lives, as the first one need not: whom to ask about memory.
    pub thread: u32,
    pub memory: Memory,
}

/// What a process has in memory, in bytes. Files of disks are left out: the kernel drops them when it needs the room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Its own pages, in memory and swap, and what the kernel needs to find them.
    pub own: u64,
    /// Pages of files in memory, and of what has no name and is shared all the same.
    pub shared: u64,
    /// The part of `own` that is the kernel's.
    pub tables: u64,
}

impl Memory {
    pub fn all(&self) -> u64 {
        self.own + self.shared
    }
}

impl Boxed {
    /// `root` is a descriptor of the root folder of the box, which nobody in it can write to.
    pub fn new(root: OwnedFd, weighs: bool) -> Self {
        Boxed { root, weighs }
    }

    /// A path of the box. Our own descriptor stands for its root, so no link of the box leads out of it on the way to
    /// what the kernel and our own plan have put there.
    fn path(&self, at: &str) -> PathBuf {
        Path::new(&format!("/proc/self/fd/{}/{at}", self.root.as_raw_fd())).to_owned()
    }

    /// Every process but init, which is ours.
    pub fn processes(&self) -> Vec<Process> {
        let folder = self.path("proc");
        let processes = self.numbers();
        processes
            .filter_map(|pid| self.process(&folder.join(pid.to_string()), pid))
            .collect()
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        let entries = fs::read_dir(self.path("proc")).into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers.filter(|pid| *pid != 1)
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
        let (thread, memory) = match self.weighs {
            true => self.memory(folder, pid, stat.tasks),
            false => (pid, Memory::default()),
        };
        Some(Process {
            pid,
            since: stat.since,
            own: ticks(stat.own).max(exact.unwrap_or_default()),
            children: ticks(stat.children),
            tasks: stat.tasks,
            thread,
            memory,
        })
    }

    /// What a process has in memory, and a thread of it that says so. The kernel asks the thread whose folder it is, and
    /// the first one may have ended before the others.
    fn memory(&self, folder: &Path, pid: u32, tasks: u32) -> (u32, Memory) {
        let of = |folder: &Path| memory(&sys::read_proc(folder.join("status")).ok()?);
        if let Some(found) = of(folder) {
            return (pid, found);
        }
        let one_that_lives = || {
            let threads = fs::read_dir(folder.join("task")).into_iter().flatten().flatten();
            threads
                .filter_map(|thread| thread.file_name().to_str()?.parse().ok())
                .find_map(|thread: u32| Some((thread, of(&folder.join(format!("task/{thread}")))?)))
        };
        // A zombie has only itself.
        let attempts = if tasks > 1 { ATTEMPTS } else { 0 };
        (0..attempts)
            .find_map(|_| one_that_lives())
            .unwrap_or((pid, Memory::default()))
    }

    /// A file of the thread that is asked about memory.
    fn of_thread(&self, process: &Process, file: &str) -> PathBuf {
        self.path(&format!("proc/{}/task/{}/{file}", process.pid, process.thread))
    }

    /// Processor time of what init has collected.
    pub fn collected(&self) -> Duration {
        let text = sys::read_proc(self.path("proc/1/stat")).unwrap_or_default();
        stat(&text).map_or(Duration::ZERO, |stat| ticks(stat.children))
    }

    /// The fair share of a process in what it has in memory and swap: what is shared counts once for all who share it.
    /// Costs a walk over its pages. A process that has ended shares nothing any more, and one that does not let itself be
    /// looked into has all of it alone.
    pub fn fair_share(&self, process: &Process) -> Memory {
        match fs::read_to_string(self.of_thread(process, "smaps_rollup")) {
            Ok(text) => Memory {
                own: kibibytes(&text, "Pss_Anon:") + kibibytes(&text, "SwapPss:") + process.memory.tables,
                shared: kibibytes(&text, "Pss_Shmem:"),
                tables: process.memory.tables,
            },
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                let folder = self.path(&format!("proc/{}", process.pid));
                let now = self.process(&folder, process.pid);
                now.map_or(Memory::default(), |now| now.memory)
            }
            Err(_) => process.memory,
        }
    }

    /// The fair share of a process in memory that is no file of a folder, in bytes: of memfd_create(2), shmget(2), and
    /// what it shares with its children. Nothing if that cannot be told.
    pub fn without_files(&self, process: &Process) -> Option<u64> {
        let text = fs::read_to_string(self.of_thread(process, "smaps")).ok()?;
        // It is empty of a thread that has ended.
        match text.is_empty() {
            true => None,
            false => Some(mapped_of(&text, &unnamed()?)),
        }
    }

    /// What files in `folders` of the box hold, where those are memory.
    pub fn in_files(&self, folders: &[PathBuf]) -> Bytes {
        let used = folders.iter().filter_map(|at| {
            let at = at.strip_prefix("/").ok()?;
            let folder = statfs(&self.path(at.to_str()?)).ok()?;
            let memory = folder.filesystem_type() == TMPFS_MAGIC;
            let blocks = folder.blocks().saturating_sub(folder.blocks_free());
            let files = folder.files().saturating_sub(folder.files_free());
            memory.then(|| blocks * folder.block_size() as u64 + files * NAME)
        });
        Bytes(used.sum())
    }

    /// Files that a process holds open and that have no name, each as often as it is open. Any thread may have a table of
    /// its own. Goes on until it is told to stop.
    pub fn each_file_without_a_name(&self, each: impl FnMut(fs::Metadata) -> ControlFlow<()>) {
        let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let tasks = self.numbers().map(|pid| self.path(&format!("proc/{pid}/task")));
        let open = tasks
            .flat_map(entries)
            .map(|task| task.path().join("fd"))
            .flat_map(entries);
        let found = open.filter_map(|entry| fs::metadata(entry.path()).ok());
        let _ = found
            .filter(|found| found.is_file() && found.nlink() == 0)
            .try_for_each(each);
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
    })
}

/// Of proc_pid_status(5). A thread that has ended has no memory any more.
fn memory(text: &str) -> Option<Memory> {
    let of = |label| kibibytes(text, label);
    let tables = of("VmPTE:");
    text.contains("\nRssAnon:").then(|| Memory {
        own: of("RssAnon:") + of("VmSwap:") + tables,
        shared: of("RssShmem:"),
        tables,
    })
}

/// The device where the kernel keeps memory that is shared and has no name, in the form of proc_pid_maps(5).
fn unnamed() -> Option<String> {
    let example = memfd_create(c"example", MFdFlags::MFD_CLOEXEC).ok()?;
    let device = fstat(example).ok()?.st_dev;
    Some(format!("{:02x}:{:02x}", libc::major(device), libc::minor(device)))
}

/// The fair share in mappings of `device`, from proc_pid_smaps(5), without what was written to private ones. `Anonymous`
/// is no fair share, so of a private mapping that processes share this may be more than is true.
fn mapped_of(text: &str, device: &str) -> u64 {
    let (mut inside, mut total) = (false, 0);
    let (mut resident, mut share) = (0, 0);
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let label = fields.next().unwrap_or_default();
        match label {
            _ if !label.ends_with(':') => inside = fields.nth(2) == Some(device),
            "Rss:" => resident = kibibytes(line, label),
            "Pss:" => share = kibibytes(line, label),
            "Anonymous:" if inside => total += share.min(resident.saturating_sub(kibibytes(line, label))),
            _ => {}
        }
    }
    total
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
    use super::{Boxed, Process, Stat, kibibytes, mapped_of, memory, stat, unnamed};
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
        };
        assert_eq!(stat(text), Some(expected));
        assert_eq!(stat("7 (a"), None);
    }

    /// Children end between two reads all the time; what they shared with their parent is the parent's.
    #[test]
    fn a_process_that_has_ended_has_no_share() {
        let boxed = Boxed::new(File::open("/").expect("the root").into(), true);
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let pid = child.id();
        let of = |processes: Vec<Process>| processes.into_iter().find(|process| process.pid == pid);
        let alive = of(boxed.processes()).expect("a process of ours");
        assert!(
            alive.memory.own > 0 && boxed.fair_share(&alive).own > 0,
            "{alive:?}"
        );

        drop(child.stdin.take());
        while of(boxed.processes()).is_some_and(|process| process.memory.own > 0) {
            std::thread::yield_now();
        }
        assert_eq!(boxed.fair_share(&alive).all(), 0, "a zombie");
        child.wait().expect("it has ended");
        assert_eq!(boxed.fair_share(&alive).all(), 0, "a process that is gone");
    }

    #[test]
    fn files_of_disks_are_no_memory() {
        let text = "Name:\tx\nVmPTE:\t 4 kB\nVmSwap:\t 2 kB\nRssAnon:\t 100 kB\nRssFile:\t 900 kB\nRssShmem:\t 7 kB\n";
        let found = memory(text).expect("a live thread");
        assert_eq!(
            (found.own, found.shared, found.tables),
            (106 << 10, 7 << 10, 4 << 10)
        );
        assert_eq!(memory("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn maps_by_device() {
        let text = "\
7f00-7f10 rw-s 00000000 00:01 7    /memfd:RssAnon: (deleted)
Rss:     80 kB
Pss:     40 kB
Pss_Dirty:  9 kB
Anonymous:   8 kB
7f08-7f10 rw-p 00000000 00:01 7    /memfd:written (deleted)
Rss:     1000 kB
Pss:     125 kB
Anonymous:   995 kB
7f10-7f20 rw-s 00000000 00:2a 8    /tmp/x
Rss:     500 kB
Pss:     500 kB
Anonymous:   0 kB
7f20-7f30 rw-p 00000000 00:00 0
Rss:     500 kB
Pss:     500 kB
Anonymous:   500 kB
";
        assert_eq!(mapped_of(text, "00:01"), (40 + 5) << 10);
        assert!(unnamed().is_some());
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
