//! Sockets: families, the host's loopback and its Unix sockets, descriptors that are sockets already.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
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
        name: "unix-in",
        words: "DIRECTORY NAME",
        run: unix_in,
    },
    Attack {
        name: "signal-peer",
        words: "",
        run: signal_peer,
    },
    Attack {
        name: "ask-name",
        words: "HEX",
        run: |words| ask(&bytes(words.text(0)?)?, 1).map(|code| format!("code {code}")),
    },
    Attack {
        name: "ask-names",
        words: "COUNT",
        run: ask_names,
    },
    Attack {
        name: "reconnect-stdin",
        words: "ADDRESS:PORT",
        run: reconnect_stdin,
    },
    Attack {
        name: "fast-open-stdin",
        words: "ADDRESS:PORT",
        run: fast_open_stdin,
    },
    Attack {
        name: "listen-on-stdin",
        words: "",
        run: listen_on_stdin,
    },
    Attack {
        name: "udp-from-stdin",
        words: "ADDRESS:PORT",
        run: udp_from_stdin,
    },
    Attack {
        name: "bind-stdin",
        words: "NAME",
        run: bind_stdin,
    },
    Attack {
        name: "send-from-stdin",
        words: "NAME",
        run: send_from_stdin,
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

/// By a path from the current folder.
fn unix_in(words: &Words) -> Evidence {
    std::env::set_current_dir(words.path(0)?)?;
    greet(unix::UnixStream::connect(words.path(1)?)?)
}

/// Whoever made a connection for us is its peer, and a descriptor of the peer's process can be had (SO_PEERPIDFD).
fn signal_peer(_: &Words) -> Evidence {
    const SO_PEERPIDFD: u64 = 77;
    let name = unix::SocketAddr::from_abstract_name(format!("peer-{}", std::process::id()))?;
    let listener = unix::UnixListener::bind_addr(&name)?;
    let _client = unix::UnixStream::connect_addr(&name)?;
    let (accepted, _) = listener.accept()?;
    let (mut pidfd, mut length) = (-1_i32, 4_u32);
    let arguments = [
        accepted.as_raw_fd() as u64,
        libc::SOL_SOCKET as u64,
        SO_PEERPIDFD,
        (&raw mut pidfd) as u64,
        (&raw mut length) as u64,
    ];
    call(libc::SYS_getsockopt, &arguments)?;
    call(libc::SYS_pidfd_send_signal, &[pidfd as u64, 0, 0, 0]).map(|_| "signalled".into())
}

pub fn bytes(hex: &str) -> io::Result<Vec<u8>> {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or("-"), 16);
    let bytes: Result<_, _> = (0..hex.len().div_ceil(2)).map(|index| byte(index * 2)).collect();
    bytes.map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Asks the resolver for the address of a name of this one label; the code of its answer (RFC 1035).
fn ask(label: &[u8], id: u8) -> io::Result<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    let mut query = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.len() as u8];
    query.extend_from_slice(label);
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    socket.send_to(&query, "127.0.0.1:53")?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    match answer[..length] {
        [0, same, _, flags, ..] if same == id => Ok(flags & 15),
        _ => Err(io::Error::from_raw_os_error(libc::EIO)),
    }
}

/// Names of sixty bytes, each asked for twice.
fn ask_names(words: &Words) -> Evidence {
    let count = words.number(0)?;
    for number in (0..count).chain(0..count) {
        ask(format!("n{number:059}").as_bytes(), number as u8)?;
    }
    Ok("asked".into())
}

fn abstract_socket(words: &Words) -> Evidence {
    let name = unix::SocketAddr::from_abstract_name(words.text(0)?)?;
    greet(unix::UnixStream::connect_addr(&name)?)
}

/// A connected TCP socket is disconnected by connect(2) to AF_UNSPEC and then points wherever we like.
fn reconnect_stdin(words: &Words) -> Evidence {
    // The second connect is tried whatever the first says.
    let _ = disconnect(0);
    let to = ipv4(words)?;
    call(
        libc::SYS_connect,
        &[0, address(&to), size_of::<libc::sockaddr_in>() as u64],
    )?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The same without connect(2): the first datum opens the connection (tcp(7), RFC 7413).
fn fast_open_stdin(words: &Words) -> Evidence {
    let _ = disconnect(0);
    let to = ipv4(words)?;
    let arguments = [
        0,
        b"x".as_ptr() as u64,
        1,
        libc::MSG_FASTOPEN as u64,
        address(&to),
        size_of::<libc::sockaddr_in>() as u64,
    ];
    call(libc::SYS_sendto, &arguments)?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// A disconnected socket can also wait for connections, on a port the kernel chooses.
fn listen_on_stdin(_: &Words) -> Evidence {
    disconnect(0)?;
    call(libc::SYS_listen, &[0, 1]).map(|_| "listening".into())
}

fn udp_from_stdin(words: &Words) -> Evidence {
    let to = ipv4(words)?;
    let length = size_of::<libc::sockaddr_in>() as u64;
    let arguments = [0, b"probe".as_ptr() as u64, 5, 0, address(&to), length];
    call(libc::SYS_sendto, &arguments).map(|_| "sent".into())
}

/// To an abstract name, in whichever network namespace the socket on stdin belongs to.
fn send_from_stdin(words: &Words) -> Evidence {
    let (to, length) = abstract_name(words)?;
    let arguments = [0, b"probe".as_ptr() as u64, 5, 0, address(&to), length];
    call(libc::SYS_sendto, &arguments).map(|_| "sent".into())
}

/// The name is then taken in that namespace, and what is sent to it arrives here.
fn bind_stdin(words: &Words) -> Evidence {
    let (at, length) = abstract_name(words)?;
    call(libc::SYS_bind, &[0, address(&at), length]).map(|_| "bound".into())
}

/// An abstract address and its length.
fn abstract_name(words: &Words) -> io::Result<(libc::sockaddr_un, u64)> {
    let name = words.text(0)?.as_bytes();
    // SAFETY: sockaddr_un is plain data for which all zeroes is valid.
    let mut to: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    to.sun_family = libc::AF_UNIX as u16;
    // The NUL that makes a name abstract stands first.
    for (place, byte) in to.sun_path.iter_mut().skip(1).zip(name) {
        *place = *byte as libc::c_char;
    }
    Ok((to, (size_of::<u16>() + 1 + name.len()) as u64))
}

fn ipv4(words: &Words) -> io::Result<libc::sockaddr_in> {
    let SocketAddr::V4(to) = socket_address(words)? else {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    };
    Ok(libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(to.ip().octets()),
        },
        sin_zero: [0; 8],
    })
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
