//! A line of `allow` or `block`.

use std::fmt;

use mcp_sandbox_platform::net::{Class, Host, Ports, Rule, internal};
use mcp_sandbox_platform::quote;

use super::text::{self, refused};
use super::{Refusal, address, idn};

/// A host and its ports, as a profile or `--allow` gives them.
///
/// `name`, `*.suffix` (any depth below, not the suffix itself), an IPv4 or IPv6 address or net, or `localhost` for the
/// host's own loopback; then `:PORT` or `:PORT-PORT`. IPv6 stands in brackets where ports follow: `[fd00::/64]:5432`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    pub host: Host,
    /// None where none are written; see [`HostPattern::rule`].
    pub ports: Option<Ports>,
    /// As it was written.
    pub text: String,
}

/// Which list a pattern stands in: what is left out means the least that is allowed and the most that is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    Allow,
    Block,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with the text, and what to write instead.
    pub fn parse(text: &str, list: List) -> Result<Self, Refusal> {
        let (host, ports) = parts(text)?;
        if list == List::Allow {
            can_be_allowed(text, &host, ports.as_ref())?;
        }
        let text = text.to_owned();
        Ok(HostPattern { host, ports, text })
    }

    /// Whether two patterns mean the same, however they were written.
    pub fn same(&self, other: &HostPattern) -> bool {
        (&self.host, &self.ports) == (&other.host, &other.ports)
    }

    /// The rule for this run. Without ports, `allow` means those of the web and `block` all.
    pub fn rule(&self, list: List, reason: String) -> Rule {
        let default = || match list {
            List::Allow => Ports::new([80..=80, 443..=443]),
            List::Block => Ports::all(),
        };
        Rule {
            host: self.host.clone(),
            ports: self.ports.clone().unwrap_or_else(default),
            text: self.text.clone(),
            reason,
        }
    }
}

/// The host and the ports of a text, whatever it is for.
pub fn parts(text: &str) -> Result<(Host, Option<Ports>), Refusal> {
    text::check(text)?;
    let (host, ports) = text::split(text)?;
    let host = self::host(text, host)?;
    let ports = ports.map(|ports| text::ports(text, ports)).transpose()?;
    Ok((host, ports))
}

fn host(text: &str, host: &str) -> Result<Host, Refusal> {
    if let Some(net) = address::parse(text, host)? {
        return Ok(Host::Addresses(net));
    }
    if host == "*" {
        let hint = "name the hosts, or those below one, as in \"*.example.com\"";
        return Err(refused(text, "* alone would be every host", hint));
    }
    let name = match host.strip_prefix("*.") {
        Some(suffix) => Host::Below(idn::name(text, suffix)?),
        None => Host::Name(idn::name(text, host)?),
    };
    match &name {
        Host::Name(name) if name.as_str() == LOCALHOST => Ok(Host::HostLoopback),
        Host::Name(name) | Host::Below(name)
            if name.as_str() == LOCALHOST || name.as_str().ends_with(".localhost") =>
        {
            let hint = "write \"localhost:PORT\" for a service on this machine";
            Err(refused(
                text,
                "names below localhost are the box's own loopback",
                hint,
            ))
        }
        _ => Ok(name),
    }
}

const LOCALHOST: &str = "localhost";

fn can_be_allowed(text: &str, host: &Host, ports: Option<&Ports>) -> Result<(), Refusal> {
    match host {
        Host::HostLoopback if ports.is_none() => {
            let message = format!("{} needs a port", quote(text));
            let hint = "name the port of the service on this machine, as in \"localhost:5432\"";
            Err((message, hint.into()))
        }
        Host::Addresses(net) => {
            let row = internal(net.addr()).filter(|row| row.net.contains(net));
            match row.filter(|row| !row.class.can_be_granted()) {
                Some(row) => Err(never_allowed(text, row.class)),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn never_allowed(text: &str, class: Class) -> Refusal {
    let hint = match class {
        Class::Synthetic => "these addresses stand for the names in the box: allow the name instead",
        Class::Unspecified => "write \"localhost:PORT\" for a service on this machine",
        _ => "only TCP to one host can be allowed",
    };
    let message = format!("{} cannot be allowed: it is {class}", quote(text));
    (message, hint.into())
}

/// The canonical text: the same for all that mean the same.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.to_string();
        match (&self.ports, host.contains(':')) {
            (None, false) => f.write_str(&host),
            (None, true) => write!(f, "[{host}]"),
            (Some(ports), false) => write!(f, "{host}:{ports}"),
            (Some(ports), true) => write!(f, "[{host}]:{ports}"),
        }
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
