//! Hosts of the tests on the loopback: some that greet, some where nobody listens.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::thread;

/// A listener on the host's loopback that greets everybody with `word`; its address.
pub fn greeter(word: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    let word = word.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let word = word.clone();
            thread::spawn(move || greet(stream, &word));
        }
    });
    address
}

/// Reads on to the end: closing with data unread would reset the connection.
fn greet(mut stream: TcpStream, word: &str) {
    let _ = stream.write_all(word.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

/// An address of the loopback that refuses, and what keeps it from being anybody's.
pub fn closed_port() -> (String, OwnedFd) {
    // SAFETY: takes three numbers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0, "a socket");
    // SAFETY: socket has just made it for us.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut at = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    let mut length = size_of::<libc::sockaddr_in>() as u32;
    // SAFETY: the calls read and write one address, which lives across them.
    let result = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const at).cast(), length)
            | libc::getsockname(socket.as_raw_fd(), (&raw mut at).cast(), &raw mut length)
    };
    assert_eq!(result, 0, "a port");
    (format!("127.0.0.1:{}", u16::from_be(at.sin_port)), socket)
}
