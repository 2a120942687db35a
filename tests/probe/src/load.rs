//! A fast client and a fast server, to measure how quickly connections are made and bytes arrive.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::call;
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "serve-load",
        words: "PORT",
        run: serve,
    },
    Attack {
        name: "connections",
        words: "HOST:PORT THREADS COUNT",
        run: |words| per_second(words, |to| TcpStream::connect(to).map(drop)),
    },
    Attack {
        name: "requests",
        words: "HOST:PORT THREADS COUNT",
        run: |words| per_second(words, request),
    },
    Attack {
        name: "download",
        words: "HOST:PORT",
        run: download,
    },
];

/// What a download has.
const BYTES: u64 = 1 << 30;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

/// Takes connections at PORT and closes them, answers in HTTP at the next port, and sends much at the one after that, until
/// stdin ends.
fn serve(words: &Words) -> Evidence {
    let port = words.number(0)? as u16;
    let services: [fn(TcpStream) -> io::Result<()>; 3] = [|_| Ok(()), answer, send];
    for (port, service) in (port..).zip(services) {
        let listener = TcpListener::bind(("0.0.0.0", port))?;
        // Room for all that a client opens in a round; without it some would wait a second to try again.
        call(libc::SYS_listen, &[listener.as_raw_fd() as u64, 4096])?;
        // More than one, so that accepting is not what is measured.
        for _ in 0..2 {
            let listener = listener.try_clone()?;
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let _ = service(stream);
                }
            });
        }
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok("served".into())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let _ = stream.read(&mut [0; 1024])?;
    stream.write_all(ANSWER)?;
    stream.shutdown(Shutdown::Write)?;
    stream.read(&mut [0]).map(drop)
}

fn send(mut stream: TcpStream) -> io::Result<()> {
    let bytes = vec![b'x'; 1 << 20];
    for _ in 0..BYTES / bytes.len() as u64 {
        stream.write_all(&bytes)?;
    }
    Ok(())
}

fn request(to: std::net::SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n")?;
    let mut bytes = Vec::with_capacity(256);
    stream.read_to_end(&mut bytes)?;
    match bytes == ANSWER {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::EIO)),
    }
}

/// How often `once` can be done in a second by so many threads.
fn per_second(words: &Words, once: fn(std::net::SocketAddr) -> io::Result<()>) -> Evidence {
    let to = resolved(words)?;
    let (threads, count) = (words.number(1)?, words.number(2)?);
    let start = Instant::now();
    thread::scope(|scope| {
        let work = move || (0..count / threads).try_for_each(|_| once(to));
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let panicked = |_| Err(io::Error::from_raw_os_error(libc::ECHILD));
        running
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(panicked))
    })?;
    let done = count / threads * threads;
    Ok(format!("{:.1}", done as f64 / seconds(start.elapsed())))
}

/// Megabytes per second.
fn download(words: &Words) -> Evidence {
    let to = resolved(words)?;
    let start = Instant::now();
    let mut stream = TcpStream::connect(to)?;
    let mut bytes = vec![0; 256 << 10];
    let mut received = 0;
    loop {
        match stream.read(&mut bytes)? {
            0 => break,
            length => received += length as u64,
        }
    }
    if received != BYTES {
        return Err(io::Error::from_raw_os_error(libc::EIO));
    }
    Ok(format!("{:.1}", received as f64 / 1e6 / seconds(start.elapsed())))
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn resolved(words: &Words) -> io::Result<std::net::SocketAddr> {
    let mut found = words.text(0)?.to_socket_addrs()?;
    found
        .next()
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
}
