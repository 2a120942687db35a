//! The hosts of a package manager's registries, as rules of `[network] allow`. Which they are is the manager's to say.

use std::net::{IpAddr, ToSocketAddrs as _};

use mcp_sandbox_platform::net::{self, Class};
use mcp_sandbox_platform::quote;
use url::{Host, Url};

use crate::error::{Error, printable};

/// The rules that let a box reach the host of `address`, which `setting` names.
///
/// # Errors
/// It is no address of a host.
pub fn rules(address: &str, setting: &str) -> Result<Vec<String>, Error> {
    let refused = || {
        let message = format!(
            "{setting} is {}, which names no host",
            quote(without_password(address))
        );
        Error::setup(message).hint("it must be an address that starts with https:// or http://")
    };
    let url = Url::parse(address).map_err(|_| refused())?;
    let port = url.port_or_known_default().ok_or_else(refused)?;
    let host = url.host().ok_or_else(refused)?;
    let name = match host {
        Host::Domain("localhost") => return Ok(vec![format!("localhost:{port}")]),
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) if ip.is_loopback() => return Ok(vec![format!("localhost:{port}")]),
        Host::Ipv6(ip) if ip.is_loopback() => return Ok(vec![format!("localhost:{port}")]),
        Host::Ipv4(ip) => return Ok(vec![rule(ip.into(), port)]),
        Host::Ipv6(ip) => return Ok(vec![rule(ip.into(), port)]),
    };
    // A registry of a company lies inside its network, where a name alone leads nowhere.
    let found = (name.as_str(), port).to_socket_addrs().into_iter().flatten();
    let of_address = |ip: IpAddr| match net::class_of(ip)? {
        Class::Loopback => Some(format!("localhost:{port}")),
        // No registry lies there, whatever a name server says.
        Class::Metadata | Class::LinkLocal => None,
        class => class.can_be_granted().then(|| rule(ip, port)),
    };
    let mut rules: Vec<String> = found.filter_map(|address| of_address(address.ip())).collect();
    rules.push(format!("{name}:{port}"));
    rules.sort();
    rules.dedup();
    Ok(rules)
}

fn rule(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

/// An address as messages may show it.
pub fn without_password(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if url.password().is_some() || !url.username().is_empty() => {
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.to_string()
        }
        _ => address.to_owned(),
    }
}

/// How a manager failed, told by the last lines that it said.
pub fn last_lines(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(most);
    let lines: Vec<String> = lines[from..]
        .iter()
        .map(|line| format!("  {}", printable(line)))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_host_and_port_and_nothing_else() {
        let of = |address| rules(address, "registry").unwrap();
        assert_eq!(of("http://localhost:4873/x/"), ["localhost:4873"]);
        assert_eq!(of("http://127.0.0.1:4873"), ["localhost:4873"]);
        assert_eq!(of("http://[::1]/"), ["localhost:80"]);
        assert_eq!(of("https://10.1.2.3/npm"), ["10.1.2.3:443"]);
        assert_eq!(of("https://me:secret@name.invalid/npm"), ["name.invalid:443"]);
        let error = rules("me:secret@host", "registry").unwrap_err().to_string();
        assert!(error.contains("names no host"), "{error}");
        assert!(!without_password("https://me:secret@host/x").contains("secret"));
    }
}
