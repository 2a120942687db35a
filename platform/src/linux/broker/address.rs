//! The address of a connect(2) or bind(2) as the caller wrote it, parsed into what it means.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// The most bytes the kernel takes for an address (struct sockaddr_storage).
pub const MOST_BYTES: usize = 128;

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// AF_UNSPEC: asks to disconnect.
    Nothing,
    /// A host and port. An IPv4 address inside an IPv6 one is the IPv4 address.
    Internet(SocketAddr),
    /// A Unix socket without a name, or with one that is no path.
    Abstract,
    /// A Unix socket in the file system; no NUL inside.
    Path(Vec<u8>),
    /// Port 0 and groups 0 of a netlink socket: the kernel.
    Kernel,
    /// Anything else.
    Other,
}

/// An address and the family it was written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub family: i32,
    pub address: Address,
    /// The bytes, for the kernel to read once more.
    pub bytes: Vec<u8>,
}

impl Asked {
    /// Reads an address; nothing where the kernel would answer EINVAL because it is too short for its family.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let family = i32::from(u16::from_ne_bytes(take(&bytes, 0)?));
        let address = match family {
            libc::AF_UNSPEC => Address::Nothing,
            libc::AF_INET => Address::Internet(ipv4(&bytes)?.into()),
            libc::AF_INET6 => Address::Internet(canonical(ipv6(&bytes)?)),
            libc::AF_UNIX => unix(&bytes[2..]),
            libc::AF_NETLINK => netlink(&bytes)?,
            _ => Address::Other,
        };
        Some(Asked {
            family,
            address,
            bytes,
        })
    }
}

/// ip(7): family, port and address in network order, in a structure of 16 bytes.
fn ipv4(bytes: &[u8]) -> Option<SocketAddrV4> {
    const SIZE: usize = size_of::<libc::sockaddr_in>();
    let bytes = bytes.get(..SIZE)?;
    let ip = Ipv4Addr::from(take::<4>(bytes, 4)?);
    Some(SocketAddrV4::new(ip, u16::from_be_bytes(take(bytes, 2)?)))
}

/// ipv6(7): family, port, flow, address, scope; the scope may be missing (RFC 2133).
fn ipv6(bytes: &[u8]) -> Option<SocketAddrV6> {
    let port = u16::from_be_bytes(take(bytes, 2)?);
    let flow = u32::from_be_bytes(take(bytes, 4)?);
    let ip = Ipv6Addr::from(take::<16>(bytes, 8)?);
    let scope = take(bytes, 24).map_or(0, u32::from_ne_bytes);
    Some(SocketAddrV6::new(ip, port, flow, scope))
}

/// The kernel reaches IPv4 through IPv6 sockets by mapped addresses, so they are judged as what they are.
fn canonical(address: SocketAddrV6) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address.into(),
    }
}

/// unix(7): a path ends at its first NUL or with the address.
fn unix(path: &[u8]) -> Address {
    match path.iter().position(|byte| *byte == 0).unwrap_or(path.len()) {
        0 => Address::Abstract,
        end => Address::Path(path[..end].to_vec()),
    }
}

/// netlink(7): family, padding, port, groups.
fn netlink(bytes: &[u8]) -> Option<Address> {
    let (port, groups) = (take::<4>(bytes, 4)?, take::<4>(bytes, 8)?);
    Some(match (port, groups) {
        ([0, 0, 0, 0], [0, 0, 0, 0]) => Address::Kernel,
        _ => Address::Other,
    })
}

/// The bytes of an address for a socket of this family; an IPv4 address of an IPv6 socket is a mapped one.
pub fn bytes(family: i32, address: SocketAddr) -> Vec<u8> {
    let mut bytes = (family as u16).to_ne_bytes().to_vec();
    bytes.extend(address.port().to_be_bytes());
    match (family, address) {
        (libc::AF_INET, SocketAddr::V4(address)) => {
            bytes.extend(address.ip().octets());
            bytes.extend([0; 8]);
        }
        (_, SocketAddr::V4(address)) => {
            bytes.extend([0; 4]);
            bytes.extend(address.ip().to_ipv6_mapped().octets());
            bytes.extend([0; 4]);
        }
        (_, SocketAddr::V6(address)) => {
            bytes.extend(address.flowinfo().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend(address.scope_id().to_ne_bytes());
        }
    }
    bytes
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    use proptest::prelude::*;

    fn inet(ip: [u8; 4], port: u16) -> Vec<u8> {
        bytes(libc::AF_INET, SocketAddr::new(ip.into(), port))
    }

    fn inet6(ip: Ipv6Addr, port: u16) -> Vec<u8> {
        bytes(libc::AF_INET6, SocketAddr::new(ip.into(), port))
    }

    fn meaning(bytes: Vec<u8>) -> Option<Address> {
        Asked::parse(bytes).map(|asked| asked.address)
    }

    #[test]
    fn internet_addresses() {
        let wanted = Address::Internet("10.1.2.3:443".parse().unwrap());
        assert_eq!(meaning(inet([10, 1, 2, 3], 443)), Some(wanted.clone()));
        let mapped = Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped();
        assert_eq!(meaning(inet6(mapped, 443)), Some(wanted));
        assert_eq!(
            meaning(inet6(Ipv6Addr::LOCALHOST, 1)),
            Some(Address::Internet("[::1]:1".parse().unwrap()))
        );
    }

    #[test]
    fn the_kernel_reads_them_as_we_do() {
        let wanted: SocketAddr = "127.0.0.1:0".parse().unwrap();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let socket = super::super::super::sockets::tcp_socket(family).unwrap();
            super::super::super::sockets::bind(socket.as_fd(), &bytes(family, wanted)).unwrap();
            let bound = std::net::TcpListener::from(socket).local_addr().unwrap();
            assert_eq!(bound.ip().to_canonical(), wanted.ip());
        }
    }

    #[test]
    fn what_follows_an_ipv4_address_means_nothing() {
        let mut long = inet([1, 2, 3, 4], 5);
        long.resize(MOST_BYTES, 7);
        assert_eq!(meaning(long), meaning(inet([1, 2, 3, 4], 5)));
    }

    #[test]
    fn short_addresses_are_none() {
        assert_eq!(meaning(inet([1, 2, 3, 4], 5)[..15].to_vec()), None);
        assert_eq!(meaning(inet6(Ipv6Addr::LOCALHOST, 5)[..23].to_vec()), None);
        assert_eq!(meaning(vec![2]), None);
        assert_eq!(meaning(vec![]), None);
    }

    #[test]
    fn unix_addresses() {
        let unix = |path: &[u8]| meaning([&(libc::AF_UNIX as u16).to_ne_bytes(), path].concat());
        assert_eq!(unix(b"/a/b\0c"), Some(Address::Path(b"/a/b".to_vec())));
        assert_eq!(unix(b"/a"), Some(Address::Path(b"/a".to_vec())));
        assert_eq!(unix(b"\0name"), Some(Address::Abstract));
        assert_eq!(unix(b""), Some(Address::Abstract));
    }

    #[test]
    fn netlink_talks_to_the_kernel_alone() {
        let netlink = |port: u32, groups: u32| {
            let mut bytes = (libc::AF_NETLINK as u16).to_ne_bytes().to_vec();
            bytes.extend([0; 2]);
            bytes.extend(port.to_ne_bytes());
            bytes.extend(groups.to_ne_bytes());
            meaning(bytes)
        };
        assert_eq!(netlink(0, 0), Some(Address::Kernel));
        assert_eq!(netlink(1, 0), Some(Address::Other));
        assert_eq!(netlink(0, 1), Some(Address::Other));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..=MOST_BYTES)) {
            if let Some(asked) = Asked::parse(bytes.clone()) {
                prop_assert_eq!(asked.bytes, bytes);
                if let Address::Internet(SocketAddr::V6(to)) = asked.address {
                    prop_assert!(to.ip().to_ipv4_mapped().is_none());
                }
            }
        }
    }
}
