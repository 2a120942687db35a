//! What a socket was told before it was connected, told to the one that takes its place.

use std::os::fd::BorrowedFd;

use super::super::filter::TOLD_OPTIONS;
use super::super::sockets::{option, set_option};

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

/// What is asked of a socket, and what it would say that was told nothing, so that only what differs need be set.
pub struct Options(Vec<Carried>);

struct Carried {
    level: i32,
    name: i32,
    value: Value,
    /// Unknown of an option that IPv4 does not have.
    untold: Option<Bytes>,
    /// Some socket of the box may have been told.
    asked: bool,
}

impl Options {
    /// With the values of a TCP socket of the box that was told nothing. They can be others than the host's, whose sockets
    /// keep their own where the server has not asked for anything.
    pub fn new(untold: BorrowedFd) -> Self {
        let carried = |&(level, name, value): &(i32, i32, Value)| Carried {
            level,
            name,
            value,
            untold: option(untold, level, name).ok(),
            asked: !TOLD_OPTIONS.contains(&(level as u32, name as u32)),
        };
        Options(CARRIED.iter().map(carried).collect())
    }

    /// A socket of the box is about to be told this. From now on every one is asked for it.
    pub fn told(&mut self, level: i32, name: i32) {
        // SO_RCVTIMEO_NEW and SO_SNDTIMEO_NEW of the uapi: the same, with a wider time on 32-bit machines.
        let name = match (level, name) {
            (libc::SOL_SOCKET, 66) => libc::SO_RCVTIMEO,
            (libc::SOL_SOCKET, 67) => libc::SO_SNDTIMEO,
            _ => name,
        };
        let of = |carried: &&mut Carried| (carried.level, carried.name) == (level, name);
        self.0
            .iter_mut()
            .filter(of)
            .for_each(|carried| carried.asked = true);
    }

    /// Gives `to` what `from` was told. What either does not have or take stays as it is.
    pub fn carry(&self, from: BorrowedFd, to: BorrowedFd) {
        for carried in self.0.iter().filter(|carried| carried.asked) {
            match option::<Bytes>(from, carried.level, carried.name) {
                Ok(told) if Some(told) != carried.untold => carried.set(to, &told),
                _ => {}
            }
        }
    }
}

impl Carried {
    fn set(&self, socket: BorrowedFd, told: &Bytes) {
        let Carried { level, name, .. } = *self;
        let [a, b, c, d, e, f, g, h, ..] = *told;
        let number = i32::from_ne_bytes([a, b, c, d]);
        // The value was accepted from the caller by the same kernel; one that is refused here leaves the default.
        let _ = match self.value {
            Value::Number => set_option(socket, level, name, &number),
            Value::Buffer => set_option(socket, level, name, &(number / 2)),
            Value::Linger => set_option(socket, level, name, &u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
            Value::Time | Value::Name => set_option(socket, level, name, told),
        };
    }
}

/// How long a blocking connect(2) of this socket may take (SO_SNDTIMEO of socket(7)); nothing for as long as it takes.
pub fn patience(socket: BorrowedFd) -> Option<std::time::Duration> {
    let time: Bytes = option(socket, libc::SOL_SOCKET, libc::SO_SNDTIMEO).ok()?;
    let (seconds, micros) = time.split_at(8);
    let seconds = u64::from_ne_bytes(seconds.try_into().ok()?);
    let micros = u64::from_ne_bytes(micros.try_into().ok()?);
    let time =
        std::time::Duration::from_secs(seconds).checked_add(std::time::Duration::from_micros(micros))?;
    (!time.is_zero()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::super::super::sockets::tcp_socket;
    use super::*;
    use nix::sys::socket::{setsockopt, sockopt};
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    fn fresh(family: i32) -> OwnedFd {
        tcp_socket(family).unwrap()
    }

    fn options() -> Options {
        Options::new(fresh(libc::AF_INET).as_fd())
    }

    fn values(socket: &OwnedFd) -> Vec<Option<Bytes>> {
        let read = |&(level, name, _): &(i32, i32, Value)| option(socket.as_fd(), level, name).ok();
        CARRIED.iter().map(read).collect()
    }

    #[test]
    fn what_was_set_is_carried_and_nothing_else() {
        let (from, to) = (fresh(libc::AF_INET), fresh(libc::AF_INET));
        setsockopt(&from, sockopt::TcpNoDelay, &true).unwrap();
        setsockopt(&from, sockopt::KeepAlive, &true).unwrap();
        setsockopt(&from, sockopt::TcpKeepIdle, &77).unwrap();
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 3,
        };
        setsockopt(&from, sockopt::Linger, &linger).unwrap();
        let time = nix::sys::time::TimeVal::new(7, 500_000);
        setsockopt(&from, sockopt::SendTimeout, &time).unwrap();
        let mut options = options();
        options.told(libc::SOL_SOCKET, libc::SO_LINGER);
        options.told(libc::SOL_SOCKET, libc::SO_SNDTIMEO);
        options.carry(from.as_fd(), to.as_fd());
        assert_eq!(values(&from), values(&to));
        assert_ne!(values(&to), values(&fresh(libc::AF_INET)));
        assert_eq!(patience(to.as_fd()), Some(Duration::from_millis(7500)));
    }

    #[test]
    fn what_few_programs_set_is_carried_once_it_was_told_of() {
        let (from, to) = (fresh(libc::AF_INET6), fresh(libc::AF_INET6));
        setsockopt(&from, sockopt::RcvBuf, &50_000).unwrap();
        setsockopt(&from, sockopt::Ipv6TClass, &32).unwrap();
        setsockopt(&from, sockopt::TcpCongestion, &"reno".into()).unwrap();
        let mut options = options();
        options.carry(from.as_fd(), to.as_fd());
        assert_eq!(values(&to), values(&fresh(libc::AF_INET6)));
        for (level, name) in [
            (libc::SOL_SOCKET, libc::SO_RCVBUF),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            (libc::IPPROTO_TCP, libc::TCP_CONGESTION),
        ] {
            options.told(level, name);
        }
        options.carry(from.as_fd(), to.as_fd());
        assert_eq!(values(&from), values(&to));
    }

    #[test]
    fn a_socket_that_was_told_nothing_leaves_the_other_alone() {
        let mut options = options();
        let every = CARRIED.iter();
        every.for_each(|(level, name, _)| options.told(*level, *name));
        for family in [libc::AF_INET, libc::AF_INET6] {
            let (from, to) = (fresh(family), fresh(family));
            options.carry(from.as_fd(), to.as_fd());
            assert_eq!(values(&to), values(&fresh(family)));
            assert_eq!(patience(to.as_fd()), None);
        }
    }

    /// The host's own, such as the wait of its keep-alive, is not changed to the box's.
    #[test]
    fn a_default_of_the_box_is_not_carried() {
        let (untold, from, to) = (fresh(libc::AF_INET), fresh(libc::AF_INET), fresh(libc::AF_INET));
        // As if it were the default there.
        for socket in [&untold, &from] {
            setsockopt(socket, sockopt::TcpKeepIdle, &77).unwrap();
        }
        Options::new(untold.as_fd()).carry(from.as_fd(), to.as_fd());
        assert_eq!(values(&to), values(&fresh(libc::AF_INET)));
    }

    #[test]
    fn what_the_filter_tells_of_is_carried() {
        for (level, name) in TOLD_OPTIONS {
            let mut options = options();
            let asked = |options: &Options| options.0.iter().filter(|carried| carried.asked).count();
            let before = asked(&options);
            options.told(*level as i32, *name as i32);
            assert_eq!(asked(&options), before + 1, "{level} {name}");
        }
    }
}
