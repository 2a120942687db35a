//! Sockets: families, the host's loopback and its Unix sockets, descriptors that are sockets already.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net as unix;

use crate::sys::{address, call, descriptor};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "socket",
        words: "FAMILY TYPE PROTOCOL",
        run: socket,
    },
    Attack {
        name: "tcp",
        words: "ADDRESS:PORT",
        run: tcp,
    },
    Attack {
        name: "udp",
        words: "ADDRESS:PORT",
        run: udp,
    },
    Attack {
        name: "abstract",
        words: "NAME",
        run: abstract_socket,
    },
    Attack {
        name: "unix",
        words: "PATH",
        run: |words| greet(unix::UnixStream::connect(words.path(0)?)?),
    },
    Attack {
        name: "reconnect-stdin",
        words: "ADDRESS:PORT",
        run: reconnect_stdin,
    },
    Attack {
        name: "disconnect-stdin",
        words: "",
        run: |_| disconnect(0),
    },
    Attack {
        name: "accept-stdin",
        words: "",
        run: |_| descriptor(libc::SYS_accept4, &[0, 0, 0, 0]).map(|_| "accepted".into()),
    },
];

fn socket(words: &Words) -> Evidence {
    let arguments = [words.number(0)?, words.number(1)?, words.number(2)?];
    descriptor(libc::SYS_socket, &arguments).map(|_| "socket".into())
}

fn tcp(words: &Words) -> Evidence {
    greet(TcpStream::connect(socket_address(words)?)?)
}

/// What the other side says first.
fn greet(mut stream: impl io::Read) -> Evidence {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn udp(words: &Words) -> Evidence {
    let to = socket_address(words)?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from)?;
    socket.send_to(b"probe", to).map(|sent| format!("sent {sent}"))
}

fn abstract_socket(words: &Words) -> Evidence {
    let name = unix::SocketAddr::from_abstract_name(words.text(0)?)?;
    greet(unix::UnixStream::connect_addr(&name)?)
}

/// A connected TCP socket is disconnected by connect(2) to AF_UNSPEC and then points wherever we like.
fn reconnect_stdin(words: &Words) -> Evidence {
    // The second connect is tried whatever the first says.
    let _ = disconnect(0);
    let SocketAddr::V4(to) = socket_address(words)? else {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    };
    let to = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(to.ip().octets()),
        },
        sin_zero: [0; 8],
    };
    call(
        libc::SYS_connect,
        &[0, address(&to), size_of::<libc::sockaddr_in>() as u64],
    )?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn disconnect(fd: u64) -> Evidence {
    let nowhere = [0_u8; 16];
    call(libc::SYS_connect, &[fd, address(&nowhere), 16]).map(|_| "disconnected".into())
}

fn socket_address(words: &Words) -> io::Result<SocketAddr> {
    words
        .text(0)?
        .parse()
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
