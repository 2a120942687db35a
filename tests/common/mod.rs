//! The harness of the end-to-end tests: who runs the sandbox, how it is started, and what the probe says.
//!
//! Every test goes through [`hosts`]: the current user and, when that is root, an ordinary user as well.
//! Nothing is skipped: what a test needs and does not find is a failure.
#![allow(dead_code, reason = "each test program uses its own part")]

mod answer;
pub mod groups;
pub mod mounts;
pub mod network;
pub mod pty;

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use answer::Answer;

/// The user of the second round; `nobody` where there is no account for it.
const ORDINARY: &str = "tester";

/// One user of this machine, with a folder and a home of its own.
pub struct Host {
    /// Who to become; `None` stays who we are.
    user: Option<(u32, u32)>,
    folder: TempDir,
}

/// The current user and, when that is root, an ordinary one.
pub fn hosts() -> Vec<Host> {
    let ordinary = is_root().then(ordinary_user);
    let mut hosts = vec![Host::new(None)];
    hosts.extend(ordinary.map(|user| Host::new(Some(user))));
    hosts
}

/// Only the ordinary user: ourselves if we are one.
pub fn ordinary_host() -> Host {
    Host::new(is_root().then(ordinary_user))
}

/// Root alone; no host at all when the tests run as somebody else.
pub fn root_hosts() -> Vec<Host> {
    is_root().then(|| Host::new(None)).into_iter().collect()
}

pub fn is_root() -> bool {
    // SAFETY: cannot fail and changes nothing.
    unsafe { libc::geteuid() == 0 }
}

fn ordinary_user() -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields
        .filter(|fields| fields[0] == ORDINARY)
        .find_map(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)));
    found.unwrap_or((65534, 65534))
}

impl Host {
    fn new(user: Option<(u32, u32)>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("mcp-sandbox-test-")
            .tempdir()
            .expect("a temporary folder");
        let host = Host { user, folder };
        host.give(host.folder.path());
        fs::create_dir(host.home()).expect("a home");
        host.give(&host.home());
        host
    }

    /// Makes the user the owner of a path.
    pub fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).expect("root gives files away");
        }
    }

    pub fn is_root(&self) -> bool {
        self.user.is_none() && is_root()
    }

    /// The user's private folder, for this test alone.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A new file of the user's.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, content).expect("the folder is writable");
        self.give(&path);
        path
    }

    /// A new folder of the user's.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::create_dir_all(&path).expect("the folder is writable");
        self.give(&path);
        path
    }

    /// Any program as this user, with a small environment and nothing on stdin.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home())
            .current_dir(self.folder())
            .stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            // The supplementary groups go too: std drops them when root changes the user.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// `mcp-sandbox run --quiet FLAGS --`: the server's words are still to come.
    pub fn run<F: AsRef<OsStr>>(&self, flags: impl IntoIterator<Item = F>) -> Command {
        let mut command = self.command(&binaries().sandbox);
        command.args(["run", "--quiet"]).args(flags).arg("--");
        command
    }

    /// The probe in the box.
    pub fn boxed<F: AsRef<OsStr>>(&self, flags: impl IntoIterator<Item = F>, attack: &[&str]) -> Answer {
        let mut command = self.run(flags);
        command.arg(&binaries().probe).args(attack);
        answer(command)
    }

    /// The probe outside, as the same user.
    pub fn bare(&self, attack: &[&str]) -> Answer {
        let mut command = self.command(&binaries().probe);
        command.args(attack);
        answer(command)
    }

    /// Another process of the same user.
    pub fn sleeper(&self) -> Sleeper {
        let mut command = self.command("sleep");
        command.arg("1000").stdout(Stdio::null()).stderr(Stdio::null());
        Sleeper(command.spawn().expect("sleep(1)"))
    }

    /// The control and the attack: what can be done outside cannot be done in the default box.
    #[track_caller]
    pub fn only_bare(&self, attack: &[&str], errno: &str) {
        self.bare(attack).done();
        self.boxed(NO_FLAGS, attack).stopped(errno);
    }
}

/// A process to be attacked; it ends with the test, whichever way that ends.
pub struct Sleeper(Child);

impl Sleeper {
    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// For a box without any flag.
pub const NO_FLAGS: [&str; 0] = [];

/// No paths of the build tree: an ordinary user may not be able to enter it.
pub struct Binaries {
    pub sandbox: PathBuf,
    pub probe: PathBuf,
    folder: PathBuf,
}

/// Cargo builds the programs of the tested package alone, so the probe's is asked for here; cargo does nothing
/// when it is up to date.
fn build_probe(wanted: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "mcp-sandbox-probe"]);
    if wanted.parent().is_some_and(|folder| folder.ends_with("release")) {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(
        built.is_ok_and(|status| status.success()) && wanted.exists(),
        "{} is not built",
        wanted.display()
    );
}

/// Both programs in a folder that every user can read, gone when the test program ends.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        end_in_time();
        let built = Path::new(env!("CARGO_BIN_EXE_mcp-sandbox"));
        let probe = built.with_file_name("mcp-sandbox-probe");
        build_probe(&probe);
        let folder = tempfile::Builder::new()
            .prefix("mcp-sandbox-bin-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .expect("a temporary folder")
            .keep();
        let place = |from: &Path, name: &str| {
            let to = folder.join(name);
            copy(from, &to);
            to
        };
        let binaries = Binaries {
            sandbox: place(built, "mcp-sandbox"),
            probe: place(&probe, "mcp-sandbox-probe"),
            folder,
        };
        // SAFETY: the function takes nothing and is called once, when the test program exits.
        unsafe { libc::atexit(remove_binaries) };
        binaries
    })
}

/// How many times slower than a usual one this machine is: an emulated one says so.
pub fn slowness() -> u32 {
    let given = std::env::var("MCP_SANDBOX_TEST_SLOWNESS").ok();
    given.map_or(1, |text| text.parse().expect("a whole number"))
}

/// A box that hangs must fail the tests, not stop them.
fn end_in_time() {
    let limit = Duration::from_secs(240) * slowness();
    let start = Instant::now();
    thread::spawn(move || {
        while let Some(left) = limit.checked_sub(start.elapsed()) {
            thread::park_timeout(left);
        }
        eprintln!("the tests took more than {limit:?}: something hangs");
        std::process::exit(101);
    });
}

extern "C" fn remove_binaries() {
    let _ = fs::remove_dir_all(&binaries().folder);
}

/// Runs to the end.
pub fn answer(mut command: Command) -> Answer {
    let output = command.output().expect("the program can be started");
    Answer::of(&output)
}

/// A word that occurs nowhere else on this machine.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut random = [0_u8; 12];
    let mut source = fs::File::open("/dev/urandom").expect("/dev/urandom");
    source.read_exact(&mut random).expect("random bytes");
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}-{}-{hex}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A pipe: the end to read from and the end to write to.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe")
}

/// Words of different kinds as one list.
pub fn words<const N: usize>(words: [&dyn AsRef<OsStr>; N]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Copies a program. By cp(1): a child that another test starts meanwhile would hold a descriptor of ours open for
/// writing, and nobody could execute the copy (ETXTBSY).
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("--")
        .args([from, to])
        .status()
        .expect("cp(1)");
    assert!(status.success(), "{} cannot be copied", from.display());
}

/// Makes `descriptor` the child's number `number`, inherited.
pub fn inherit(command: &mut Command, descriptor: OwnedFd, number: i32) {
    use nix::fcntl::{FcntlArg, fcntl};
    // Out of the way of the numbers that are asked for, this one and others.
    let high = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(300)).expect("a descriptor");
    // SAFETY: fcntl has just made it for us.
    let descriptor = unsafe { OwnedFd::from_raw_fd(high) };

    // SAFETY: dup2 is safe between fork and exec; the descriptor lives as long as the closure.
    unsafe {
        command.pre_exec(move || match libc::dup2(descriptor.as_raw_fd(), number) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
}

/// The processes whose command line holds `marker`, each as its number and its words. A zombie has no words.
pub fn processes(marker: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let line = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        words.contains(marker).then(|| format!("{pid} {words}"))
    };
    entries.filter_map(line).collect()
}

/// The processes that a process has started and that live (proc_pid_task_tid_children(5)).
pub fn children(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
    let lists = threads.map(|thread| thread.expect("a thread").path().join("children"));
    let lists = lists.map(|list| std::fs::read_to_string(list).expect("children"));
    let numbers = |list: String| -> Vec<i32> {
        let words = list.split_whitespace();
        words.map(|pid| pid.parse().expect("a number")).collect()
    };
    lists.flat_map(numbers).collect()
}

/// The kernel takes a namespace down in its own time; this is how long it may need.
#[track_caller]
pub fn gone_within_a_second(marker: &str) {
    let deadline = Instant::now() + Duration::from_secs(1) * slowness();
    loop {
        let left = processes(marker);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        thread::yield_now();
    }
}
