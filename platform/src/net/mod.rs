//! What a server may reach: rules, and how a destination is judged by them. Pure, the same on every operating system.
//!
//! A destination is a name or an address, and a port. `block` always wins. A name never grants an internal address
//! ([`class_of`]): where a name leads to one, an address rule must name that too. Addresses are canonical throughout:
//! an IPv4-mapped IPv6 address is the IPv4 address.

mod class;
mod denial;
pub mod dns;
pub mod inspect;
pub mod lookups;
mod name;
mod ports;
mod reply;
mod rule;
pub mod synthetic;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

pub use class::{Class, Internal, class_of, embedded, internal};
pub use denial::{Denial, Denials, Destination, OTHERS};
pub use ipnet::IpNet;
pub use name::{Name, NameError};
pub use ports::Ports;
pub use rule::{Host, Rule};

use crate::quote;

/// The box's own address beside its loopback, the first host of 198.18.0.0/15 (RFC 2544). No name stands behind it.
///
/// C libraries that are asked for addresses of usable families only (AI_ADDRCONFIG of getaddrinfo(3)) do not count the
/// loopback, and would find no name at all.
pub const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// What the server reaches on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub allow: Vec<Rule>,
    /// Wins over `allow`.
    pub block: Vec<Rule>,
    pub dns: Dns,
    pub inspect: Inspect,
}

/// Which names resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dns {
    /// Those that `allow` has rules for.
    Filtered,
    /// None.
    Off,
}

/// What is looked at in a connection that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspect {
    None,
    /// The name in the first TLS message, or in an HTTP request, must be the one that was asked for.
    Sni,
}

/// What the rules say about a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// By this rule of `allow`.
    Allowed(&'a Rule),
    Refused(Refusal<'a>),
}

/// Why a destination is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    NotListed,
    /// By this rule of `block`.
    Blocked(&'a Rule),
    /// The name or address is listed, this port is not.
    Port,
    /// The name or a wide net is allowed, but this address is internal and no address rule names it.
    Internal(Class),
}

impl Network {
    /// The server's own loopback, nothing else.
    pub fn none() -> Self {
        Network {
            allow: Vec::new(),
            block: Vec::new(),
            dns: Dns::Filtered,
            inspect: Inspect::None,
        }
    }

    /// Nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty()
    }

    /// Whether the server may learn that a name exists: some port of it is allowed and not blocked.
    pub fn resolves(&self, name: &Name) -> Verdict<'_> {
        let blocking = || self.block.iter().filter(|rule| rule.host.covers_name(name));
        let mut listed = self.named(name).peekable();
        if listed.peek().is_none() {
            return Verdict::Refused(Refusal::NotListed);
        }
        let open = |rule: &&Rule| {
            let blocked = blocking().map(|rule| &rule.ports);
            rule.ports.lowest_outside(blocked).is_some()
        };
        match (listed.find(open), blocking().next()) {
            (Some(rule), _) => Verdict::Allowed(rule),
            (None, Some(rule)) => Verdict::Refused(Refusal::Blocked(rule)),
            // Only a rule without any port comes here.
            (None, None) => Verdict::Refused(Refusal::Port),
        }
    }

    /// Whether a name may be connected to. Where it leads is judged by [`Network::judge_address`] on top.
    pub fn judge_name(&self, name: &Name, port: u16) -> Verdict<'_> {
        let blocks = |rule: &&Rule| rule.host.covers_name(name) && rule.ports.contains(port);
        if let Some(rule) = self.block.iter().find(blocks) {
            return Verdict::Refused(Refusal::Blocked(rule));
        }
        by_port(self.named(name), port)
    }

    /// Whether an address may be connected to.
    ///
    /// `through` is the name whose resolution gave the address: public addresses are then allowed with the name, internal
    /// ones only by an address rule. Without it the server named the address itself, and only address rules count.
    pub fn judge_address(&self, ip: IpAddr, port: u16, through: Option<&Name>) -> Verdict<'_> {
        let ip = ip.to_canonical();
        if let Some(rule) = self.block_of(ip, port) {
            return Verdict::Refused(Refusal::Blocked(rule));
        }
        let by_address = self.by_address(ip, port);
        let Some(name) = through else {
            return by_address;
        };
        let by_name = self.judge_name(name, port);
        match (by_name, class_of(ip), by_address) {
            (Verdict::Refused(_), ..) | (_, None, _) => by_name,
            (_, Some(class), Verdict::Refused(Refusal::NotListed)) => {
                Verdict::Refused(Refusal::Internal(class))
            }
            (_, Some(_), by_address) => by_address,
        }
    }

    /// Whether a port of the host's own loopback may be connected to: by `localhost`, or by an address rule for
    /// `127.0.0.1` or `::1`. A block of either address blocks both.
    pub fn host_loopback(&self, port: u16) -> Verdict<'_> {
        let both = rule::HOST_LOOPBACK.map(|ip| self.judge_address(ip, port, None));
        let rank = |verdict: &Verdict<'_>| match verdict {
            Verdict::Refused(Refusal::Blocked(_)) => 0,
            Verdict::Allowed(_) => 1,
            Verdict::Refused(Refusal::Port | Refusal::Internal(_)) => 2,
            Verdict::Refused(Refusal::NotListed) => 3,
        };
        let [v4, v6] = both;
        if rank(&v6) < rank(&v4) { v6 } else { v4 }
    }

    /// The rules of `allow` for a name. Where no name resolves, none is allowed.
    fn named(&self, name: &Name) -> impl Iterator<Item = &Rule> {
        let on = self.dns == Dns::Filtered;
        self.allow
            .iter()
            .filter(move |rule| on && rule.host.covers_name(name))
    }

    /// A blocked IPv4 address is blocked in every IPv6 dress too.
    fn block_of(&self, ip: IpAddr, port: u16) -> Option<&Rule> {
        let carried = embedded(ip).map(IpAddr::V4);
        let covers = |host: &Host| {
            host.covers_address(ip) || carried.is_some_and(|carried| host.covers_address(carried))
        };
        self.block
            .iter()
            .find(|rule| rule.ports.contains(port) && covers(&rule.host))
    }

    /// By address rules alone.
    fn by_address(&self, ip: IpAddr, port: u16) -> Verdict<'_> {
        let covering = || self.allow.iter().filter(|rule| rule.host.covers_address(ip));
        let granting = covering().filter(|rule| rule.host.grants_address(ip));
        match (by_port(granting, port), class_of(ip), covering().next()) {
            (Verdict::Refused(Refusal::NotListed), Some(class), Some(_)) => {
                Verdict::Refused(Refusal::Internal(class))
            }
            (verdict, ..) => verdict,
        }
    }
}

/// The first of these rules that has the port.
fn by_port<'a>(mut rules: impl Iterator<Item = &'a Rule>, port: u16) -> Verdict<'a> {
    let mut listed = false;
    let found = rules.find(|rule| {
        listed = true;
        rule.ports.contains(port)
    });
    match found {
        Some(rule) => Verdict::Allowed(rule),
        None if listed => Verdict::Refused(Refusal::Port),
        None => Verdict::Refused(Refusal::NotListed),
    }
}

impl Verdict<'_> {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Verdict::Allowed(_))
    }
}

/// The reason as the end of a sentence that starts with the destination.
impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotListed => f.write_str("nothing in allow names it"),
            Refusal::Blocked(rule) => {
                write!(f, "{} in block refuses it ({})", quote(&rule.text), rule.reason)
            }
            Refusal::Port => f.write_str("allow names it with other ports"),
            Refusal::Internal(class) => {
                write!(f, "it is {class}, which only a rule for such addresses allows")
            }
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
