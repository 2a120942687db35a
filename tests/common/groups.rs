//! Control groups of ours on this machine, `mcp-sandbox-NAMESPACE-PID-START`, wherever they are.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All of them.
pub fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if supervisor(&entry.path()).is_some() {
                    found.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The groups of one supervisor.
pub fn of(pid: u32) -> Vec<PathBuf> {
    let is = |group: &PathBuf| supervisor(group) == Some(pid);
    all().into_iter().filter(is).collect()
}

/// Those whose supervisor is gone: the others are in use, by other tests.
pub fn left() -> Vec<PathBuf> {
    let is_left = |group: &PathBuf| {
        supervisor(group).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    };
    all().into_iter().filter(is_left).collect()
}

/// Waits until none is left but those that a crash of somebody else's had left before.
#[track_caller]
pub fn none_left_but(strange: &[PathBuf], within: Duration) {
    let ours = |group: &PathBuf| !strange.contains(group);
    gone_within(within, &left().into_iter().filter(ours).collect::<Vec<_>>());
}

/// Waits until they are removed, which whoever does it does in its own time.
#[track_caller]
pub fn gone(groups: &[PathBuf]) {
    gone_within(Duration::from_secs(5), groups);
}

#[track_caller]
fn gone_within(time: Duration, groups: &[PathBuf]) {
    let deadline = Instant::now() + time;
    while groups.iter().any(|group| group.exists()) {
        assert!(Instant::now() < deadline, "still there: {groups:?}");
        std::thread::yield_now();
    }
}

fn supervisor(group: &Path) -> Option<u32> {
    let numbers = group.file_name()?.to_str()?.strip_prefix("mcp-sandbox-")?;
    numbers.split('-').nth(1)?.parse().ok()
}
