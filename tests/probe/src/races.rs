//! Arguments that change while a system call is judged: the bytes of an address, the socket behind a number; callers
//! that are killed or interrupted meanwhile.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net as unix;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::swapped::{at, connect, inet, stopped, tcp_socket};
use crate::sys::{address, call, descriptor};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "race-connect",
        words: "ALLOWED OTHER MILLISECONDS",
        run: race_connect,
    },
    Attack {
        name: "race-bind",
        words: "FULL MILLISECONDS",
        run: race_bind,
    },
    Attack {
        name: "race-listen",
        words: "FULL MILLISECONDS",
        run: race_listen,
    },
    Attack {
        name: "killed-callers",
        words: "ALLOWED MILLISECONDS",
        run: killed_callers,
    },
    Attack {
        name: "crowd",
        words: "ALLOWED COUNT",
        run: crowd,
    },
    Attack {
        name: "connect-flood",
        words: "ALLOWED OTHER COUNT",
        run: connect_flood,
    },
    Attack {
        name: "made-to-block",
        words: "ALLOWED",
        run: made_to_block,
    },
    Attack {
        name: "held-sockets",
        words: "ALLOWED COUNT",
        run: held_sockets,
    },
];

/// The number that the racing calls are made with.
const NUMBER: RawFd = 200;

/// Until when, by the word at `index`.
fn deadline(words: &Words, index: usize) -> io::Result<Instant> {
    Ok(Instant::now() + Duration::from_millis(words.number(index)?))
}

/// Works while another thread does something again and again, which it has done once by then.
fn while_repeated<T>(mut again: impl FnMut() + Send, work: impl FnOnce() -> T) -> T {
    let (begun, over) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            again();
            begun.wait();
            while !over.load(Ordering::Relaxed) {
                again();
            }
        });
        begun.wait();
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// Works while `NUMBER` is each of these in turn.
fn while_swapped<T>(among: &[RawFd], work: impl FnOnce() -> T) -> T {
    let in_turn = || {
        for fd in among {
            let _ = call(libc::SYS_dup2, &[*fd as u64, NUMBER as u64]);
        }
    };
    while_repeated(in_turn, work)
}

/// Works while what is shared changes from one to the other.
fn while_changed<T>(shared: &Shared, between: [[u8; 8]; 2], work: impl FnOnce() -> T) -> T {
    let mut turn = 0_u32;
    let in_turn = || {
        // An emulator interrupts a loop at few places: each must be what stands there at some of them.
        for bytes in between {
            shared.set(bytes);
            (0..turn % 16).for_each(|_| black_box(()));
        }
        turn = turn.wrapping_add(1);
    };
    while_repeated(in_turn, work)
}

/// An address in two words, so that a change of it is one store and never torn.
struct Shared([AtomicU64; 2]);

impl Shared {
    fn new() -> Self {
        Shared([const { AtomicU64::new(0) }; 2])
    }

    /// Sets the first eight bytes: family, port and IPv4 address, or the beginning of a path.
    fn set(&self, bytes: [u8; 8]) {
        self.0[0].store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
    }
}

fn first_bytes(to: &libc::sockaddr_in) -> [u8; 8] {
    let [a, b] = to.sin_family.to_ne_bytes();
    let [c, d] = to.sin_port.to_ne_bytes();
    let [e, f, g, h] = to.sin_addr.s_addr.to_ne_bytes();
    [a, b, c, d, e, f, g, h]
}

/// Everything that was read over connections whose address changed while they were made, and whose number led to one of
/// two sockets, a pipe or nothing.
fn race_connect(words: &Words) -> Evidence {
    let (allowed, other) = (at(words, 0)?, at(words, 1)?);
    let end = deadline(words, 2)?;
    let shared = Shared::new();
    let mut heard = BTreeSet::new();
    let (pipe, _writer) = io::pipe()?;
    let rounds = || -> io::Result<()> {
        while Instant::now() < end {
            let sockets = [tcp_socket()?, tcp_socket()?];
            let numbers = [sockets[0].as_raw_fd(), pipe.as_raw_fd(), sockets[1].as_raw_fd()];
            while_swapped(&numbers, || {
                let arguments = [NUMBER as u64, address(&shared.0), 16];
                (0..20).any(|_| call(libc::SYS_connect, &arguments).is_ok())
            });
            let all = sockets.iter().map(std::os::fd::AsRawFd::as_raw_fd);
            heard.extend(all.chain([NUMBER]).filter_map(said));
            call(libc::SYS_close, &[NUMBER as u64])?;
        }
        Ok(())
    };
    while_changed(&shared, [&allowed, &other].map(first_bytes), rounds)?;
    Ok(heard.into_iter().collect::<Vec<_>>().join(" "))
}

/// What the other side of a socket says, if there is one.
fn said(fd: RawFd) -> Option<String> {
    let copy = call(libc::SYS_dup, &[fd as u64]).ok()?;
    // SAFETY: dup has just made it for us.
    let mut stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(copy as RawFd) });
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let mut text = String::new();
    stream.peer_addr().ok()?;
    stream.read_to_string(&mut text).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

/// bind(2) by a number that is a Unix socket one moment and a stopped one the next.
fn race_bind(words: &Words) -> Evidence {
    let (target, end) = (stopped(words)?, deadline(words, 1)?);
    let before = own_port(&target);
    let shared = Shared::new();
    let unix = descriptor(
        libc::SYS_socket,
        &[libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0],
    )?;
    let numbers = [unix.as_raw_fd(), target.as_raw_fd()];
    // A path whose folder is missing, so that nothing is left behind.
    let path = [libc::AF_UNIX as u8, 0, b'/', b'-', b'/', b'-', 0, 0];
    let any = first_bytes(&inet([0; 4], 0));
    let until_bound = || {
        let mut bound = false;
        while Instant::now() < end && !bound {
            let _ = call(libc::SYS_bind, &[NUMBER as u64, address(&shared.0), 16]);
            bound = own_port(&target) != before;
        }
        bound
    };
    let bound = while_changed(&shared, [any, path], || while_swapped(&numbers, until_bound));
    Ok(if bound { "bound" } else { "held" }.into())
}

/// In network order.
fn own_port(socket: &OwnedFd) -> Option<u16> {
    let mut place = inet([0; 4], 0);
    let mut length = size_of::<libc::sockaddr_in>() as u32;
    let arguments = [
        socket.as_raw_fd() as u64,
        (&raw mut place) as u64,
        (&raw mut length) as u64,
    ];
    call(libc::SYS_getsockname, &arguments)
        .ok()
        .map(|_| place.sin_port)
}

/// listen(2) by a number that is a socket of ours one moment and a stopped one the next.
fn race_listen(words: &Words) -> Evidence {
    let (target, end) = (stopped(words)?, deadline(words, 1)?);
    let own = tcp_socket()?;
    let listens = while_swapped(&[own.as_raw_fd(), target.as_raw_fd()], || {
        let mut listens = false;
        while Instant::now() < end && !listens {
            let _ = call(libc::SYS_listen, &[NUMBER as u64, 1]);
            listens = is_listening(&target);
        }
        listens
    });
    Ok(if listens { "listening" } else { "held" }.into())
}

fn is_listening(socket: &OwnedFd) -> bool {
    option(socket.as_raw_fd(), libc::SO_ACCEPTCONN).is_ok_and(|value| value != 0)
}

/// An option of SOL_SOCKET that is an int.
fn option(fd: RawFd, name: i32) -> io::Result<i32> {
    let (mut value, mut length) = (0_i32, 4_u32);
    let arguments = [
        fd as u64,
        libc::SOL_SOCKET as u64,
        name as u64,
        (&raw mut value) as u64,
        (&raw mut length) as u64,
    ];
    call(libc::SYS_getsockopt, &arguments).map(|_| value)
}

extern "C" fn nothing(_: libc::c_int) {}

/// Children that connect again and again, some by one shared socket, are interrupted and killed in the middle. Then a
/// last connection.
fn killed_callers(words: &Words) -> Evidence {
    let (to, end) = (at(words, 0)?, deadline(words, 1)?);
    let shared = tcp_socket()?;
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGUSR1, nothing as *const () as libc::sighandler_t) };
    let mut turn = 0_u64;
    while Instant::now() < end {
        let children: Vec<i32> = (0..8)
            .filter_map(|at| caller(&shared, &to, at % 2 == 0))
            .collect();
        for child in &children {
            turn += 1;
            thread::sleep(Duration::from_micros(turn * 37 % 700));
            let _ = call(libc::SYS_kill, &[*child as u64, libc::SIGUSR1 as u64]);
        }
        for child in children {
            turn += 1;
            thread::sleep(Duration::from_micros(turn * 53 % 300));
            let _ = call(libc::SYS_kill, &[child as u64, libc::SIGKILL as u64]);
            let _ = call(libc::SYS_wait4, &[child as u64, 0, 0, 0]);
        }
    }
    let last = tcp_socket()?;
    connect(&last, &to)?;
    said(last.as_raw_fd()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOTCONN))
}

/// A child that connects until it is killed.
fn caller(shared: &OwnedFd, to: &libc::sockaddr_in, by_shared: bool) -> Option<i32> {
    // SAFETY: this process has one thread, and the child makes system calls alone.
    match unsafe { libc::fork() } {
        0 => loop {
            match tcp_socket() {
                Ok(own) => drop(connect(if by_shared { shared } else { &own }, to)),
                // SAFETY: ends this process without running anything of the parent's.
                Err(_) => unsafe { libc::_exit(1) },
            }
        },
        child => (child > 0).then_some(child),
    }
}

/// Threads that wait for a Unix listener without room, all but those that are told EMFILE. Then a connection to somewhere
/// else, and a socket that listens. Tells how many were refused.
fn crowd(words: &Words) -> Evidence {
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    let count = words.number(1)?;
    let name = format!("crowd-{}", std::process::id());
    let address = unix::SocketAddr::from_abstract_name(&name)?;
    let listener = unix::UnixListener::bind_addr(&address)?;
    call(libc::SYS_listen, &[listener.as_raw_fd() as u64, 0])?;
    for _ in 0..count {
        let address = address.clone();
        let wait = move || {
            let result = unix::UnixStream::connect_addr(&address);
            let refused = matches!(&result, Err(error) if error.raw_os_error() == Some(libc::EMFILE));
            REFUSED.fetch_add(refused.into(), Ordering::Relaxed);
            thread::park();
        };
        thread::Builder::new().stack_size(64 << 10).spawn(wait)?;
    }
    thread::sleep(Duration::from_millis(500));
    let socket = tcp_socket()?;
    connect(&socket, &at(words, 0)?)?;
    call(libc::SYS_listen, &[tcp_socket()?.as_raw_fd() as u64, 1])?;
    said(socket.as_raw_fd()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOTCONN))?;
    Ok(REFUSED.load(Ordering::Relaxed).to_string())
}

/// Connects to a listener of its own without room, by sockets that another thread lets block again and again, until a call
/// of a third thread has to wait. Then a connection to somewhere else. Tells what it heard there, and whether one waited.
fn made_to_block(words: &Words) -> Evidence {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    call(libc::SYS_listen, &[listener.as_raw_fd() as u64, 0])?;
    let full = inet([127, 0, 0, 1], listener.local_addr()?.port());
    // One is taken in, and nobody is answered from then on.
    let _first = TcpStream::connect(listener.local_addr()?)?;
    let own = tcp_socket()?;
    let current = AtomicI32::new(-1);
    let let_block = || {
        let fd = current.load(Ordering::Relaxed) as u64;
        let _ = call(libc::SYS_fcntl, &[fd, libc::F_SETFL as u64, 0]);
    };
    let until_waited = || -> io::Result<bool> {
        let mut waited = false;
        for _ in 0..100 {
            let socket = tcp_socket()?;
            current.store(socket.as_raw_fd(), Ordering::Relaxed);
            thread::Builder::new()
                .stack_size(64 << 10)
                .spawn(move || connect(&socket, &full))?;
            thread::sleep(Duration::from_millis(5));
            let begun = Instant::now();
            call(libc::SYS_listen, &[own.as_raw_fd() as u64, 1])?;
            waited = begun.elapsed() > Duration::from_millis(50);
            if waited {
                break;
            }
        }
        Ok(waited)
    };
    let waited = while_repeated(let_block, until_waited)?;
    let last = tcp_socket()?;
    connect(&last, &at(words, 0)?)?;
    let word = said(last.as_raw_fd()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOTCONN))?;
    Ok(format!("{word} {waited}"))
}

/// Four threads connect to the other address as fast as they can, while the main one connects to the allowed one. Tells how
/// many calls failed, how many connections the main thread made, and the milliseconds that it took.
fn connect_flood(words: &Words) -> Evidence {
    const THREADS: u64 = 4;
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    let (allowed, other, count) = (at(words, 0)?, at(words, 1)?, words.number(2)?);
    let flood = move || -> io::Result<()> {
        for _ in 0..count / THREADS {
            let refused = connect(&tcp_socket()?, &other).is_err();
            REFUSED.fetch_add(refused.into(), Ordering::Relaxed);
        }
        Ok(())
    };
    let start = Instant::now();
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(flood)).collect();
    let mut served = 0;
    while served == 0 || threads.iter().any(|thread| !thread.is_finished()) {
        let socket = tcp_socket()?;
        connect(&socket, &allowed)?;
        // A slow machine may have no time for the one who greets.
        served += u64::from(said(socket.as_raw_fd()).is_some());
    }
    let took = start.elapsed().as_millis();
    threads
        .into_iter()
        .try_for_each(|thread| thread.join().expect("it does not panic"))?;
    Ok(format!("{} {served} {took}", REFUSED.load(Ordering::Relaxed)))
}

/// Connects sockets that another thread is in the middle of a call on. Tells how many were connected; the program is
/// killed after a while where one is not answered.
fn held_sockets(words: &Words) -> Evidence {
    let (to, count) = (at(words, 0)?, words.number(1)?);
    // SAFETY: takes a number.
    unsafe { libc::alarm(100) };
    let current = AtomicI32::new(-1);
    let hold = || {
        let _ = option(current.load(Ordering::Relaxed), libc::SO_TYPE);
    };
    let connect_all = || -> io::Result<()> {
        for _ in 0..count {
            let socket = tcp_socket()?;
            current.store(socket.as_raw_fd(), Ordering::Relaxed);
            connect(&socket, &to)?;
        }
        Ok(())
    };
    while_repeated(hold, connect_all)?;
    Ok(count.to_string())
}
