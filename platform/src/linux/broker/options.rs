//! What a socket was told before it was connected, told to the one that takes its place.

use std::os::fd::{AsFd, BorrowedFd};

use super::super::sockets::{self, option, set_option, tcp_socket};

/// How the value of an option is carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// An int, as it is read.
    Number,
    /// The size of a buffer: it is read as twice what is set (socket(7)).
    Buffer,
    /// Two ints: struct linger.
    Linger,
    /// Two longs: struct timeval.
    Time,
    /// The name of a congestion control algorithm (tcp(7), at most 16 bytes).
    Name,
}

/// Options that a program may set before connect(2) and expects to hold after it, from socket(7), tcp(7), ip(7), ipv6(7).
///
/// An allow-list. Left out are those that choose the way of packets in the host's network (SO_BINDTODEVICE, SO_MARK,
/// IP_OPTIONS, IPV6_RTHDR), those that open the connection otherwise (TCP_FASTOPEN_CONNECT) and filters.
const CARRIED: &[(i32, i32, Value)] = &[
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE, Value::Number),
    (libc::SOL_SOCKET, libc::SO_OOBINLINE, Value::Number),
    (libc::SOL_SOCKET, libc::SO_PRIORITY, Value::Number),
    (libc::SOL_SOCKET, libc::SO_RCVLOWAT, Value::Number),
    (libc::SOL_SOCKET, libc::SO_TIMESTAMP, Value::Number),
    (libc::SOL_SOCKET, libc::SO_ZEROCOPY, Value::Number),
    (libc::SOL_SOCKET, libc::SO_LINGER, Value::Linger),
    (libc::SOL_SOCKET, libc::SO_RCVTIMEO, Value::Time),
    (libc::SOL_SOCKET, libc::SO_SNDTIMEO, Value::Time),
    (libc::SOL_SOCKET, libc::SO_RCVBUF, Value::Buffer),
    (libc::SOL_SOCKET, libc::SO_SNDBUF, Value::Buffer),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_CORK, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_SYNCNT, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_LINGER2, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, Value::Number),
    (libc::IPPROTO_TCP, libc::TCP_CONGESTION, Value::Name),
    (libc::IPPROTO_IP, libc::IP_TOS, Value::Number),
    (libc::IPPROTO_IP, libc::IP_TTL, Value::Number),
    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, Value::Number),
    (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, Value::Number),
];

/// A value as the kernel told it; the widest has 16 bytes.
type Bytes = [u8; 16];

/// The values of a socket that was told nothing, so that only what differs need be set.
pub struct Options {
    fresh: Vec<Option<Bytes>>,
}

impl Options {
    /// Asks a new socket of the family.
    pub fn of_family(family: i32) -> nix::Result<Self> {
        let socket = tcp_socket(family)?;
        Ok(Options {
            fresh: values(socket.as_fd()),
        })
    }

    /// Gives `to` what `from` was told. What a socket of the family does not have, such as an IPv6 option on an IPv4
    /// socket, is not asked for; what `to` does not take stays.
    pub fn carry(&self, from: BorrowedFd, to: BorrowedFd) {
        let values = CARRIED.iter().zip(&self.fresh);
        for (&(level, name, value), fresh) in values {
            let Some(fresh) = fresh else { continue };
            match option::<Bytes>(from, level, name) {
                Ok(told) if told != *fresh => set(to, level, name, value, &told),
                _ => {}
            }
        }
    }
}

fn values(socket: BorrowedFd) -> Vec<Option<Bytes>> {
    let read = |&(level, name, _): &(i32, i32, Value)| option(socket, level, name).ok();
    CARRIED.iter().map(read).collect()
}

fn set(socket: BorrowedFd, level: i32, name: i32, value: Value, told: &Bytes) {
    let [a, b, c, d, e, f, g, h, ..] = *told;
    let number = i32::from_ne_bytes([a, b, c, d]);
    // The value was accepted from the caller by the same kernel; one that is refused here leaves the default.
    let _ = match value {
        Value::Number => set_option(socket, level, name, &number),
        Value::Buffer => set_option(socket, level, name, &(number / 2)),
        Value::Linger => set_option(socket, level, name, &u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
        Value::Time | Value::Name => set_option(socket, level, name, told),
    };
}

/// How long a blocking connect(2) of this socket may take (SO_SNDTIMEO of socket(7)); nothing for as long as it takes.
pub fn patience(socket: BorrowedFd) -> Option<std::time::Duration> {
    let time: Bytes = sockets::option(socket, libc::SOL_SOCKET, libc::SO_SNDTIMEO).ok()?;
    let (seconds, micros) = time.split_at(8);
    let seconds = u64::from_ne_bytes(seconds.try_into().ok()?);
    let micros = u64::from_ne_bytes(micros.try_into().ok()?);
    let time =
        std::time::Duration::from_secs(seconds).checked_add(std::time::Duration::from_micros(micros))?;
    (!time.is_zero()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{setsockopt, sockopt};
    use std::time::Duration;

    #[test]
    fn what_was_set_is_carried_and_nothing_else() {
        let (from, to) = (
            tcp_socket(libc::AF_INET).unwrap(),
            tcp_socket(libc::AF_INET).unwrap(),
        );
        setsockopt(&from, sockopt::TcpNoDelay, &true).unwrap();
        setsockopt(&from, sockopt::RcvBuf, &50_000).unwrap();
        setsockopt(&from, sockopt::KeepAlive, &true).unwrap();
        setsockopt(&from, sockopt::TcpKeepIdle, &77).unwrap();
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 3,
        };
        setsockopt(&from, sockopt::Linger, &linger).unwrap();
        let time = nix::sys::time::TimeVal::new(7, 500_000);
        setsockopt(&from, sockopt::SendTimeout, &time).unwrap();
        let options = Options::of_family(libc::AF_INET).unwrap();
        options.carry(from.as_fd(), to.as_fd());
        assert_eq!(values(from.as_fd()), values(to.as_fd()));
        assert_ne!(values(to.as_fd()), options.fresh);
        assert_eq!(patience(to.as_fd()), Some(Duration::from_millis(7500)));
    }

    #[test]
    fn a_socket_that_was_told_nothing_leaves_the_other_alone() {
        for family in [libc::AF_INET, libc::AF_INET6] {
            let (from, to) = (tcp_socket(family).unwrap(), tcp_socket(family).unwrap());
            let options = Options::of_family(family).unwrap();
            options.carry(from.as_fd(), to.as_fd());
            assert_eq!(values(to.as_fd()), options.fresh);
            assert_eq!(patience(to.as_fd()), None);
        }
    }
}
