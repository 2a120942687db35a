//! A mount source that is swapped for a link while the box is set up (CVE-2021-30465, CVE-2021-26910,
//! CVE-2024-45310).

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Host, binaries, hosts, slowness, words};

/// Of the whole test, over all users.
fn race() -> Duration {
    Duration::from_secs(10) * slowness()
}

/// `work/source` is a folder or, every other moment, a link to the folder of the secret.
#[test]
fn a_swapped_source_never_shows_what_the_link_points_to() {
    let hosts = hosts();
    for host in &hosts {
        let work = host.directory("work");
        let source = host.directory("work/source");
        host.file("work/source/file", "true");
        host.directory("outside");
        host.file("outside/file", "the secret");
        symlink(host.folder().join("outside"), work.join("link")).expect("a link");
        let flags = words([
            &"--write",
            &work,
            &"--read",
            &format!("{}:/data", source.display()),
        ]);

        assert_eq!(
            host.boxed(&flags, &["read", "/data/file"]).done(),
            "true",
            "without a race"
        );
        let before = names(host);
        let (mut shown, mut refused) = (0, 0);
        let mut said = String::new();
        let swaps = while_swapped(&source, &work.join("link"), race() / hosts.len() as u32, || {
            let answer = host.boxed(&flags, &["read", "/data/file"]);
            match answer.code {
                Some(125) => {
                    refused += 1;
                    said = answer.stderr;
                }
                _ => {
                    assert_eq!(answer.done(), "true");
                    shown += 1;
                }
            }
            false
        });
        assert!(
            shown > 0 && refused > 0,
            "a race has two outcomes: {shown} shown, {refused} refused, the last by {said:?}, {swaps} swaps"
        );
        assert_eq!(names(host), before, "nothing was made on the host");
    }
}

/// The race is real: a program that follows the path bare reads the secret.
#[test]
fn control_a_bare_program_reads_both() {
    for host in hosts() {
        let work = host.directory("work");
        let source = host.directory("work/source");
        let file = host.file("work/source/file", "true");
        host.directory("outside");
        host.file("outside/file", "the secret");
        symlink(host.folder().join("outside"), work.join("link")).expect("a link");
        exchange(&source, &work.join("link"));
        assert_eq!(
            host.bare(&["read", &file.display().to_string()]).done(),
            "the secret"
        );
        exchange(&source, &work.join("link"));
        assert_eq!(host.bare(&["read", &file.display().to_string()]).done(), "true");
        assert!(binaries().probe.exists());
    }
}

/// Two folders change places: what the supervisor judged is not what init finds under the name.
#[test]
fn a_swapped_folder_is_noticed() {
    let limit = Duration::from_secs(20) * slowness();
    for host in hosts() {
        let (source, other) = (host.directory("source"), host.directory("other"));
        let flags = words([&"--read", &format!("{}:/data", source.display())]);
        let mut noticed = false;
        let swaps = while_swapped(&source, &other, limit, || {
            let answer = host.boxed(&flags, &["list", "/data"]);
            noticed = answer.stderr.contains("was replaced by something else");
            if noticed {
                answer.refused("was replaced by something else");
            } else {
                assert_eq!(answer.done(), "");
            }
            noticed
        });
        assert!(noticed, "never in {limit:?} with {swaps} swaps");
    }
}

/// Repeats `act` until it is true or the time is over, while another thread exchanges the two names; how often it did.
fn while_swapped(one: &Path, two: &Path, limit: Duration, mut act: impl FnMut() -> bool) -> u64 {
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| swap(one, two, &stop, &swaps));
        // Also when `act` panics: the scope waits for the thread.
        let _stopping = Stop(&stop);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline && !act() {}
    });
    swaps.load(Ordering::Relaxed)
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges the two names until told to stop, each state lasting about as long as a launch takes a step here.
fn swap(one: &Path, two: &Path, stop: &AtomicBool, swaps: &AtomicU64) {
    let mut pause = 1_u32;
    while !stop.load(Ordering::Relaxed) {
        exchange(one, two);
        swaps.fetch_add(1, Ordering::Relaxed);
        // Of changing length, so that every moment of a launch is met; spinning, since a sleep is too coarse.
        pause = pause.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // A slow machine has more steps in the way of one that is left alone: there, some last for most of a launch.
        let doubled = if slowness() > 1 { (pause >> 17) & 7 } else { 0 };
        let length = Duration::from_micros(u64::from(pause >> 20) << doubled);
        let until = Instant::now() + length * slowness();
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }
}

fn exchange(one: &Path, two: &Path) {
    let path = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    let (one, two) = (path(one), path(two));
    let here = libc::AT_FDCWD;
    // SAFETY: both paths end with NUL.
    let result = unsafe { libc::renameat2(here, one.as_ptr(), here, two.as_ptr(), libc::RENAME_EXCHANGE) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// The names in the user's folder and its parts.
fn names(host: &Host) -> Vec<String> {
    let folders = [
        host.folder().to_owned(),
        host.folder().join("work"),
        host.folder().join("outside"),
    ];
    let mut names: Vec<String> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder"))
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .collect();
    names.sort();
    names
}
