//! The relay's sockets: options, connecting without waiting, and closing with a reset.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};

use super::errno;

/// Makes a socket that has just arrived non-blocking, and passes small writes on at once: the client's own socket
/// decides what waits.
pub fn prepare(socket: &TcpStream) -> nix::Result<()> {
    socket.set_nonblocking(true).map_err(errno)?;
    socket.set_nodelay(true).map_err(errno)
}

/// Begins to connect. The socket becomes writable when it is connected, or fails.
///
/// Keepalive is the kernel's default of two hours: the client's own probes end at the relay, which always answers.
///
/// # Errors
/// Those of socket(2), and of connect(2) when they are known at once.
pub fn begin(address: SocketAddr) -> nix::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = TcpStream::from(socket(family, SockType::Stream, flags, None)?);
    socket.set_nodelay(true).map_err(errno)?;
    setsockopt(&socket, sockopt::KeepAlive, &true)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Ends our sending side. A socket that is gone already will say so by itself.
pub fn finish(socket: &TcpStream) {
    let _ = socket.shutdown(Shutdown::Write);
}

/// Makes closing a reset (socket(7), SO_LINGER with zero seconds).
pub fn reset_on_close(socket: &TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let _ = setsockopt(socket, sockopt::Linger, &linger);
}
