//! The relay on loopback, and its pure parts without a kernel.

mod book;
mod bulk;
mod clients;
mod ends;
mod judged;
mod machine;

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrStorage, bind, connect, getsockname, socket,
};

use super::Inspector;
use crate::net::Name;
use crate::net::inspect::Reason;

/// Longer than anything that is waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// The name that connections are opened for.
const NAME: &str = "api.example";

/// A request for it.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: api.example\r\n\r\n";

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A relay, and the host behind it.
struct Bench {
    inspector: Inspector,
    relay: SocketAddr,
    host: TcpListener,
    refused: Receiver<(Name, u16, Reason)>,
}

impl Bench {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = listener.local_addr().unwrap();
        let (report, refused) = channel();
        let on_refused = move |name: &Name, port, reason| report.send((name.clone(), port, reason)).unwrap();
        Bench {
            inspector: Inspector::start(OwnedFd::from(listener), on_refused).unwrap(),
            relay,
            host: TcpListener::bind("127.0.0.1:0").unwrap(),
            refused,
        }
    }

    fn host_address(&self) -> SocketAddr {
        self.host.local_addr().unwrap()
    }

    fn expect_from(&self, peer: SocketAddr) {
        let addresses = vec![self.host_address()];
        assert!(self.inspector.expect(peer, name(NAME), 80, addresses));
    }

    /// A client's connection that was announced beforehand.
    fn client(&self) -> TcpStream {
        let (socket, peer) = bound();
        self.expect_from(peer);
        self.connect(socket)
    }

    fn connect(&self, socket: OwnedFd) -> TcpStream {
        connect(socket.as_raw_fd(), &SockaddrStorage::from(self.relay)).unwrap();
        let client = TcpStream::from(socket);
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client
    }

    fn accept(&self) -> TcpStream {
        let (host, _) = self.host.accept().unwrap();
        host.set_read_timeout(Some(LIMIT)).unwrap();
        host
    }

    /// Both ends of a connection through the relay, after the first request has passed.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let mut client = self.client();
        std::io::Write::write_all(&mut client, REQUEST).unwrap();
        let mut host = self.accept();
        assert_eq!(exactly(&mut host, REQUEST.len()), REQUEST);
        (client, host)
    }

    fn refusal(&self) -> Reason {
        let (name, port, reason) = self.refused.recv_timeout(LIMIT).unwrap();
        assert_eq!((name.as_str(), port), (NAME, 80));
        reason
    }

    /// That no connection has reached the host, and none will: to be asked when the relay has ended it.
    fn assert_host_untouched(&self) {
        self.host.set_nonblocking(true).unwrap();
        assert_eq!(self.host.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        self.host.set_nonblocking(false).unwrap();
    }
}

/// A socket with an address of its own, not connected yet.
fn bound() -> (OwnedFd, SocketAddr) {
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    let own: SockaddrIn = getsockname(fd.as_raw_fd()).unwrap();
    let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, own.port());
    (fd, peer.into())
}

fn exactly(from: &mut impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

/// Waits for the end of a connection; whether it was a reset.
fn ends_in_reset(mut stream: &TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return true,
            Err(error) => panic!("{error}"),
        }
    }
}
