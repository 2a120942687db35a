//! Sockets of the machine's network that a process outside hands to the server.

use std::net::{TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socket};

use crate::common::hosts;
use crate::scripts::{bare, boxed};
use crate::world::{GREETER, HOST, internet};

/// Gives everybody who connects two new TCP sockets, a connected one, and one for datagrams.
fn give_away(path: &Path) {
    let listener = UnixListener::bind(path).expect("a listener");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tcp = || {
                let family = AddressFamily::Inet;
                socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket")
            };
            let connected = TcpStream::connect((HOST, GREETER)).expect("a connection");
            let datagrams = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            let unbound: OwnedFd = datagrams.into();
            let sockets = [tcp(), tcp(), connected.into(), unbound];
            let numbers = sockets.each_ref().map(|socket| socket.as_raw_fd());
            let rights = [ControlMessage::ScmRights(&numbers)];
            let bytes = [std::io::IoSlice::new(b"x")];
            let _ = sendmsg::<()>(stream.as_raw_fd(), &bytes, &rights, MsgFlags::empty(), None);
        }
    });
}

/// Whoever mounts a folder with a socket in it lets the server talk to what listens there, and that may hand it sockets.
/// They lead nowhere but where the rules allow.
#[test]
fn a_socket_of_the_machine_is_of_no_use() {
    internet();
    for host in hosts() {
        let folder = host.directory("shared");
        let path = folder.join("socket");
        give_away(&path);
        host.give(&path);
        let script = format!("PATH = {path:?}\n{}", include_str!("scripts/received.py"));
        bare(&host, &script).is(&[
            ("new, connect", "hello from 11.11.2.1"),
            ("new, bind", "bound"),
            ("new, listen", "listening"),
            ("connected, disconnect", "disconnected"),
            ("connected, connect", "hello from 11.11.2.1"),
            ("connected, listen", "EINVAL"),
            ("datagrams, connect", "connected"),
            ("datagrams, bind", "EINVAL"),
        ]);
        let folder = folder.to_str().expect("UTF-8");
        let flags = ["--read", folder, "--allow", "api.test:7000"];
        boxed(&host, &flags, &script).is(&[
            ("new, connect", "ENETUNREACH"),
            ("new, bind", "EACCES"),
            ("new, listen", "EACCES"),
            ("connected, disconnect", "EAFNOSUPPORT"),
            ("connected, connect", "EISCONN"),
            ("connected, listen", "EACCES"),
            ("datagrams, connect", "EACCES"),
            ("datagrams, bind", "EACCES"),
        ]);
    }
}
