//! The host's own resolver, so that its hosts file, name services, VPN and split DNS count.

use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use crate::net::Name;
use crate::net::lookups::ResolveError;

/// Asks the host for the addresses of a name, in the order in which it would try them (getaddrinfo(3)). Takes as long
/// as the host's resolver takes.
///
/// The standard library's look-up does the same, but says only as text whether the name does not exist.
pub fn look_up(name: &Name) -> Result<Vec<IpAddr>, ResolveError> {
    let node = CString::new(name.as_str()).map_err(|_| ResolveError::NotFound)?;
    // SAFETY: addrinfo is plain data for which all zeroes is valid.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    // One entry per address instead of one per address and type.
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = ptr::null_mut();
    // SAFETY: node is NUL-terminated, hints and list live across the call, no service is asked for.
    let code = unsafe { libc::getaddrinfo(node.as_ptr(), ptr::null(), &raw const hints, &raw mut list) };
    if code != 0 {
        return Err(failure(code));
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    // SAFETY: the call succeeded, so list is a chain of valid entries, not freed before the end of this block.
    while let Some(info) = unsafe { entry.as_ref() } {
        addresses.extend(address(info));
        entry = info.ai_next;
    }
    // SAFETY: list comes from getaddrinfo, is freed once, and nothing of it is used any more.
    unsafe { libc::freeaddrinfo(list) };
    Ok(addresses)
}

fn address(info: &libc::addrinfo) -> Option<IpAddr> {
    match info.ai_family {
        libc::AF_INET => {
            // SAFETY: an entry of this family points to a sockaddr_in, of whatever alignment.
            let socket = unsafe { ptr::read_unaligned(info.ai_addr.cast::<libc::sockaddr_in>()) };
            Some(Ipv4Addr::from_bits(u32::from_be(socket.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: an entry of this family points to a sockaddr_in6, of whatever alignment.
            let socket = unsafe { ptr::read_unaligned(info.ai_addr.cast::<libc::sockaddr_in6>()) };
            Some(Ipv6Addr::from(socket.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

fn failure(code: libc::c_int) -> ResolveError {
    match code {
        libc::EAI_NONAME => ResolveError::NotFound,
        libc::EAI_NODATA => ResolveError::NoAddress,
        _ => ResolveError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_counts() {
        let name = Name::parse("localhost").unwrap();
        let addresses = look_up(&name).unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
        assert!(!addresses.is_empty());
    }

    #[test]
    fn codes_are_told_apart() {
        assert_eq!(failure(libc::EAI_NONAME), ResolveError::NotFound);
        assert_eq!(failure(libc::EAI_NODATA), ResolveError::NoAddress);
        assert_eq!(failure(libc::EAI_AGAIN), ResolveError::Failed);
        assert_eq!(failure(libc::EAI_SYSTEM), ResolveError::Failed);
    }
}
