//! Secrets of the client's environment and command line (bubblewrap and codex leak them in /proc/1/environ).

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Stdio};

use crate::common::{Host, NO_FLAGS, answer, binaries, hosts, is_root, unique};

#[test]
fn only_what_is_passed_is_in_the_environment() {
    for host in hosts() {
        let (secret, wanted) = (unique("secret"), unique("wanted"));
        let run = |flags: &[&str]| {
            let mut command = host.run(flags);
            command
                .env("API_KEY", &secret)
                .env("WANTED", &wanted)
                .env("LD_PRELOAD", "/x")
                .env("NODE_OPTIONS", "-x");
            command.env("PYTHONPATH", "/x").env("BASH_ENV", "/x");
            command.arg(&binaries().probe).arg("environment");
            answer(command).done()
        };
        let environment = run(&["--env", "WANTED"]);
        assert!(!environment.contains(&secret), "{environment}");
        assert!(environment.contains(&wanted), "{environment}");
        for name in ["LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH", "BASH_ENV", "API_KEY"] {
            assert!(!environment.contains(&format!("{name}=")), "{environment}");
        }
        assert!(run(&["--env", "API_KEY"]).contains(&secret));
    }
}

/// Every process there is in the box, by every file that could show a string of the client's.
#[test]
fn no_process_of_the_box_shows_the_clients_environment_or_command_line() {
    for host in hosts() {
        let (secret, argument) = (unique("secret"), unique("argument"));
        let mut command = host.run(["--env", &format!("PASSED={argument}")]);
        let files = "cat /proc/*/environ /proc/*/cmdline /proc/*/comm /proc/*/auxv 2>/dev/null; true";
        command.env("API_KEY", &secret).args(["sh", "-c", files]);
        let output = command.output().expect("the sandbox");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains(&secret), "{text}");
        // The shell's own environment: the control that this search finds what is there.
        assert!(text.contains(&argument), "{text}");
        host.boxed(NO_FLAGS, &["read", "/proc/1/environ"])
            .stopped("EACCES");
        let words = host.boxed(NO_FLAGS, &["read", "/proc/1/cmdline"]).done();
        assert!(words.chars().all(|char| char == '\0'), "{words:?}");
    }
}

/// A server that runs until its stdin ends.
struct Running {
    supervisor: Child,
    init: i32,
}

impl Running {
    fn start(host: &Host, secret: &str, passed: &str) -> Self {
        let mut command = host.run(["--env", &format!("PASSED={passed}")]);
        command
            .env("API_KEY", secret)
            .args(["sh", "-c", "echo ready; read line"]);
        let mut supervisor = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox");
        let mut ready = [0; 6];
        supervisor
            .stdout
            .as_mut()
            .expect("a pipe")
            .read_exact(&mut ready)
            .expect("the server runs");
        let pid = supervisor.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("children");
        // Init has a number in a PID namespace of its own as well.
        let is_init = |child: &&str| {
            let status = fs::read_to_string(format!("/proc/{child}/status")).expect("status");
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            numbers.is_some_and(|numbers| numbers.split_whitespace().count() > 1)
        };
        let init = children.split_whitespace().find(is_init).expect("init");
        let init = init.parse().expect("a number");
        Running { supervisor, init }
    }

    fn stop(mut self) {
        let _ = self.supervisor.stdin.take().expect("a pipe").write_all(b"\n");
        self.supervisor.wait().expect("the child is ours");
    }
}

/// Only root can look into a process that is not dumpable.
#[test]
fn as_root_inits_memory_holds_no_secret() {
    if !is_root() {
        return;
    }
    for host in hosts() {
        let (secret, passed) = (unique("secret"), unique("passed"));
        let running = Running::start(&host, &secret, &passed);
        let strings = |pid: i32, file: &str| fs::read(format!("/proc/{pid}/{file}")).expect("root reads it");
        for file in ["environ", "cmdline"] {
            let bytes = strings(running.init, file);
            assert!(
                bytes.iter().all(|byte| *byte == 0),
                "{file}: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
        assert_eq!(found_in_memory(running.init, &secret), Vec::<String>::new());
        // The supervisor outside holds it: the search finds what is there.
        let supervisor = running.supervisor.id() as i32;
        assert!(!found_in_memory(supervisor, &secret).is_empty());
        running.stop();
    }
}

/// The mappings of a process that hold the text.
fn found_in_memory(pid: i32, text: &str) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("root reads the maps");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root reads the memory");
    let holds = |line: &&str| {
        let (range, rest) = line.split_once(' ').expect("a range");
        let (start, end) = range.split_once('-').expect("a range");
        let number = |text| u64::from_str_radix(text, 16).expect("hexadecimal");
        let (start, end) = (number(start), number(end));
        let mut bytes = vec![0; (end - start) as usize];
        let readable = rest.starts_with('r') && memory.read_exact_at(&mut bytes, start).is_ok();
        readable && bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    maps.lines().filter(holds).map(str::to_owned).collect()
}
