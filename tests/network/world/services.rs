//! What the hosts of the internet serve, all of them alike: each service waits at every address.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::HOST;

/// Says `hello from ADDRESS` and ends.
pub const GREETER: u16 = 7000;
/// Sends back what it gets.
const ECHO: u16 = 7001;
/// A greeter at [`HOST`] alone.
const LONE: u16 = 7100;
/// Says what a server of that kind says first.
const SSH: u16 = 22;
const POSTGRES: u16 = 5432;
/// Greets whoever asks in HTTP.
const HTTP: u16 = 80;
/// Datagrams to these are heard.
const DATAGRAMS: [u16; 3] = [53, 443, GREETER];

/// How many connections the greeter leaves open, so that thousands can be open at once.
const HELD: usize = 2500;

/// What has arrived that no test expects.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<Vec<u8>>>>);

impl Heard {
    /// Whether a datagram that holds `word` has arrived.
    pub fn datagram(&self, word: &str) -> bool {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard
            .iter()
            .any(|datagram| String::from_utf8_lossy(datagram).contains(word))
    }

    fn add(&self, datagram: &[u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(datagram.to_vec());
    }
}

/// Starts all of them in the namespace of this thread.
pub fn start() -> Heard {
    let everywhere = |port| listen("::", port);
    let lone = listen(&HOST.to_string(), LONE);
    for listener in [everywhere(GREETER), lone] {
        thread::spawn(move || greet(&listener));
    }
    for (port, serve) in [
        (ECHO, echo as fn(TcpStream)),
        (HTTP, http),
        (SSH, ssh),
        (POSTGRES, postgres),
    ] {
        let listener = everywhere(port);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream));
            }
        });
    }
    let heard = Heard::default();
    for port in DATAGRAMS {
        // The name server has port 53 of its own address.
        let Ok(socket) = UdpSocket::bind((IpAddr::from(HOST), port)) else {
            panic!("port {port} of our own namespace")
        };
        let heard = heard.clone();
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            while let Ok((length, peer)) = socket.recv_from(&mut datagram) {
                heard.add(&datagram[..length]);
                let _ = socket.send_to(b"heard", peer);
            }
        });
    }
    heard
}

/// Room for thousands that come at once; the standard library's listeners have it for 128.
fn listen(address: &str, port: u16) -> TcpListener {
    let listener = TcpListener::bind((address, port)).expect("a port of our own namespace");
    // SAFETY: takes two numbers.
    unsafe { libc::listen(listener.as_raw_fd(), 4096) };
    listener
}

/// Never waits for a client, and reads nothing from it.
fn greet(listener: &TcpListener) {
    let mut held = VecDeque::new();
    for mut stream in listener.incoming().flatten() {
        let _ = stream.write_all(greeting(&stream).as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        held.push_back(stream);
        if held.len() > HELD {
            held.pop_front();
        }
    }
}

fn greeting(stream: &TcpStream) -> String {
    let address = stream.local_addr().map(canonical);
    address.map_or_else(|error| error.to_string(), |ip| format!("hello from {ip}"))
}

fn canonical(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

fn http(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut bytes = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(length @ 1..) => request.extend(&bytes[..length]),
            _ => return,
        }
    }
    let body = greeting(&stream);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
}

fn ssh(mut stream: TcpStream) {
    let _ = stream.write_all(b"SSH-2.0-fake_of_the_tests\r\n");
    let mut line = [0; 256];
    let _ = stream.read(&mut line);
}

/// No TLS (`N`), then an error in place of the answer to the first message.
fn postgres(mut stream: TcpStream) {
    const TLS_ASKED: [u8; 4] = 80_877_103_u32.to_be_bytes();
    let mut bytes = [0; 1024];
    while let Ok(length @ 8..) = stream.read(&mut bytes) {
        if bytes[4..8] == TLS_ASKED && length == 8 {
            let _ = stream.write_all(b"N");
            continue;
        }
        let fields = format!("SFATAL\0C28000\0M{}\0\0", greeting(&stream));
        let mut message = vec![b'E'];
        message.extend((fields.len() as u32 + 4).to_be_bytes());
        message.extend(fields.as_bytes());
        let _ = stream.write_all(&message);
        return;
    }
}
