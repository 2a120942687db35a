//! Sockets as the kernel describes them: whose network they belong to, what they are, in which state.

use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike as _, SockaddrStorage, getsockname, socket,
};

/// `SO_NETNS_COOKIE` of the uapi, Linux 5.14: one number per network namespace, never used again.
const SO_NETNS_COOKIE: i32 = 71;

/// What a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    pub network: NetworkCookie,
    /// `AF_…`
    pub family: i32,
    /// `IPPROTO_…`; TCP is always a stream.
    pub protocol: i32,
    /// The port that it is bound to, 0 for none: one of TCP that has none is not connected, nor is being connected.
    pub port: u16,
}

/// Tells network namespaces apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkCookie(u64);

impl NetworkCookie {
    /// The network namespace that a socket belongs to.
    ///
    /// # Errors
    /// ENOTSOCK, and ENOPROTOOPT before Linux 5.14.
    pub fn of(socket: BorrowedFd) -> nix::Result<Self> {
        option(socket, libc::SOL_SOCKET, SO_NETNS_COOKIE).map(NetworkCookie)
    }

    /// That of this process.
    ///
    /// # Errors
    /// As above.
    pub fn own() -> nix::Result<Self> {
        let socket = socket(
            AddressFamily::Unix,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        Self::of(socket.as_fd())
    }
}

impl Socket {
    /// Asks the kernel.
    ///
    /// # Errors
    /// ENOTSOCK when it is none.
    pub fn of(fd: BorrowedFd) -> nix::Result<Self> {
        let network = NetworkCookie::of(fd)?;
        // One call for the family and the port.
        let name = match getsockname::<SockaddrStorage>(fd.as_raw_fd()) {
            // Of a family whose sockets have no names.
            Err(Errno::EOPNOTSUPP) => None,
            name => Some(name?),
        };
        Ok(Socket {
            network,
            family: match name.and_then(|name| name.family()) {
                Some(family) => family as i32,
                None => option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?,
            },
            protocol: option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL)?,
            port: name.and_then(|name| internet(&name)).map_or(0, |at| at.port()),
        })
    }

    pub fn is_tcp(&self) -> bool {
        self.is_internet() && self.protocol == libc::IPPROTO_TCP
    }

    pub fn is_internet(&self) -> bool {
        [libc::AF_INET, libc::AF_INET6].contains(&self.family)
    }
}

/// The number of a socket that no other has had since the machine started (SO_COOKIE of socket(7), Linux 4.12).
pub fn cookie(socket: BorrowedFd) -> nix::Result<u64> {
    option(socket, libc::SOL_SOCKET, libc::SO_COOKIE)
}

/// Takes the pending error of a socket (SO_ERROR of socket(7)).
pub fn take_error(socket: BorrowedFd) -> nix::Result<()> {
    match option::<i32>(socket, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// Where a TCP connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpState {
    /// Nothing was asked for, it failed, or it is over.
    Closed,
    /// The other side has not answered yet.
    Connecting,
    /// It was answered; perhaps one side has ended already.
    Connected,
}

/// tcp(7), TCP_INFO; the states are those of `net/tcp_states.h`.
pub fn tcp_state(socket: BorrowedFd) -> nix::Result<TcpState> {
    let state: u8 = option(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    Ok(match state {
        2 => TcpState::Connecting,
        7 | 10 => TcpState::Closed,
        _ => TcpState::Connected,
    })
}

/// The address that a socket of IPv4 or IPv6 is bound to; port 0 when it is not (getsockname(2)).
pub fn own_address(socket: BorrowedFd) -> nix::Result<SocketAddr> {
    let name = getsockname::<SockaddrStorage>(socket.as_raw_fd())?;
    internet(&name).ok_or(Errno::EAFNOSUPPORT)
}

fn internet(address: &SockaddrStorage) -> Option<SocketAddr> {
    let ipv4 = address
        .as_sockaddr_in()
        .map(|at| SocketAddr::new(at.ip().into(), at.port()));
    let ipv6 = address
        .as_sockaddr_in6()
        .map(|at| SocketAddr::new(at.ip().into(), at.port()));
    ipv4.or(ipv6)
}

/// Reads the first bytes of an option.
pub fn option<T: Plain>(socket: BorrowedFd, level: i32, name: i32) -> nix::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`; every pattern of bits is a value of a `Plain` type.
    unsafe {
        let place = value.as_mut_ptr().cast();
        Errno::result(libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            place,
            &raw mut length,
        ))?;
        Ok(value.assume_init())
    }
}

/// Sets an option.
pub fn set_option<T: Plain>(socket: BorrowedFd, level: i32, name: i32, value: &T) -> nix::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `value`, which lives across the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (value as *const T).cast(),
            length,
        )
    };
    Errno::result(result).map(drop)
}

/// Types for which every pattern of bits is a value, and which have no padding.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for i32 {}
impl Plain for u64 {}
impl Plain for [u8; 16] {}

/// connect(2) with an address as the caller wrote it.
pub fn connect(socket: BorrowedFd, address: &[u8]) -> nix::Result<()> {
    // SAFETY: the kernel reads as many bytes as the slice has.
    let result = unsafe {
        libc::connect(
            socket.as_raw_fd(),
            address.as_ptr().cast(),
            address.len() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// bind(2) with an address as the caller wrote it.
pub fn bind(socket: BorrowedFd, address: &[u8]) -> nix::Result<()> {
    // SAFETY: the kernel reads as many bytes as the slice has.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            address.as_ptr().cast(),
            address.len() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// listen(2)
pub fn listen(socket: BorrowedFd, backlog: i32) -> nix::Result<()> {
    // SAFETY: takes two numbers.
    Errno::result(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// A new TCP socket of this process' network, non-blocking.
pub fn tcp_socket(family: i32) -> nix::Result<OwnedFd> {
    let family = match family {
        libc::AF_INET => AddressFamily::Inet,
        libc::AF_INET6 => AddressFamily::Inet6,
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family, SockType::Stream, flags, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn sockets_say_what_they_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = Socket::of(listener.as_fd()).unwrap();
        assert!(tcp.is_tcp() && tcp.network == NetworkCookie::own().unwrap());
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let udp = Socket::of(udp.as_fd()).unwrap();
        assert!(udp.is_internet() && !udp.is_tcp());
        let unix = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let unix = Socket::of(unix.as_fd()).unwrap();
        assert_eq!((unix.family, unix.is_internet()), (libc::AF_UNIX, false));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Socket::of(file.as_fd()), Err(Errno::ENOTSOCK));
    }

    #[test]
    fn the_state_of_a_connection_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fresh = tcp_socket(libc::AF_INET).unwrap();
        assert_eq!(tcp_state(fresh.as_fd()), Ok(TcpState::Closed));
        assert_eq!(Socket::of(fresh.as_fd()).unwrap().port, 0);
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(tcp_state(stream.as_fd()), Ok(TcpState::Connected));
        assert_ne!(Socket::of(stream.as_fd()).unwrap().port, 0);
    }
}
