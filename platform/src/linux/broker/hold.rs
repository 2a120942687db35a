//! Sockets of the host's network that bind(2) has no effect on, for kernels whose Landlock denies none.
//!
//! The kernel refuses to bind a socket that is bound (EINVAL). A port that it has chosen itself it takes back as soon as
//! the connection has failed or is over; one that was asked for stays the socket's own (SOCK_BINDPORT_LOCK of the kernel).
//! So each socket asks for a port, one that was free a moment before.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::super::sockets::{bind, own_address, tcp_socket};
use super::address;

/// How often a port may be taken by somebody else in that moment.
const TIMES: u32 = 16;

/// Whether Landlock leaves bind(2) of TCP alone, as before its ABI 4 (Linux 6.7).
pub fn is_needed(landlock_abi: u32) -> bool {
    landlock_abi < 4
}

/// A new TCP socket of this process' network, non-blocking, with a port for good.
///
/// # Errors
/// EADDRINUSE when no port is free, and those of socket(2).
pub fn socket(family: i32) -> nix::Result<OwnedFd> {
    let socket = tcp_socket(family)?;
    for _ in 0..TIMES {
        match bind(socket.as_fd(), &any(family, free_port(family)?)) {
            Err(Errno::EADDRINUSE) => {}
            other => return other.map(|()| socket),
        }
    }
    Err(Errno::EADDRINUSE)
}

fn free_port(family: i32) -> nix::Result<u16> {
    let other = tcp_socket(family)?;
    bind(other.as_fd(), &any(family, 0))?;
    own_address(other.as_fd()).map(|at| at.port())
}

fn any(family: i32, port: u16) -> Vec<u8> {
    let any = match family {
        libc::AF_INET6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    address::bytes(family, SocketAddr::new(any, port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::super::super::sockets::connect;
    use super::super::settled;
    use super::*;

    /// What bind(2) does to a socket whose connection was refused, and to one whose connection is over.
    fn bound_later(make: impl Fn() -> OwnedFd) -> [nix::Result<()>; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let shut = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let connected = |to: SocketAddr| {
            let socket = make();
            let _ = connect(socket.as_fd(), &address::bytes(libc::AF_INET, to));
            while settled(&socket).is_none() {}
            socket
        };
        let refused = connected(shut);
        let over = connected(open);
        let (peer, _) = listener.accept().unwrap();
        nix::sys::socket::setsockopt(
            &peer,
            nix::sys::socket::sockopt::Linger,
            &libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )
        .unwrap();
        drop(peer);
        let mut over = TcpStream::from(over);
        over.set_nonblocking(false).unwrap();
        assert!(std::io::Read::read(&mut over, &mut [0]).is_err());
        let to = any(libc::AF_INET, 0);
        [bind(refused.as_fd(), &to), bind(over.as_fd(), &to)]
    }

    #[test]
    fn what_is_bound_stays_bound() {
        let held = bound_later(|| socket(libc::AF_INET).unwrap());
        assert_eq!(held, [Err(Errno::EINVAL); 2]);
    }

    #[test]
    fn control_a_port_that_the_kernel_chose_is_given_back() {
        let free = bound_later(|| tcp_socket(libc::AF_INET).unwrap());
        assert_eq!(free, [Ok(()); 2]);
    }

    #[test]
    fn sockets_of_version_6_are_held_too() {
        let Ok(held) = socket(libc::AF_INET6) else { return };
        assert_eq!(bind(held.as_fd(), &any(libc::AF_INET6, 0)), Err(Errno::EINVAL));
    }
}
