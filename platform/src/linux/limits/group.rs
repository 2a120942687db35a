//! A control group for one box: made before the box, filled with its init, removed when the box has ended.
//!
//! Its name holds our PID namespace, process number and start time, so that the next run of the same user can tell a group
//! that a crash has left from one in use.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::super::sys;
use super::choice::{self, Place};
use super::janitor::Janitor;
use super::{find, scope};
use crate::{Bytes, Percent};

/// How every group of ours begins.
const PREFIX: &str = "mcp-sandbox-";

/// The period over which a share of the processor holds, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;

/// The groups of one box: one of version 2, or one per controller of version 1.
pub struct Group {
    kind: Kind,
    folders: Vec<PathBuf>,
    janitor: Option<Janitor>,
    /// What was read last.
    last: Numbers,
}

enum Kind {
    /// Opened for clone3(2), which starts init in it.
    Unified(OwnedFd),
    Legacy,
    /// Made when init exists.
    Scope {
        bus: PathBuf,
        limits: choice::Group,
        name: String,
    },
}

/// What the kernel has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// The most memory at one time.
    pub memory: Option<Bytes>,
    /// The most processes and threads at one time, init included.
    pub processes: Option<u32>,
    /// Processes that the kernel killed for memory.
    pub killed: u64,
    /// Processes and threads that could not be made.
    pub refused: u64,
}

impl Group {
    /// Makes the groups with their limits set, and whoever removes them should we be killed.
    ///
    /// # Errors
    /// The kernel refuses a group or a limit. Nothing is left behind.
    pub fn make(limits: &choice::Group) -> io::Result<Self> {
        let name = own_name()?;
        let files: Vec<(PathBuf, Vec<(&str, String)>)> = match &limits.place {
            Place::Unified { parent } => vec![(parent.clone(), unified(limits))],
            Place::Legacy(legacy) => {
                let parts = [
                    (&legacy.memory, memory_of_version_1(limits.memory)),
                    (&legacy.pids, pids(limits.processes)),
                    (&legacy.cpu, cpu_of_version_1(limits.cpu)),
                ];
                let used = parts.into_iter().filter(|(_, files)| !files.is_empty());
                used.filter_map(|(parent, files)| Some((parent.clone()?, files)))
                    .collect()
            }
            Place::Scope { bus } => {
                let kind = Kind::Scope {
                    bus: bus.clone(),
                    limits: limits.clone(),
                    name: format!("{name}.scope"),
                };
                // It stays in the scope, which systemd would otherwise remove before we have read what came of the box.
                let keeper = Janitor::start(&[])?;
                return Ok(Group::of(kind, Vec::new(), Some(keeper)));
            }
        };
        files.iter().for_each(|(parent, _)| remove_stale(parent));
        let folders: Vec<PathBuf> = files.iter().map(|(parent, _)| parent.join(&name)).collect();
        let janitor = Janitor::start(&folders)?;
        let mut group = Group::of(Kind::Legacy, folders, Some(janitor));
        for (folder, (_, limits)) in group.folders.iter().zip(&files) {
            fs::create_dir(folder)?;
            limits
                .iter()
                .try_for_each(|(file, value)| set(&folder.join(file), value))?;
        }
        if let (Place::Unified { .. }, Some(folder)) = (&limits.place, group.folders.first()) {
            group.kind = Kind::Unified(File::open(folder)?.into());
        }
        Ok(group)
    }

    fn of(kind: Kind, folders: Vec<PathBuf>, janitor: Option<Janitor>) -> Self {
        Group {
            kind,
            folders,
            janitor,
            last: Numbers::default(),
        }
    }

    /// The group in which clone3(2) starts init (CLONE_INTO_CGROUP), if it can.
    pub fn to_start_in(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Unified(folder) => Some(folder.as_fd()),
            _ => None,
        }
    }

    /// The groups that init joins by itself, with [`join`]. From outside that takes the kernel ten milliseconds, in which
    /// it waits for all processors; a thread that moves itself need not be waited for.
    pub fn to_join(&self) -> io::Result<Vec<OwnedFd>> {
        if !matches!(self.kind, Kind::Legacy) {
            return Ok(Vec::new());
        }
        let open = |folder: &PathBuf| {
            let mut options = File::options();
            options.write(true).create(true).truncate(false);
            Ok(options.open(folder.join("tasks"))?.into())
        };
        self.folders.iter().map(open).collect()
    }

    /// Lets the manager put init, which has opened its sources at most, into its scope.
    pub fn admit(&mut self, init: Pid) -> io::Result<()> {
        if let Kind::Scope { bus, limits, name } = &self.kind {
            let keeper = self.janitor.iter().map(Janitor::pid);
            let members: Vec<Pid> = keeper.chain([init]).collect();
            self.folders = vec![scope::start(bus, name, limits, &members)?];
        }
        Ok(())
    }

    /// What was counted so far.
    pub fn numbers(&mut self) -> Numbers {
        let keepers = u32::from(matches!(self.kind, Kind::Scope { .. }));
        let read = self.folders.iter().map(|folder| numbers(folder));
        let read = read.map(|read| Numbers {
            processes: read.processes.map(|all| all.saturating_sub(keepers)),
            ..read
        });
        self.last = read.fold(self.last, |one, two| Numbers {
            memory: one.memory.max(two.memory),
            processes: one.processes.max(two.processes),
            killed: one.killed.max(two.killed),
            refused: one.refused.max(two.refused),
        });
        self.last
    }
}

impl Drop for Group {
    /// The box has ended, or was never begun. The kernel may need a moment to let go of its last process.
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Scope { .. }) {
            // systemd removes it when its last process, which is ours, has ended.
            drop(self.janitor.take());
            return;
        }
        let until = Instant::now() + Duration::from_secs(1);
        while !remove(&self.folders) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        drop(self.janitor.take());
    }
}

/// Moves this thread, the only one of its process, into groups of version 1.
pub fn join(groups: &[OwnedFd]) -> nix::Result<()> {
    groups
        .iter()
        .try_for_each(|tasks| nix::unistd::write(tasks, b"0").map(drop))
}

/// Removes the groups that hold nothing; whether all of them are gone.
pub fn remove(folders: &[PathBuf]) -> bool {
    let gone = |folder: &PathBuf| match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    // Every one of them, not only up to the first that stays.
    folders.iter().filter(|folder| !gone(folder)).count() == 0
}

/// Removes what runs that were killed have left beside our groups: those of the same session, most often.
fn remove_stale(parent: &Path) {
    groups_in(parent).for_each(|group| remove_if_stale(&group));
}

/// The same in the whole of a hierarchy, for those of other sessions, as long as there is time. It takes milliseconds where
/// there are many groups.
pub fn remove_all_stale(hierarchy: &Path, has_time: impl Fn() -> bool) {
    let mut waiting = vec![hierarchy.to_owned()];
    while let (true, Some(group)) = (has_time(), waiting.pop()) {
        for inner in groups_in(&group) {
            remove_if_stale(&inner);
            waiting.push(inner);
        }
    }
}

fn groups_in(parent: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path())
}

/// A group with processes stays, whoever they belong to; so does one of another user.
fn remove_if_stale(group: &Path) {
    let name = group.file_name().and_then(|name| name.to_str());
    if name.is_some_and(|name| is_stale(name, group)) {
        let _ = fs::remove_dir(group);
    }
}

/// Whether the process that a group of ours is named after is gone. One of another PID namespace, which we cannot see, has
/// long had the time to put its init into the group.
fn is_stale(name: &str, folder: &Path) -> bool {
    const LONG: Duration = Duration::from_secs(60);
    let mut numbers = name.strip_prefix(PREFIX).unwrap_or_default().split('-');
    let (Some(namespace), Some(pid), Some(start)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return false;
    };
    if own_namespace().is_some_and(|own| own == namespace) {
        return match start_time(pid) {
            Some(found) => found != start,
            // Nobody has the number, or /proc does not show us whoever has (hidepid of proc(5)).
            None => !exists(pid),
        };
    }
    let made = fs::metadata(folder).and_then(|found| found.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > LONG))
}

fn exists(pid: &str) -> bool {
    let number = pid.parse().ok().filter(|pid| *pid > 0).map(Pid::from_raw);
    number.is_some_and(|pid| kill(pid, None) != Err(Errno::ESRCH))
}

/// A name that no other process has now or had before.
fn own_name() -> io::Result<String> {
    let (namespace, start) = own_namespace()
        .zip(start_time("self"))
        .ok_or(io::ErrorKind::NotFound)?;
    Ok(format!("{PREFIX}{namespace}-{}-{start}", std::process::id()))
}

/// The number of our PID namespace (namespaces(7)).
fn own_namespace() -> Option<String> {
    fs::metadata("/proc/self/ns/pid")
        .ok()
        .map(|found| found.ino().to_string())
}

/// Field 22 of proc_pid_stat(5).
fn start_time(pid: &str) -> Option<String> {
    if pid.contains('/') || pid.contains('.') {
        return None;
    }
    let text = sys::read_proc(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').nth(22 - 3)?.to_owned())
}

fn set(file: &Path, value: &str) -> io::Result<()> {
    match fs::write(file, value) {
        Err(error) if OPTIONAL.iter().any(|name| file.ends_with(name)) && !find::swaps() => {
            let missing = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied];
            if missing.contains(&error.kind()) {
                Ok(())
            } else {
                Err(error)
            }
        }
        other => other,
    }
}

/// What kernels without swap do not have, or without its accounting; that does no harm where no swap is in use.
const OPTIONAL: [&str; 3] = [
    "memory.swap.max",
    "memory.memsw.limit_in_bytes",
    "memory.swappiness",
];

fn unified(limits: &choice::Group) -> Vec<(&'static str, String)> {
    let memory = limits.memory.into_iter().flat_map(|most| {
        [
            ("memory.max", most.0.to_string()),
            ("memory.swap.max", "0".into()),
        ]
    });
    let cpu = limits
        .cpu
        .map(|share| ("cpu.max", format!("{} {PERIOD}", quota(share))));
    memory.chain(pids(limits.processes)).chain(cpu).collect()
}

fn memory_of_version_1(most: Option<Bytes>) -> Vec<(&'static str, String)> {
    let files = |most: Bytes| {
        let most = most.0.to_string();
        vec![
            ("memory.swappiness", "0".into()),
            ("memory.limit_in_bytes", most.clone()),
            // Memory and swap together, so that swap adds nothing.
            ("memory.memsw.limit_in_bytes", most),
        ]
    };
    most.map(files).unwrap_or_default()
}

fn pids(most: Option<u32>) -> Vec<(&'static str, String)> {
    most.map(|most| ("pids.max", (u64::from(most) + 1).to_string()))
        .into_iter()
        .collect()
}

fn cpu_of_version_1(share: Option<Percent>) -> Vec<(&'static str, String)> {
    let files = |share| {
        vec![
            ("cpu.cfs_period_us", PERIOD.to_string()),
            ("cpu.cfs_quota_us", quota(share).to_string()),
        ]
    };
    share.map(files).unwrap_or_default()
}

/// The kernel takes no quota below a millisecond.
fn quota(share: Percent) -> u64 {
    (PERIOD * u64::from(share.0) / 100).max(1000)
}

/// Both versions: a file that a group does not have says nothing.
fn numbers(folder: &Path) -> Numbers {
    let text = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
    let after = |file: &str, label: &str| {
        let text = text(file)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(label)?.strip_prefix(' '));
        line?.trim().parse::<u64>().ok()
    };
    let memory = number("memory.peak").or_else(|| number("memory.max_usage_in_bytes"));
    let killed = after("memory.events", "oom_kill").or_else(|| after("memory.oom_control", "oom_kill"));
    let processes = number("pids.peak").or_else(|| number("pids.current"));
    Numbers {
        memory: memory.map(Bytes),
        processes: processes.and_then(|count| u32::try_from(count).ok()),
        killed: killed.unwrap_or(0),
        refused: after("pids.events", "max").unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Legacy;

    fn limits(place: Place) -> choice::Group {
        choice::Group {
            place,
            memory: Some(Bytes(64 << 20)),
            processes: Some(10),
            cpu: Some(Percent(50)),
        }
    }

    fn content(folder: &Path) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn files_of_version_2() {
        let place = tempfile::tempdir().unwrap();
        let group = Group::make(&limits(Place::Unified {
            parent: place.path().into(),
        }))
        .unwrap();
        let expected = [
            ("cpu.max", "50000 100000"),
            ("memory.max", "67108864"),
            ("memory.swap.max", "0"),
            ("pids.max", "11"),
        ];
        assert_eq!(content(&group.folders[0]), pairs(&expected));
        assert!(group.to_start_in().is_some());
        empty(&group.folders);
    }

    #[test]
    fn files_of_version_1() {
        let place = tempfile::tempdir().unwrap();
        let parent = |name: &str| {
            let parent = place.path().join(name);
            fs::create_dir(&parent).unwrap();
            Some(parent)
        };
        let legacy = Legacy {
            memory: parent("memory"),
            pids: parent("pids"),
            cpu: parent("cpu"),
        };
        let group = Group::make(&limits(Place::Legacy(legacy))).unwrap();
        join(&group.to_join().unwrap()).unwrap();
        let [memory, pids, cpu] = [0, 1, 2].map(|index| content(&group.folders[index]));
        let expected = [
            ("memory.limit_in_bytes", "67108864"),
            ("memory.memsw.limit_in_bytes", "67108864"),
            ("memory.swappiness", "0"),
            ("tasks", "0"),
        ];
        assert_eq!(memory, pairs(&expected));
        assert_eq!(pids, pairs(&[("pids.max", "11"), ("tasks", "0")]));
        let expected = [
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "50000"),
            ("tasks", "0"),
        ];
        assert_eq!(cpu, pairs(&expected));
        empty(&group.folders);
    }

    /// The kernel's own folders vanish with their files.
    fn empty(folders: &[PathBuf]) {
        for file in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }

    #[test]
    fn counters_of_both_versions() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
        write("memory.max_usage_in_bytes", "4096\n");
        write(
            "memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        );
        write("pids.peak", "11\n");
        write("pids.events", "max 3\n");
        let expected = Numbers {
            memory: Some(Bytes(4096)),
            processes: Some(11),
            killed: 2,
            refused: 3,
        };
        assert_eq!(numbers(place.path()), expected);
        write("memory.peak", "8192\n");
        write("memory.events", "low 0\noom 5\noom_kill 4\noom_group_kill 0\n");
        let found = numbers(place.path());
        assert_eq!((found.memory, found.killed), (Some(Bytes(8192)), 4));
    }

    #[test]
    fn what_a_crash_left_is_removed_and_what_is_in_use_stays() {
        let place = tempfile::tempdir().unwrap();
        let own = own_name().unwrap();
        let namespace = own_namespace().unwrap();
        let names = [
            format!("mcp-sandbox-{namespace}-4194303-7"),
            format!("mcp-sandbox-{namespace}-1-7"),
            format!("mcp-sandbox-{namespace}-..-7"),
            own,
            // Of a namespace that we cannot see, and young.
            "mcp-sandbox-7-4194303-7".into(),
            "other-1-7".into(),
        ];
        let session = place.path().join("session");
        for parent in [place.path(), &session] {
            names
                .iter()
                .for_each(|name| fs::create_dir_all(parent.join(name)).unwrap());
        }
        let left = |parent: &Path| names.each_ref().map(|name| parent.join(name).exists());
        let expected = [false, false, false, true, true, true];
        remove_stale(place.path());
        assert_eq!((left(place.path()), left(&session)), (expected, [true; 6]));
        remove_all_stale(place.path(), || false);
        assert_eq!(left(&session), [true; 6]);
        remove_all_stale(place.path(), || true);
        assert_eq!((left(place.path()), left(&session)), (expected, expected));
    }
}
