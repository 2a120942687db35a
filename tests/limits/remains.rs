//! What is left on the host: nothing, whoever was killed when.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::groups;
use crate::common::{Host, binaries, children, gone_within_a_second, hosts, root_hosts, slowness, unique};
use crate::loads::{flags, shell};

const KILLS: u32 = 200;

/// Whether a run with these flags has groups, as `explain` says.
fn makes_groups(host: &Host, flags: &[OsString]) -> bool {
    let mut command = host.command(&binaries().sandbox);
    let command = command
        .args(["explain", "--json"])
        .args(&flags[..2])
        .args(["--", "true"]);
    let output = command.output().expect("the sandbox");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let limits = json["limits"].as_array().expect("limits");
    let groups = ["cgroup-v2", "systemd-scope", "cgroup-v1"];
    limits
        .iter()
        .any(|limit| groups.iter().any(|by| limit["by"] == *by))
}

/// A number from 0 to `most`.
fn random(most: u32) -> u32 {
    let mut bytes = [0; 4];
    let mut source = std::fs::File::open("/dev/urandom").expect("/dev/urandom");
    source.read_exact(&mut bytes).expect("random bytes");
    u32::from_ne_bytes(bytes) % (most + 1)
}

/// From before the groups are made to long after the server runs; every mechanism is in use.
#[test]
fn two_hundred_random_kills_leave_nothing() {
    let limits = "memory = \"200MB\"\nprocesses = 30\ncpu = \"50%\"\ndisk = \"50MB\"\ntimeout = \"1h\"";
    for host in hosts() {
        let marker = unique("marker");
        let script = format!("sh -c 'while :; do :; done' & echo ready; sleep 1000; : {marker}");
        let flags = flags(&host, limits);
        let grouped = makes_groups(&host, &flags);
        let strange = groups::left();
        let start = Instant::now();
        let mut seen = Vec::new();
        for round in 0..KILLS / slowness() {
            let mut run = host.run(&flags);
            let mut tool = run
                .args(["sh", "-c", &script])
                .stdout(Stdio::piped())
                .spawn()
                .expect("the sandbox");
            // The first ones run until the server speaks: the control, and how long that takes.
            if round < 5 {
                let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
                out.read_line(&mut String::new()).expect("the server runs");
                seen.extend(groups::of(tool.id()));
                assert_eq!(seen.is_empty(), !grouped);
            } else {
                let whole = start.elapsed() / round;
                std::thread::sleep(whole.min(Duration::from_millis(60)) * random(100) / 100);
            }
            tool.kill().expect("the tool runs");
            tool.wait().expect("the tool is ours");
        }
        gone_within_a_second(&marker);
        groups::gone(&seen);
        groups::none_left_but(&strange, Duration::from_secs(5));
    }
}

/// Starts a box and kills supervisor and helper at once, as by `pkill -9 mcp-sandbox`; the groups that stay.
fn crash(mut run: Command) -> Vec<PathBuf> {
    let mut tool = run.stdout(Stdio::piped()).spawn().expect("the sandbox");
    let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
    out.read_line(&mut String::new()).expect("the server runs");
    let pid = tool.id();
    let left = groups::of(pid);
    // The helper first, or it would be quicker.
    for pid in children(pid as i32).into_iter().chain([pid as i32]) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
    }
    tool.wait().expect("the tool is ours");
    left
}

#[test]
fn the_next_run_removes_what_a_crash_has_left() {
    for host in root_hosts() {
        let mut run = host.run(flags(&host, "memory = \"100MB\""));
        run.args(["sh", "-c", "echo ready; sleep 1000"]);
        // Where there are no groups, there is nothing to leave.
        let left = crash(run);
        let deadline = Instant::now() + Duration::from_secs(5);
        while left.iter().any(|group| group.exists()) {
            assert!(Instant::now() < deadline, "still there: {left:?}");
            shell(&host, "memory = \"100MB\"", &[], "true").done("");
        }
    }
}

/// Each login session has its own groups: that of the crash is not that of the next run.
#[test]
fn the_next_run_of_another_session_removes_it_too() {
    for host in root_hosts() {
        let session = Tight::new();
        let mut run = host.run(flags(&host, "memory = \"32MB\""));
        run.args(["sh", "-c", "echo ready; sleep 1000"]);
        let left = crash(session.inside(&host, &run));
        assert_eq!(
            left.is_empty(),
            !makes_groups(&host, &flags(&host, "memory = \"32MB\""))
        );
        let mut next = host.run(flags(&host, "memory = \"100MB\""));
        let mut next = next
            .args(["sh", "-c", "sleep 10"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the sandbox");
        groups::gone(&left);
        next.kill().expect("the tool runs");
        next.wait().expect("the tool is ours");
    }
}

/// Zombies, stopped processes, deaf ones, daemons with the pipe in their hands: none of them keeps the box.
#[test]
fn nothing_that_processes_do_keeps_the_box() {
    let scripts = [
        // Nobody waits for these.
        "python3 -c 'import os\nfor i in range(100):\n  os.fork() or os._exit(0)\nprint(\"ready\", flush=True)\nos.execlp(\"sleep\", \"sleep\", \"1000\")'",
        "sh -c 'kill -STOP $$' & echo ready; sleep 1000",
        "trap '' TERM HUP INT; echo ready; while :; do sleep 1; done",
        "setsid setsid sh -c 'trap \"\" TERM; sleep 1000' & echo ready; exit 0",
        "(sh -c 'kill -STOP $$; sleep 1000' &); setsid sleep 1000 & echo ready; kill -STOP $$",
    ];
    for host in hosts() {
        for script in scripts {
            let marker = unique("marker");
            let mut run = host.run(["--grace", "200ms"]);
            let mut tool = run
                .args(["sh", "-c", &format!("{script}; : {marker}")])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the sandbox");
            let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
            let mut line = String::new();
            out.read_line(&mut line).expect("the server runs");
            assert_eq!(line, "ready\n", "{script}");
            let groups = groups::of(tool.id());
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(tool.id() as i32),
                nix::sys::signal::SIGTERM,
            );
            // The stream ends for the client, whoever held it.
            out.read_to_string(&mut line).expect("the stream ends");
            tool.wait().expect("the tool is ours");
            gone_within_a_second(&marker);
            // A scope is systemd's to remove, ours are gone with us.
            let is_scope = |group: &PathBuf| group.extension().is_some_and(|kind| kind == "scope");
            let (scopes, ours): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_scope);
            assert!(ours.iter().all(|group| !group.exists()), "{script}: {ours:?}");
            groups::gone(&scopes);
        }
    }
}

/// A server that floods stderr, which nobody reads, waits; it neither fills our memory nor keeps us from ending.
#[test]
fn a_flood_on_stderr_is_nobodys_memory() {
    for host in hosts() {
        let marker = unique("marker");
        let mut run = host.run(["--grace", "200ms"]);
        let mut tool = run
            .args(["sh", "-c", &format!("echo ready; yes {marker} >&2")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
        out.read_line(&mut String::new()).expect("the server runs");
        let unread = tool.stderr.take().expect("a pipe");
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut waiting = 0;
        // A pipe holds 64 KiB.
        while waiting < 60_000 {
            assert!(Instant::now() < deadline, "{waiting} bytes");
            // SAFETY: FIONREAD writes one int.
            unsafe { libc::ioctl(unread.as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
        }
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", tool.id())).expect("statm");
        let pages: u64 = statm.split(' ').nth(1).expect("pages").parse().expect("a number");
        assert!(pages < 8000, "{pages} pages");
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(tool.id() as i32),
            nix::sys::signal::SIGTERM,
        );
        tool.wait().expect("the tool is ours");
        gone_within_a_second(&marker);
    }
}

/// A group of memory with room for little more than a supervisor; removed when it goes.
struct Tight(PathBuf);

impl Tight {
    fn new() -> Self {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let (at, file) = match unified {
            true => ("/sys/fs/cgroup", "memory.max"),
            false => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        };
        let group = Path::new(at).join(unique("tight"));
        std::fs::create_dir(&group).expect("a group");
        std::fs::write(group.join(file), "64M").expect("a limit");
        // Where there is swap, a full group is no reason to kill.
        for swap in ["memory.swap.max", "memory.swappiness"] {
            let _ = std::fs::write(group.join(swap), "0");
        }
        Tight(group)
    }

    /// The same command, in the group.
    fn inside(&self, host: &Host, command: &Command) -> Command {
        let mut inside = host.command("sh");
        let script = format!("echo $$ >'{}/cgroup.procs'; exec \"$@\"", self.0.display());
        inside.args(["-c", &script, "sh"]).arg(command.get_program());
        inside.args(command.get_args());
        inside
    }
}

impl Drop for Tight {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

/// The kernel is short of memory and picks the supervisor (oom_score_adj of proc_pid_oom_score_adj(5)).
#[test]
fn a_supervisor_killed_for_want_of_memory_leaves_nothing() {
    const HOG: &str = "
import sys
state = lambda: open(f'/proc/{sys.argv[1]}/stat').read().rsplit(')', 1)[1].split()[0]
open('/proc/self/oom_score_adj', 'w').write('-1000')
taken = []
while state() != 'Z':
    taken.append(bytearray(1 << 18))
";
    for host in root_hosts() {
        let tight = Tight::new();
        let marker = unique("marker");
        let mut run = host.run(flags(&host, "memory = \"32MB\""));
        run.args(["sh", "-c", &format!("echo ready; sleep 1000; : {marker}")]);
        let mut tool = tight.inside(&host, &run);
        let mut tool = tool.stdout(Stdio::piped()).spawn().expect("the sandbox");
        let mut out = BufReader::new(tool.stdout.take().expect("a pipe"));
        out.read_line(&mut String::new()).expect("the server runs");
        let groups = groups::of(tool.id());
        std::fs::write(format!("/proc/{}/oom_score_adj", tool.id()), "1000").expect("it is ours");

        let mut hog = Command::new("python3");
        hog.args(["-c", HOG, &tool.id().to_string()]);
        let status = tight.inside(&host, &hog).status();
        assert!(status.expect("python3").success());
        assert_eq!(tool.wait().expect("the tool is ours").signal(), Some(9));
        gone_within_a_second(&marker);
        groups::gone(&groups);
    }
}

/// A client that reads nothing does not keep a box that has reached a limit, nor the lines about it.
#[test]
fn a_limit_that_nobody_reads_of_keeps_nobody() {
    for host in hosts() {
        let mut flags = flags(&host, "timeout = \"500ms\"");
        flags.extend(["--grace", "0s"].map(Into::into));
        let mut run = host.run(flags);
        let mut tool = run
            .args(["sh", "-c", "yes >&2"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        let unread = tool.stderr.take().expect("a pipe");
        let deadline = Instant::now() + Duration::from_secs(10) * slowness();
        let status = loop {
            match tool.try_wait().expect("the tool is ours") {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "it waits for a reader"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(124));
        drop(unread);
    }
}
