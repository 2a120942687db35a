//! The relay of `inspect = "sni"` when descriptors run out, and when nothing happens. In a program of its own: the
//! limit and the clock are those of the process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests count as none for clippy.toml

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_sandbox_platform::linux::Inspector;
use mcp_sandbox_platform::net::Name;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: api.example\r\n\r\n";

/// Longer than anything that is waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Bench {
    inspector: Inspector,
    relay: SocketAddr,
    host: TcpListener,
}

impl Bench {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Bench {
            relay: listener.local_addr().unwrap(),
            inspector: Inspector::start(OwnedFd::from(listener), |_, _, _| {}).unwrap(),
            host: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    fn announce(&self, client: &TcpStream) {
        let name = Name::parse("api.example").unwrap();
        let host = self.host.local_addr().unwrap();
        assert!(
            self.inspector
                .expect(client.local_addr().unwrap(), name, 80, vec![host])
        );
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.relay).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client
    }

    fn pair(&self) -> (TcpStream, TcpStream) {
        let mut client = self.client();
        self.announce(&client);
        client.write_all(REQUEST).unwrap();
        let mut host = self.host.accept().unwrap().0;
        host.read_exact(&mut [0; REQUEST.len()]).unwrap();
        (client, host)
    }
}

fn is_reset(client: &mut TcpStream) -> bool {
    client
        .read(&mut [0])
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// Lets the process open so many descriptors more than are open now; the rest of the room is taken away.
fn leave_room(count: u64) {
    let highest = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, highest + count, hard).unwrap();
}

/// Opens files until no more can be.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// What the thread of the relay has used of a processor so far, in ticks of 10 ms, and how often it ran.
fn used() -> (u64, u64) {
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        if std::fs::read_to_string(task.join("comm")).unwrap().trim() == "inspect" {
            let stat = std::fs::read_to_string(task.join("stat")).unwrap();
            let behind_name: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            let ticks = [11, 12].map(|at| behind_name[at].parse::<u64>().unwrap());
            let runs = std::fs::read_to_string(task.join("schedstat")).unwrap();
            let runs = runs.split_whitespace().nth(2).unwrap().parse().unwrap();
            return (ticks.iter().sum(), runs);
        }
    }
    panic!("no thread of the relay");
}

#[test]
fn without_descriptors_connections_are_reset_and_those_that_are_open_go_on() {
    let _alone = alone();
    let bench = Bench::new();
    let (mut client, mut host) = bench.pair();
    let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    leave_room(40);
    let mut held = take_all();
    for _ in 0..20 {
        // Room for the client's own socket, and for nothing at the relay.
        drop(held.pop());
        let mut late = bench.client();
        assert!(is_reset(&mut late));
        drop(late);
        held.extend(take_all());
        client.write_all(b"still").unwrap();
        host.read_exact(&mut [0; 5]).unwrap();
    }
    drop(held);
    setrlimit(Resource::RLIMIT_NOFILE, before.0, before.1).unwrap();
    drop(bench.pair());
}

#[test]
fn nothing_is_done_while_nothing_happens_and_while_a_side_takes_nothing() {
    let _alone = alone();
    let bench = Bench::new();
    let idle: Vec<_> = (0..50).map(|_| bench.pair()).collect();
    let (client, host) = bench.pair();
    client.set_nonblocking(true).unwrap();
    while std::iter::repeat_with(|| (&client).write(&[0; 65536]))
        .take_while(Result::is_ok)
        .count()
        > 0
    {
        std::thread::sleep(Duration::from_millis(200));
    }
    let (ticks, runs) = used();
    std::thread::sleep(Duration::from_secs(1));
    let (ticks_after, runs_after) = used();
    assert!(
        ticks_after - ticks <= 1 && runs_after - runs <= 5,
        "{} runs",
        runs_after - runs
    );
    drop((idle, host));
}
