//! One line of `allow` or `block`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::class::internal;
use super::{Name, Ports};

/// Where a rule leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// This name and no other.
    Name(Name),
    /// `*.suffix`: every name below it at any depth, not the suffix itself.
    Below(Name),
    /// Every name. No profile can say so: it is the ceiling of a run that looks for the names a server needs.
    AnyName,
    /// An address, or every address of a net.
    Addresses(IpNet),
    /// `localhost`: `127.0.0.1` and `::1` of the host.
    HostLoopback,
}

/// A line of `allow` or `block`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub host: Host,
    pub ports: Ports,
    /// As it was written.
    pub text: String,
    /// Which line or flag it comes from: `file:line` or `--allow`.
    pub reason: String,
}

impl Host {
    pub fn is_name(&self) -> bool {
        matches!(self, Host::Name(_) | Host::Below(_) | Host::AnyName)
    }

    pub fn covers_name(&self, name: &Name) -> bool {
        match self {
            Host::Name(own) => own == name,
            Host::Below(suffix) => name.is_below(suffix),
            Host::AnyName => true,
            Host::Addresses(_) | Host::HostLoopback => false,
        }
    }

    /// Whether the address, canonical, is one of this rule's.
    pub fn covers_address(&self, ip: IpAddr) -> bool {
        match self {
            Host::Addresses(net) => net.contains(&ip),
            Host::HostLoopback => HOST_LOOPBACK.contains(&ip),
            Host::Name(_) | Host::Below(_) | Host::AnyName => false,
        }
    }

    /// Whether an `allow` rule that covers the address also grants it: public ones always, internal ones only where the
    /// rule lies inside the row of the table that the address falls into. `0.0.0.0/0` names no private address, and
    /// `169.254.0.0/16` not the metadata server in it.
    pub fn grants_address(&self, ip: IpAddr) -> bool {
        let Some(row) = internal(ip) else {
            return true;
        };
        match self {
            Host::Addresses(net) => row.class.can_be_granted() && row.net.contains(net),
            Host::HostLoopback => true,
            Host::Name(_) | Host::Below(_) | Host::AnyName => false,
        }
    }
}

/// What `localhost` means on the host.
pub(super) const HOST_LOOPBACK: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The canonical text, which parses to the same host. A net of one address is written as the address.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => write!(f, "{name}"),
            Host::Below(suffix) => write!(f, "*.{suffix}"),
            Host::Addresses(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Host::Addresses(net) => write!(f, "{net}"),
            Host::AnyName => f.write_str("every name"),
            Host::HostLoopback => f.write_str("localhost"),
        }
    }
}
