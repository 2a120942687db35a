//! What a server reaches on the network, for people and for programs.

use mcp_sandbox_platform::Network;
use mcp_sandbox_platform::net::{Dns, Host, Inspect, Ports, Rule};
use serde_json::{Value, json};

use super::explain::{Row, aligned};
use crate::error::printable;

/// In a few words, for the status line.
pub fn summary(network: &Network) -> String {
    let mut hosts: Vec<&Host> = Vec::new();
    for rule in &network.allow {
        if !hosts.contains(&&rule.host) {
            hosts.push(&rule.host);
        }
    }
    match hosts.len() {
        0 => "no network".into(),
        1 => "network: 1 host".into(),
        more => format!("network: {more} hosts"),
    }
}

/// Every rule with where it comes from, and what holds besides them.
pub fn lines(network: &Network) -> Vec<String> {
    if network.is_empty() {
        return vec!["nothing but its own loopback: no host, no name server, no socket of the host".into()];
    }
    let allowed = network.allow.iter().map(|rule| row("allow", rule));
    let blocked = network.block.iter().map(|rule| row("block", rule));
    let mut lines = aligned(&allowed.chain(blocked).collect::<Vec<_>>());
    if network.allow.iter().any(|rule| rule.host.is_name()) {
        lines.push("a name that leads to an internal address needs a rule for the address too".into());
    }
    if network.dns == Dns::Off {
        lines.push("no name resolves".into());
    }
    if network.inspect == Inspect::Sni {
        lines.push("the name in a TLS or HTTP connection must be the one that was asked for".into());
    }
    lines.push("nothing else but its own loopback: no other host or name, no UDP".into());
    lines
}

/// A rule as a row of a table. What was written is repeated only where it reads differently.
pub fn row(list: &'static str, rule: &Rule) -> Row {
    let host = match &rule.host {
        Host::HostLoopback => "host's localhost".to_owned(),
        host => host.to_string(),
    };
    let written = match rule.text.to_lowercase().starts_with(&rule.host.to_string()) || !rule.host.is_name() {
        true => String::new(),
        false => format!("{}, ", printable(&rule.text)),
    };
    let reason = format!("{written}{}", rule.reason);
    (list, format!("{host}, {}", ports(&rule.ports)), reason)
}

/// As in `port 443` and `ports 80,443`.
pub fn ports(ports: &Ports) -> String {
    match ports.ranges() {
        _ if ports.is_all() => "every port".into(),
        [(first, last)] if first == last => format!("port {first}"),
        _ => format!("ports {ports}"),
    }
}

/// The rules for a program.
pub fn json(network: &Network) -> Value {
    json!({
        "allow": network.allow.iter().map(rule).collect::<Vec<_>>(),
        "block": network.block.iter().map(rule).collect::<Vec<_>>(),
        "dns": match network.dns {
            Dns::Filtered => "filtered",
            Dns::Off => "off",
        },
        "inspect": match network.inspect {
            Inspect::None => "none",
            Inspect::Sni => "sni",
        },
    })
}

/// One rule for a program.
pub fn rule(rule: &Rule) -> Value {
    json!({
        "host": rule.host.to_string(),
        "ports": rule.ports.ranges(),
        "text": rule.text,
        "reason": rule.reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{HostPattern, List};

    fn network(allow: &[&str], block: &[&str]) -> Network {
        let rules = |texts: &[&str], list| -> Vec<Rule> {
            let rule = |text: &&str| {
                HostPattern::parse(text, list)
                    .unwrap()
                    .rule(list, "p.toml:3".into())
            };
            texts.iter().map(rule).collect()
        };
        Network {
            allow: rules(allow, List::Allow),
            block: rules(block, List::Block),
            ..Network::none()
        }
    }

    #[test]
    fn hosts_are_counted_once_each() {
        for (allow, expected) in [
            (&[][..], "no network"),
            (&["a.com"], "network: 1 host"),
            (&["a.com", "A.com:22"], "network: 1 host"),
            (&["a.com", "*.a.com", "localhost:1"], "network: 3 hosts"),
        ] {
            assert_eq!(summary(&network(allow, &["b.com"])), expected);
        }
    }

    #[test]
    fn nothing_allowed_is_told_in_one_line() {
        for block in [&[][..], &["a.com"]] {
            let lines = lines(&network(&[], block));
            assert!(
                lines.len() == 1 && lines[0].starts_with("nothing but its own loopback"),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn every_rule_is_listed_with_its_ports_and_line() {
        let rules = network(
            &[
                "API.github.com",
                "*.a.com:443",
                "bücher.de:1-9",
                "localhost:5432",
                "[fd00::/64]:1-65535",
            ],
            &["169.254.0.0/16"],
        );
        let text = lines(&rules).join("\n");
        assert_eq!(
            text,
            "allow  api.github.com, ports 80,443  p.toml:3\n\
             allow  *.a.com, port 443             p.toml:3\n\
             allow  xn--bcher-kva.de, ports 1-9   bücher.de:1-9, p.toml:3\n\
             allow  host's localhost, port 5432   p.toml:3\n\
             allow  fd00::/64, every port         p.toml:3\n\
             block  169.254.0.0/16, every port    p.toml:3\n\
             a name that leads to an internal address needs a rule for the address too\n\
             nothing else but its own loopback: no other host or name, no UDP"
        );
        let sni = Network {
            inspect: Inspect::Sni,
            ..network(&["10.0.0.1"], &[])
        };
        let text = lines(&Network { dns: Dns::Off, ..sni }).join("\n");
        assert!(
            text.contains("no name resolves") && text.contains("the name in a TLS"),
            "{text}"
        );
        assert!(!text.contains("a name that leads"), "{text}");
    }

    #[test]
    fn the_json_has_every_rule() {
        let json = json(&network(&["A.com"], &["10.0.0.0/8"]));
        let allow = json!([{"host": "a.com", "ports": [[80, 80], [443, 443]], "text": "A.com", "reason": "p.toml:3"}]);
        let block = json!([{"host": "10.0.0.0/8", "ports": [[1, 65535]], "text": "10.0.0.0/8", "reason": "p.toml:3"}]);
        assert_eq!(
            json,
            json!({"allow": allow, "block": block, "dns": "filtered", "inspect": "none"})
        );
    }
}
