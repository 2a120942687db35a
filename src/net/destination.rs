//! One place a server might connect to, as a person asks about it.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use mcp_sandbox_platform::net::{Host, Name};

use super::Refusal;
use super::pattern::parts;
use super::text::refused;

/// A host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub host: One,
    pub port: Option<u16>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum One {
    Name(Name),
    Address(IpAddr),
    /// This machine's own loopback.
    HostLoopback,
}

impl Destination {
    /// Reads what [`super::HostPattern`] reads, less what means more than one host or port.
    ///
    /// # Errors
    /// What is wrong with the text, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (host, ports) = parts(text)?;
        let host = match host {
            Host::Name(name) => One::Name(name),
            Host::HostLoopback => One::HostLoopback,
            Host::Addresses(net) if net == IpNet::from(net.addr()) => One::Address(net.addr()),
            Host::Addresses(_) | Host::Below(_) | Host::AnyName => {
                let hint = "ask about one of them, such as \"www.example.com\" or \"10.1.2.3:5432\"";
                return Err(refused(text, "it means more than one", hint));
            }
        };
        let port = match ports.as_ref().map(|ports| ports.ranges()) {
            None => None,
            Some([(first, last)]) if first == last => Some(*first),
            Some(_) => {
                let hint = "ask about one port, or leave it out to see them all";
                return Err(refused(text, "it has more than one port", hint));
            }
        };
        Ok(Destination { host, port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            One::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            One::Address(ip) => write!(f, "{ip}")?,
            One::Name(name) => write!(f, "{name}")?,
            One::HostLoopback => write!(f, "localhost")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Destination;

    #[test]
    fn one_host_and_at_most_one_port() {
        for (text, shown) in [
            ("API.github.com", "api.github.com"),
            ("api.github.com.:443", "api.github.com:443"),
            ("10.1.2.3:5432", "10.1.2.3:5432"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("[fd00::1]:5432", "[fd00::1]:5432"),
            ("fd00::1", "[fd00::1]"),
            ("[1::2:3]", "[1::2:3]"),
            ("localhost", "localhost"),
            ("bücher.de", "xn--bcher-kva.de"),
        ] {
            let destination = Destination::parse(text).unwrap();
            assert_eq!(destination.to_string(), shown);
            assert_eq!(Destination::parse(shown), Ok(destination));
        }
        for (text, why) in [
            ("*.example.com", "more than one"),
            ("10.0.0.0/8", "more than one"),
            ("a.com:1-2", "more than one port"),
            ("https://a.com/x", "it is a URL"),
        ] {
            assert!(Destination::parse(text).unwrap_err().0.contains(why), "{text}");
        }
    }
}
