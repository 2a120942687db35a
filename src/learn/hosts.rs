//! Hosts: those that the server reached, and those it asked for and was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mcp_sandbox_platform::net::{Destination, Name, Network, OTHERS, Refusal, Verdict, class_of};
use mcp_sandbox_platform::observed::Seen;

use super::text::{Line, State, string};
use crate::error::printable;
use crate::net::{HostPattern, List};

/// More lines than this nobody reads.
const MOST_LINES: usize = 40;

/// The lines of `network.allow`: what was used first.
pub fn lines(seen: &Seen, refused: &[(Destination, u64)], ceiling: &Network) -> Vec<Line> {
    let mut lines = used(seen);
    let known: BTreeSet<String> = lines.iter().map(|line| line.text.clone()).collect();
    let refused = refused.iter().map(|(to, count)| asked(to, *count, ceiling));
    lines.extend(refused.filter(|line| !known.contains(&line.text)));
    lines.extend(seen.loopback.iter().map(|(port, count)| {
        let why = format!(
            "connected to port {port} of the box's own loopback {}; if the service is on this machine, allow it",
            times(*count)
        );
        Line::new(State::KeptBack, string(&format!("localhost:{port}")), why)
    }));
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(Line::new(State::KeptBack, "…", format!("and {more} more")));
    }
    lines
}

/// One line for each host and port; the ports of the web together go without saying.
fn used(seen: &Seen) -> Vec<Line> {
    const WEB: [u16; 2] = [80, 443];
    let to = |host: &str, port| Destination {
        host: host.to_owned(),
        port: Some(port),
    };
    let both = |host: &str| WEB.iter().all(|port| seen.hosts.contains_key(&to(host, *port)));
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (Destination { host, port }, count) in &seen.hosts {
        let unsaid = port.is_some_and(|port| WEB.contains(&port)) && both(host);
        let text = pattern(host, port.filter(|_| !unsaid));
        *counts.entry(text).or_default() += count;
    }
    let line =
        |(text, count): (String, u64)| judged(State::Used, &text, format!("connected to {}", times(count)));
    counts.into_iter().map(line).collect()
}

fn asked(to: &Destination, count: u64, ceiling: &Network) -> Line {
    let text = pattern(&to.host, to.port);
    let why = format!("asked for {}, refused while learning", times(count));
    if to.host == OTHERS {
        return Line::new(State::KeptBack, "…", why);
    }
    match (kept_back(to, ceiling), to.port) {
        (Some(reason), _) => Line::new(
            State::KeptBack,
            string(&text),
            format!("WARNING: {why}: {reason}"),
        ),
        (None, None) => judged(
            State::Refused,
            &text,
            format!("{why}; on which port is not known"),
        ),
        (None, Some(_)) => judged(State::Refused, &text, why),
    }
}

/// Why a destination is not given although it was asked for.
fn kept_back(to: &Destination, ceiling: &Network) -> Option<String> {
    if let Ok(ip) = to.host.parse::<IpAddr>() {
        return class_of(ip).map(|class| format!("it is {class}"));
    }
    let name = Name::parse(&to.host).ok()?;
    let verdict = match to.port {
        Some(port) => ceiling.judge_name(&name, port),
        None => ceiling.resolves(&name),
    };
    match verdict {
        Verdict::Refused(refusal @ Refusal::Blocked(_)) => Some(refusal.to_string()),
        Verdict::Refused(_) => None,
        Verdict::Allowed(_) => Some("the name was allowed, what was sent to it was not".into()),
    }
}

/// A line that is kept back where no profile can say so.
fn judged(state: State, text: &str, why: String) -> Line {
    match HostPattern::parse(text, List::Allow) {
        Ok(_) => Line::new(state, string(text), why),
        Err((message, _)) => Line::new(State::KeptBack, string(text), format!("{why}: {message}")),
    }
}

fn pattern(host: &str, port: Option<u16>) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => printable(host),
    };
    match port {
        None => host,
        Some(port) => format!("{host}:{port}"),
    }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".into(),
        count => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use mcp_sandbox_platform::net::{Host, Ports, Rule};

    use super::*;

    fn to(host: &str, port: Option<u16>) -> Destination {
        let host = host.to_owned();
        Destination { host, port }
    }

    fn rule(host: Host) -> Rule {
        Rule {
            host,
            ports: Ports::all(),
            text: "a".into(),
            reason: "test".into(),
        }
    }

    fn told(lines: &[Line]) -> Vec<String> {
        let one = |line: &Line| format!("{:?} {} {}", line.state, line.text, line.why);
        lines.iter().map(one).collect()
    }

    #[test]
    fn hosts_that_were_used_have_one_line_with_their_ports() {
        let hosts = [
            (to("a.example", Some(443)), 2),
            (to("a.example", Some(80)), 1),
            (to("b.example", Some(443)), 1),
            (to("localhost", Some(5432)), 1),
            (to("2001:4860::1", Some(22)), 1),
        ];
        let seen = Seen {
            hosts: hosts.into(),
            ..Seen::default()
        };
        assert_eq!(
            told(&lines(&seen, &[], &Network::none())),
            [
                "Used \"[2001:4860::1]:22\" connected to once",
                "Used \"a.example\" connected to 3 times",
                "Used \"b.example:443\" connected to once",
                "Used \"localhost:5432\" connected to once",
            ]
        );
    }

    #[test]
    fn internal_addresses_and_blocked_names_are_left_to_a_person() {
        let mut ceiling = Network::none();
        ceiling.allow.push(rule(Host::AnyName));
        ceiling
            .block
            .push(rule(Host::Name(Name::parse("blocked.example").unwrap())));
        let refused = [
            (to("169.254.169.254", Some(80)), 1),
            (to("10.0.0.5", Some(22)), 4),
            (to("1.2.3.4", Some(22)), 1),
            (to("blocked.example", None), 1),
            (to("router.example", Some(80)), 1),
        ];
        let lines = lines(&Seen::default(), &refused, &ceiling);
        let gives: Vec<bool> = lines.iter().map(Line::gives).collect();
        assert_eq!(gives, [false, false, true, false, false], "{:?}", told(&lines));
        assert!(lines[4].why.contains("the name was allowed"));
    }

    #[test]
    fn names_that_were_refused_are_given_with_that_reason() {
        let refused = [(to("api.example", None), 3), (to(OTHERS, None), 9)];
        let seen = Seen {
            loopback: [(5432, 1)].into(),
            ..Seen::default()
        };
        let lines = lines(&seen, &refused, &Network::none());
        assert_eq!(lines[0].state, State::Refused);
        assert_eq!(
            lines[0].why,
            "asked for 3 times, refused while learning; on which port is not known"
        );
        assert!(!lines[1].gives() && !lines[2].gives());
    }
}
