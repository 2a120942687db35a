//! `why`: whether a server could reach a host, and by which line of which file. Paths are answered in `why_path`.

use std::net::IpAddr;
use std::process::ExitCode;

use mcp_sandbox_platform::net::{Class, Internal, Ports, Refusal, Rule, Verdict, internal};
use mcp_sandbox_platform::{Network, quote};
use serde_json::{Value, json};

use super::explain::aligned;
use super::{out, reach, request, why_path};
use crate::cli::Why;
use crate::error::Error;
use crate::host::Facts;
use crate::net::{Destination, One};
use crate::policy::{self, network};

/// The exit code when the answer is no.
pub const DENIED: u8 = 1;

/// What the rules say about a destination.
struct Answer<'n> {
    destination: &'n Destination,
    verdict: Verdict<'n>,
    /// The ports that are open, where none was asked about.
    open: Option<Ports>,
    /// Each rule that names the host, whatever its ports.
    rules: Vec<(&'static str, &'n Rule)>,
    /// What is known about an address that is not public.
    internal: Option<Internal>,
}

/// Resolves the network of the policy and asks it.
///
/// # Errors
/// The text is no destination, or the profile is not valid.
pub fn run(args: Why) -> Result<ExitCode, Error> {
    if is_path(&args.destination) {
        return why_path::run(args);
    }
    let parsed = Destination::parse(&args.destination);
    let destination = parsed.map_err(|(message, hint)| Error::setup(message).hint(hint))?;
    let chosen = policy::open(&request(args.policy, args.command), &Facts::gather()?)?;
    let resolved = network::resolve(&chosen.profile).map_err(Error::profile)?;
    for warning in chosen.warnings.iter().chain(&resolved.warnings) {
        out::warn(&warning.warning());
    }
    let answer = answer(&resolved.network, &destination);
    match args.json {
        true => out::print(&format!("{:#}\n", json(&answer)))?,
        false => out::print(&format!("{}\n", text(&answer).join("\n")))?,
    }
    Ok(match answer.verdict {
        Verdict::Allowed(_) => ExitCode::SUCCESS,
        Verdict::Refused(_) => DENIED.into(),
    })
}

/// What is a path to a shell is none to the rules of hosts; nets and URLs have their own words.
fn is_path(text: &str) -> bool {
    let front = text.split('/').next().unwrap_or_default();
    let address = front.trim_start_matches('[').parse::<IpAddr>().is_ok();
    text.starts_with(['.', '~', '/']) || text.contains('/') && !text.contains("://") && !address
}

fn answer<'n>(network: &'n Network, destination: &'n Destination) -> Answer<'n> {
    let names = |rule: &Rule| match &destination.host {
        One::Name(name) => rule.host.covers_name(name),
        One::Address(ip) => rule.host.covers_address(*ip),
        One::HostLoopback => LOOPBACK.iter().any(|ip| rule.host.covers_address(*ip)),
    };
    let rules = |list: &'static str, rules: &'n [Rule]| {
        let naming = rules.iter().filter(|rule| names(rule));
        naming.map(|rule| (list, rule)).collect::<Vec<_>>()
    };
    let allowing = rules("allow", &network.allow);
    // A refusal is the same for every port that no rule has.
    let first = allowing.first().and_then(|(_, rule)| rule.ports.ranges().first());
    let some_port = first.map_or(443, |(port, _)| *port);
    let open = destination.port.is_none().then(|| open(network, destination));
    let lowest = open.as_ref().and_then(|ports| ports.ranges().first());
    let port = destination.port.or(lowest.map(|(port, _)| *port));
    Answer {
        verdict: judge(network, destination, port.unwrap_or(some_port)),
        rules: [allowing, rules("block", &network.block)].concat(),
        internal: match destination.host {
            One::Address(ip) => internal(ip),
            _ => None,
        },
        destination,
        open,
    }
}

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

fn judge<'n>(network: &'n Network, destination: &Destination, port: u16) -> Verdict<'n> {
    match &destination.host {
        One::Name(name) => network.judge_name(name, port),
        One::Address(ip) => network.judge_address(*ip, port, None),
        One::HostLoopback => network.host_loopback(port),
    }
}

/// Every port is asked about: the judge itself knows best.
fn open(network: &Network, destination: &Destination) -> Ports {
    let allowed = |port: &u16| judge(network, destination, *port).is_allowed();
    Ports::new((1..=u16::MAX).filter(allowed).map(|port| port..=port))
}

fn text(answer: &Answer<'_>) -> Vec<String> {
    let destination = answer.destination;
    let mut lines = match answer.verdict {
        Verdict::Allowed(rule) => match &answer.open {
            Some(open) => vec![format!("allowed: {destination}, {}", reach::ports(open))],
            None => vec![
                format!("allowed: {destination}"),
                format!("  by {} in allow, {}", quote(&rule.text), rule.reason),
            ],
        },
        Verdict::Refused(refusal) => {
            vec![format!("denied: {destination}"), format!("  {refusal}")]
        }
    };
    let other_ports = matches!(answer.verdict, Verdict::Refused(Refusal::Port));
    if answer.open.is_some() || other_ports {
        let rows: Vec<_> = answer
            .rules
            .iter()
            .map(|(list, rule)| reach::row(list, rule))
            .collect();
        lines.extend(aligned(&rows).into_iter().map(|line| format!("  {line}")));
    }
    lines.extend(notes(answer).into_iter().map(|note| format!("  {note}")));
    lines
}

fn notes(answer: &Answer<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(row) = answer.internal {
        notes.push(format!(
            "note: the address is {} ({}: {})",
            row.class, row.net, row.why
        ));
    }
    let loopback = |row: Internal| row.class == Class::Loopback;
    if answer.destination.host == One::HostLoopback || answer.internal.is_some_and(loopback) {
        notes
            .push("note: this is the host's loopback; the box has one of its own, open to the server".into());
    }
    match (answer.verdict, &answer.destination.host) {
        (Verdict::Allowed(_), One::Name(_)) => {
            notes.push("note: if it leads to an internal address, a rule must name that address too".into());
        }
        (Verdict::Refused(refusal), _) => notes.push(format!("hint: {}", hint(answer, refusal))),
        _ => {}
    }
    notes
}

fn hint(answer: &Answer<'_>, refusal: Refusal<'_>) -> String {
    let never = answer.internal.is_some_and(|row| !row.class.can_be_granted());
    match refusal {
        Refusal::Blocked(rule) => format!("block wins over allow: narrow {} in it", quote(&rule.text)),
        _ if never => "such an address cannot be allowed".into(),
        _ => {
            let wanted = match (answer.destination.port, &answer.destination.host) {
                (None, One::HostLoopback) => "localhost:PORT".to_owned(),
                _ => answer.destination.to_string(),
            };
            format!(
                "add {} to allow in [network], or use --allow {wanted}",
                quote(&wanted)
            )
        }
    }
}

fn json(answer: &Answer<'_>) -> Value {
    let rules = |wanted: &str| -> Vec<Value> {
        let listed = answer.rules.iter().filter(|(list, _)| *list == wanted);
        listed.map(|(_, rule)| reach::rule(rule)).collect()
    };
    let (list, rule) = match answer.verdict {
        Verdict::Allowed(rule) => (Some("allow"), Some(rule)),
        Verdict::Refused(Refusal::Blocked(rule)) => (Some("block"), Some(rule)),
        Verdict::Refused(_) => (None, None),
    };
    let reason = match answer.verdict {
        Verdict::Allowed(_) => None,
        Verdict::Refused(refusal) => Some(refusal.to_string()),
    };
    let internal = answer
        .internal
        .map(|row| json!({"class": row.class.word(), "net": row.net.to_string(), "why": row.why}));
    json!({
        "version": 1,
        "destination": answer.destination.to_string(),
        "allowed": answer.verdict.is_allowed(),
        "by": list,
        "rule": rule.map(reach::rule),
        "reason": reason,
        "open_ports": answer.open.as_ref().map(Ports::ranges),
        "rules": {"allow": rules("allow"), "block": rules("block")},
        "internal": internal,
    })
}
