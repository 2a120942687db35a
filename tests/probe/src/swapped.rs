//! What a socket of the host's network in our hands could be made to do: the one that took the place of ours when we
//! connected to a host that is allowed, or the one that was left when we gave up before that host answered.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};

use crate::sockets::bytes;
use crate::sys::{address, call, descriptor};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "swapped-reconnect",
        words: "ALLOWED OTHER",
        run: |words| reconnect(&connected(words)?, &at(words, 1)?),
    },
    Attack {
        name: "swapped-listen",
        words: "ALLOWED",
        run: |words| listen(&connected(words)?),
    },
    Attack {
        name: "swapped-option",
        words: "ALLOWED LEVEL NAME HEX",
        run: option,
    },
    Attack {
        name: "stopped-reconnect",
        words: "FULL OTHER",
        run: |words| reconnect(&stopped(words)?, &at(words, 1)?),
    },
    Attack {
        name: "stopped-connect",
        words: "FULL OTHER",
        run: |words| connect_and_read(&stopped(words)?, &at(words, 1)?),
    },
    Attack {
        name: "stopped-listen",
        words: "FULL",
        run: |words| listen(&stopped(words)?),
    },
    Attack {
        name: "stopped-bind",
        words: "FULL",
        run: |words| bind_anywhere(&stopped(words)?),
    },
    Attack {
        name: "stopped-fast-open",
        words: "FULL OTHER sendto|sendmsg|sendmmsg",
        run: fast_open,
    },
    Attack {
        name: "connect-connected",
        words: "ALLOWED",
        run: connect_connected,
    },
];

/// An IPv4 address and port as the kernel takes it.
pub fn at(words: &Words, index: usize) -> io::Result<libc::sockaddr_in> {
    let parsed = words.text(index)?.parse();
    match parsed.map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))? {
        SocketAddr::V4(to) => Ok(inet(to.ip().octets(), to.port())),
        SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    }
}

pub fn inet(ip: [u8; 4], port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(ip),
        },
        sin_zero: [0; 8],
    }
}

pub fn tcp_socket() -> io::Result<OwnedFd> {
    descriptor(
        libc::SYS_socket,
        &[libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0],
    )
}

pub fn connect(socket: &OwnedFd, to: &libc::sockaddr_in) -> io::Result<()> {
    let size = size_of::<libc::sockaddr_in>() as u64;
    call(libc::SYS_connect, &[socket.as_raw_fd() as u64, address(to), size]).map(drop)
}

/// A socket that is connected to the first address.
fn connected(words: &Words) -> io::Result<OwnedFd> {
    let socket = tcp_socket()?;
    connect(&socket, &at(words, 0)?).map(|()| socket)
}

fn connected_by_ipv6(words: &Words) -> io::Result<OwnedFd> {
    let to = at(words, 0)?;
    let socket = descriptor(
        libc::SYS_socket,
        &[libc::AF_INET6 as u64, libc::SOCK_STREAM as u64, 0],
    )?;
    // SAFETY: sockaddr_in6 is plain data for which all zeroes is valid.
    let mut mapped: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    mapped.sin6_family = libc::AF_INET6 as u16;
    mapped.sin6_port = to.sin_port;
    let ip = std::net::Ipv4Addr::from(to.sin_addr.s_addr.to_ne_bytes());
    mapped.sin6_addr.s6_addr = ip.to_ipv6_mapped().octets();
    let size = size_of::<libc::sockaddr_in6>() as u64;
    let fd = socket.as_raw_fd() as u64;
    call(libc::SYS_connect, &[fd, address(&mapped), size]).map(|_| socket)
}

/// A socket whose connection to the first address was begun and then shut down: the kernel disconnects it, as connect(2)
/// to AF_UNSPEC would (tcp(7)), and it is as new.
pub fn stopped(words: &Words) -> io::Result<OwnedFd> {
    let kind = (libc::SOCK_STREAM | libc::SOCK_NONBLOCK) as u64;
    let socket = descriptor(libc::SYS_socket, &[libc::AF_INET as u64, kind, 0])?;
    match connect(&socket, &at(words, 0)?) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
        Ok(()) => return Err(io::Error::from_raw_os_error(libc::EISCONN)),
    }
    let fd = socket.as_raw_fd() as u64;
    call(libc::SYS_shutdown, &[fd, libc::SHUT_RD as u64])?;
    // The error of it is taken, so that nothing is left to be told.
    let (mut error, mut length) = (0_i32, 4_u32);
    let place = [(&raw mut error) as u64, (&raw mut length) as u64];
    let option = [libc::SOL_SOCKET as u64, libc::SO_ERROR as u64];
    call(
        libc::SYS_getsockopt,
        &[fd, option[0], option[1], place[0], place[1]],
    )?;
    call(libc::SYS_fcntl, &[fd, libc::F_SETFL as u64, libc::O_RDWR as u64])?;
    Ok(socket)
}

/// What the other side says first.
fn read(socket: &OwnedFd) -> Evidence {
    let mut text = String::new();
    TcpStream::from(socket.try_clone()?).read_to_string(&mut text)?;
    Ok(text)
}

fn connect_and_read(socket: &OwnedFd, to: &libc::sockaddr_in) -> Evidence {
    connect(socket, to)?;
    read(socket)
}

/// connect(2) to AF_UNSPEC disconnects, and the next one goes elsewhere. That is tried whatever the first says.
fn reconnect(socket: &OwnedFd, to: &libc::sockaddr_in) -> Evidence {
    let nowhere = [0_u8; 16];
    let first = call(
        libc::SYS_connect,
        &[socket.as_raw_fd() as u64, address(&nowhere), 16],
    );
    match (first, connect(socket, to)) {
        (_, Ok(())) => read(socket),
        (Err(error), Err(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// Disconnected, it waits for connections on a port that the kernel chooses.
fn listen(socket: &OwnedFd) -> Evidence {
    let fd = socket.as_raw_fd() as u64;
    let nowhere = [0_u8; 16];
    let _ = call(libc::SYS_connect, &[fd, address(&nowhere), 16]);
    call(libc::SYS_listen, &[fd, 1]).map(|_| "listening".into())
}

fn bind_anywhere(socket: &OwnedFd) -> Evidence {
    let any = inet([0; 4], 0);
    let fd = socket.as_raw_fd() as u64;
    call(libc::SYS_bind, &[fd, address(&any), 16]).map(|_| "bound".into())
}

/// Options of IPv6 are set on a socket of IPv6 that is connected to the IPv4 address.
fn option(words: &Words) -> Evidence {
    let socket = match words.number(1)? {
        41 => connected_by_ipv6(words)?,
        _ => connected(words)?,
    };
    let value = bytes(words.text(3)?)?;
    let arguments = [
        socket.as_raw_fd() as u64,
        words.number(1)?,
        words.number(2)?,
        value.as_ptr() as u64,
        value.len() as u64,
    ];
    call(libc::SYS_setsockopt, &arguments).map(|_| "set".into())
}

/// The first datum opens a connection without connect(2) (tcp(7), RFC 7413).
fn fast_open(words: &Words) -> Evidence {
    let (socket, to) = (stopped(words)?, at(words, 1)?);
    let (fd, flags) = (socket.as_raw_fd() as u64, libc::MSG_FASTOPEN as u64);
    let part = libc::iovec {
        iov_base: b"x".as_ptr().cast_mut().cast(),
        iov_len: 1,
    };
    // SAFETY: mmsghdr is plain data for which all zeroes is valid.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_name = (&raw const to).cast_mut().cast();
    message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
    message.msg_hdr.msg_iov = (&raw const part).cast_mut();
    message.msg_hdr.msg_iovlen = 1;
    match words.text(2)? {
        "sendto" => call(
            libc::SYS_sendto,
            &[fd, b"x".as_ptr() as u64, 1, flags, address(&to), 16],
        ),
        "sendmsg" => call(libc::SYS_sendmsg, &[fd, address(&message.msg_hdr), flags]),
        _ => call(libc::SYS_sendmmsg, &[fd, address(&message), 1, flags]),
    }?;
    read(&socket)
}

/// connect(2) on a connection whose closing takes twenty seconds, since its other side does not read (SO_LINGER).
fn connect_connected(words: &Words) -> Evidence {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    stream.set_nonblocking(true)?;
    while stream.write(&[0; 1 << 16]).is_ok() {}
    stream.set_nonblocking(false)?;
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 20,
    };
    let socket = stream.as_raw_fd() as u64;
    let size = size_of::<libc::linger>() as u64;
    let option = [libc::SOL_SOCKET as u64, libc::SO_LINGER as u64];
    call(
        libc::SYS_setsockopt,
        &[socket, option[0], option[1], address(&linger), size],
    )?;
    // SAFETY: the stream gives its descriptor up; the child's end closes it, which does not linger (exit(2)).
    let socket = unsafe { OwnedFd::from_raw_fd(stream.into_raw_fd()) };
    let result = connect(&socket, &at(words, 0)?);
    std::mem::forget(socket);
    result.map(|()| "connected again".into())
}
