//! Which addresses are internal: what a name may never lead to by itself. One table, a reason per row.
//!
//! Sources: the IANA special-purpose address registries (RFC 6890 and its updates) and the documents of the cloud
//! providers. What is not assigned for the open internet is internal too.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address is internal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// This host itself.
    Loopback,
    /// `0.0.0.0/8` and `::`, which reach this host itself on Linux.
    Unspecified,
    /// RFC 1918.
    Private,
    LinkLocal,
    /// A cloud's server of machine credentials, and its like.
    Metadata,
    /// RFC 6598, also used by overlay networks.
    SharedCgnat,
    UniqueLocal,
    /// `fec0::/10`, given up by RFC 3879, still routed at some sites.
    SiteLocal,
    Multicast,
    Broadcast,
    /// Examples in documents.
    Documentation,
    /// `198.18.0.0/15`: the box's own addresses of names lie here.
    Synthetic,
    /// Carries packets to an IPv4 network of somebody's choice: Teredo, 6to4, a site's own NAT64.
    Tunnel,
    /// Not assigned for use on the internet.
    Reserved,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Internal {
    /// An address rule grants an address of this row only if it lies inside this net.
    pub net: IpNet,
    pub class: Class,
    /// What lives there, and where that is written.
    pub why: &'static str,
}

/// The class of an address that is not public; none for a public one.
pub fn class_of(ip: IpAddr) -> Option<Class> {
    internal(ip).map(|row| row.class)
}

/// The narrowest row of the table that an address falls into; none for a public one.
pub fn internal(ip: IpAddr) -> Option<Internal> {
    let ip = ip.to_canonical();
    let IpAddr::V6(v6) = ip else {
        return in_table(ip);
    };
    // An address that stands for an IPv4 address is as internal as that one. Only a rule for the very address grants
    // it: nobody who allows a range of IPv6 thinks of these.
    let carried = embedded(ip).and_then(|v4| in_table(IpAddr::V4(v4)));
    if let Some(row) = carried {
        return Some(Internal {
            net: IpNet::from(ip),
            ..row
        });
    }
    in_table(ip).or_else(|| unassigned(v6))
}

/// The IPv4 address that an IPv6 address stands for, by whichever way of carrying one in the other.
pub fn embedded(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = ip else {
        return None;
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b, c, d, e, f) {
        // IPv4-mapped, RFC 4291 2.5.5.2; IPv4-translated, RFC 2765.
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) => v4(g, h),
        // IPv4-compatible, RFC 4291 2.5.5.1, but for :: and ::1.
        (0, 0, 0, 0, 0, 0) if (g, h) > (0, 1) => v4(g, h),
        // NAT64, RFC 6052.
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        // 6to4, RFC 3056.
        (0x2002, ..) => v4(b, c),
        // Teredo, RFC 4380: the client's address with every bit turned over.
        (0x2001, 0, ..) => v4(!g, !h),
        // ISATAP, RFC 5214, below any prefix.
        (_, _, _, _, 0 | 0x200, 0x5efe) => v4(g, h),
        _ => None,
    }
}

fn in_table(ip: IpAddr) -> Option<Internal> {
    let rows = match ip {
        IpAddr::V4(_) => IPV4,
        IpAddr::V6(_) => IPV6,
    };
    rows.iter().find(|row| row.net.contains(&ip)).copied()
}

/// Only `2000::/3` is assigned for the open internet, and the NAT64 prefix leads to it.
fn unassigned(ip: Ipv6Addr) -> Option<Internal> {
    const GLOBAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
    let public = GLOBAL.contains(&ip) || NAT64.contains(&ip);
    (!public).then(|| Internal {
        net: IpNet::from(IpAddr::V6(ip)),
        class: Class::Reserved,
        why: "not assigned for the internet, RFC 4291",
    })
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8, class: Class, why: &'static str) -> Internal {
    let net = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length));
    Internal { net, class, why }
}

const fn v6(start: [u16; 4], end: [u16; 4], length: u8, class: Class, why: &'static str) -> Internal {
    let ([a, b, c, d], [e, f, g, h]) = (start, end);
    let net = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length));
    Internal { net, class, why }
}

/// The first row that holds an address counts, so a narrow one stands before the one around it.
#[rustfmt::skip]
const IPV4: &[Internal] = &[
    v4(169, 254, 169, 254, 32, Class::Metadata, "metadata of AWS, Google, Azure, Oracle, DigitalOcean, Hetzner, OpenStack"),
    v4(169, 254, 170, 2, 32, Class::Metadata, "credentials of AWS ECS tasks"),
    v4(169, 254, 170, 23, 32, Class::Metadata, "credentials of AWS EKS pods"),
    v4(169, 254, 0, 23, 32, Class::Metadata, "metadata of Tencent Cloud"),
    v4(169, 254, 42, 42, 32, Class::Metadata, "metadata of Scaleway"),
    v4(100, 100, 100, 200, 32, Class::Metadata, "metadata of Alibaba Cloud"),
    v4(168, 63, 129, 16, 32, Class::Metadata, "the wire server of Azure, a public address answered by the host machine"),
    v4(192, 0, 0, 192, 32, Class::Metadata, "metadata of Oracle Cloud Classic"),
    v4(0, 0, 0, 0, 8, Class::Unspecified, "\"this network\", RFC 791; 0.0.0.0 reaches this host on Linux"),
    v4(10, 0, 0, 0, 8, Class::Private, "RFC 1918"),
    v4(100, 64, 0, 0, 10, Class::SharedCgnat, "carrier-grade NAT, RFC 6598; overlay networks such as Tailscale"),
    v4(127, 0, 0, 0, 8, Class::Loopback, "RFC 1122"),
    v4(169, 254, 0, 0, 16, Class::LinkLocal, "RFC 3927"),
    v4(172, 16, 0, 0, 12, Class::Private, "RFC 1918"),
    v4(192, 0, 0, 0, 24, Class::Reserved, "protocol assignments such as DS-Lite, RFC 6890"),
    v4(192, 0, 2, 0, 24, Class::Documentation, "RFC 5737"),
    v4(192, 88, 99, 0, 24, Class::Tunnel, "6to4 relays, given up by RFC 7526"),
    v4(192, 168, 0, 0, 16, Class::Private, "RFC 1918"),
    v4(198, 18, 0, 0, 15, Class::Synthetic, "benchmarks, RFC 2544; the box's own addresses of names"),
    v4(198, 51, 100, 0, 24, Class::Documentation, "RFC 5737"),
    v4(203, 0, 113, 0, 24, Class::Documentation, "RFC 5737"),
    v4(224, 0, 0, 0, 4, Class::Multicast, "RFC 5771"),
    v4(255, 255, 255, 255, 32, Class::Broadcast, "RFC 919"),
    v4(240, 0, 0, 0, 4, Class::Reserved, "RFC 1112"),
];

/// As [`IPV4`]. What embeds an IPv4 address is judged by [`embedded`] first.
#[rustfmt::skip]
const IPV6: &[Internal] = &[
    v6([0xfd00, 0xec2, 0, 0], [0, 0, 0, 0], 32, Class::Metadata, "metadata, credentials, time and names of AWS"),
    v6([0xfd20, 0xce, 0, 0], [0, 0, 0, 0x254], 128, Class::Metadata, "metadata of Google Cloud"),
    v6([0xfd00, 0xc1, 0, 0], [0, 0, 0xa9fe, 0xa9fe], 128, Class::Metadata, "metadata of Oracle Cloud"),
    v6([0xfd00, 0x42, 0, 0], [0, 0, 0, 0x42], 128, Class::Metadata, "metadata of Scaleway"),
    v6([0xfe80, 0, 0, 0], [0, 0, 0xa9fe, 0xa9fe], 128, Class::Metadata, "metadata of OpenStack"),
    v6([0; 4], [0; 4], 128, Class::Unspecified, "RFC 4291; reaches this host on Linux"),
    v6([0; 4], [0, 0, 0, 1], 128, Class::Loopback, "RFC 4291"),
    v6([0; 4], [0; 4], 96, Class::Tunnel, "IPv4-compatible, given up by RFC 4291"),
    v6([0; 4], [0xffff, 0, 0, 0], 96, Class::Tunnel, "IPv4-translated, RFC 2765"),
    v6([0x64, 0xff9b, 1, 0], [0; 4], 48, Class::Tunnel, "a site's own NAT64, RFC 8215"),
    v6([0x100, 0, 0, 0], [0; 4], 64, Class::Reserved, "discarded, RFC 6666"),
    v6([0x2001, 0, 0, 0], [0; 4], 32, Class::Tunnel, "Teredo, RFC 4380"),
    v6([0x2001, 0, 0, 0], [0; 4], 23, Class::Reserved, "protocol assignments, RFC 2928"),
    v6([0x2001, 0xdb8, 0, 0], [0; 4], 32, Class::Documentation, "RFC 3849"),
    v6([0x2002, 0, 0, 0], [0; 4], 16, Class::Tunnel, "6to4, RFC 3056"),
    v6([0x3fff, 0, 0, 0], [0; 4], 20, Class::Documentation, "RFC 9637"),
    v6([0xfc00, 0, 0, 0], [0; 4], 7, Class::UniqueLocal, "RFC 4193"),
    v6([0xfe80, 0, 0, 0], [0; 4], 10, Class::LinkLocal, "RFC 4291"),
    v6([0xfec0, 0, 0, 0], [0; 4], 10, Class::SiteLocal, "given up by RFC 3879"),
    v6([0xff00, 0, 0, 0], [0; 4], 8, Class::Multicast, "RFC 4291"),
];

impl Class {
    /// Whether an address rule can allow such addresses at all. A synthetic address stands for a name, `0.0.0.0` for
    /// whatever the system makes of it, and TCP connects to one host only.
    pub fn can_be_granted(self) -> bool {
        !matches!(
            self,
            Class::Synthetic | Class::Unspecified | Class::Multicast | Class::Broadcast
        )
    }

    /// The class as an adjective before "address".
    pub fn word(self) -> &'static str {
        match self {
            Class::Loopback => "loopback",
            Class::Unspecified => "unspecified",
            Class::Private => "private",
            Class::LinkLocal => "link-local",
            Class::Metadata => "cloud metadata",
            Class::SharedCgnat => "carrier-grade NAT",
            Class::UniqueLocal => "unique-local",
            Class::SiteLocal => "site-local",
            Class::Multicast => "multicast",
            Class::Broadcast => "broadcast",
            Class::Documentation => "documentation",
            Class::Synthetic => "synthetic",
            Class::Tunnel => "tunnel",
            Class::Reserved => "reserved",
        }
    }
}

/// As in `a link-local address`.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if *self == Class::Unspecified { "an" } else { "a" };
        write!(f, "{article} {} address", self.word())
    }
}

#[cfg(test)]
#[path = "class_tests.rs"]
mod tests;
