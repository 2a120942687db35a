//! Where a connection of the server goes: decided from data alone, so that it is tested without a kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;

use crate::net::{Class, Denial, Name, Network, OWN_ADDRESS, Verdict, class_of};

/// What becomes of a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It stays in the box's own network, which has nothing but a loopback.
    Box,
    /// It goes to the first of these addresses of the host's network that answers. All of them are allowed.
    Host(Vec<SocketAddr>),
    /// It goes to a host that is allowed, whose addresses have to be found.
    Name(Name, u16),
    Refused(Refused),
}

/// What the server gets, and what a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub errno: Errno,
    pub denial: Option<Denial>,
}

/// Finds the route to an address that the server named. `behind` knows the names of synthetic addresses.
pub fn route(to: SocketAddr, network: &Network, behind: impl Fn(Ipv4Addr) -> Option<Name>) -> Route {
    let (ip, port) = (to.ip().to_canonical(), to.port());
    match (ip, class_of(ip)) {
        (ip, _) if ip.is_unspecified() || LOCALHOST.contains(&ip) => loopback(port, network),
        (ip, Some(Class::Loopback)) if !network.judge_address(ip, port, None).is_allowed() => Route::Box,
        (IpAddr::V4(own), _) if own == OWN_ADDRESS => Route::Box,
        (IpAddr::V4(ip), Some(Class::Synthetic)) => synthetic(ip, port, network, behind),
        _ => match network.judge_address(ip, port, None) {
            Verdict::Allowed(_) => Route::Host(vec![to]),
            Verdict::Refused(refusal) => {
                let mut denial = Denial::of(ip, port, refusal);
                // Nobody should be told to hand out a machine's credentials.
                denial.cure = denial.cure.filter(|_| class_of(ip) != Some(Class::Metadata));
                Route::Refused(Refused {
                    errno: Errno::ENETUNREACH,
                    denial: Some(denial),
                })
            }
        },
    }
}

/// What `localhost` means, the more usual one first.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A port of 127.0.0.1 or ::1 is the host's where a rule says so, else the box's.
fn loopback(port: u16, network: &Network) -> Route {
    if !network.host_loopback(port).is_allowed() {
        return Route::Box;
    }
    let allowed = LOCALHOST
        .into_iter()
        .filter(|ip| network.judge_address(*ip, port, None).is_allowed());
    Route::Host(allowed.map(|ip| SocketAddr::new(ip, port)).collect())
}

fn synthetic(ip: Ipv4Addr, port: u16, network: &Network, behind: impl Fn(Ipv4Addr) -> Option<Name>) -> Route {
    // Given to no name: somebody tries addresses.
    let Some(name) = behind(ip) else {
        return Route::Refused(Refused {
            errno: Errno::ENETUNREACH,
            denial: None,
        });
    };
    match network.judge_name(&name, port) {
        Verdict::Allowed(_) => Route::Name(name, port),
        Verdict::Refused(refusal) => Route::Refused(Refused {
            errno: Errno::ECONNREFUSED,
            denial: Some(Denial::of(&name, port, refusal)),
        }),
    }
}

/// The addresses among those of a name that may be connected to, in their order.
///
/// # Errors
/// None may: a name never grants an internal address (DNS rebinding).
pub fn judged(
    name: &Name,
    port: u16,
    addresses: &[IpAddr],
    network: &Network,
) -> Result<Vec<SocketAddr>, Refused> {
    let mut refused = None;
    let mut allowed = Vec::new();
    for ip in addresses {
        match network.judge_address(*ip, port, Some(name)) {
            Verdict::Allowed(_) => allowed.push(SocketAddr::new(ip.to_canonical(), port)),
            Verdict::Refused(refusal) => {
                refused.get_or_insert((ip.to_canonical(), refusal));
            }
        }
    }
    match (allowed.is_empty(), refused) {
        (false, _) => Ok(allowed),
        (true, Some((ip, refusal))) => {
            let mut denial = Denial::of(ip, port, refusal);
            denial.reason = format!("{name} leads there, and {}", denial.reason);
            Err(Refused {
                errno: Errno::EHOSTUNREACH,
                denial: Some(denial),
            })
        }
        (true, None) => Err(Refused {
            errno: Errno::EHOSTUNREACH,
            denial: None,
        }),
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
