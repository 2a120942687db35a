//! What the rules of `allow` give.

use mcp_sandbox_platform::net::{Class, Host, Inspect, IpNet, Ports, internal};
use mcp_sandbox_platform::quote;

use super::rules::*;
use super::{Finding, Severity};
use crate::net::{self, HostPattern};
use crate::profile::{Located, Profile};

/// Services of a loopback that give their caller the machine or a program of the user, without a password, and what
/// they are. From the services' own documentation.
const CONTROLS: [(u16, Severity, &str); 9] = [
    (2375, Severity::Critical, "the Docker daemon: root on this host"),
    (2376, Severity::Critical, "the Docker daemon: root on this host"),
    (
        10250,
        Severity::Critical,
        "the kubelet: it runs commands in containers",
    ),
    (5037, Severity::High, "adb: control of attached devices"),
    (
        9222,
        Severity::High,
        "a browser's debugger: its cookies and pages",
    ),
    (
        9229,
        Severity::High,
        "Node's debugger: it runs code in the program",
    ),
    (
        5678,
        Severity::High,
        "Python's debugger: it runs code in the program",
    ),
    (
        5005,
        Severity::High,
        "Java's debugger: it runs code in the program",
    ),
    (9050, Severity::High, "a proxy: it leads to any host"),
];

/// Hosts that collect usage data for their customers, by suffix. The servers of the built-in profiles name most of them.
const COLLECTORS: [&str; 16] = [
    "agnost.ai",
    "amplitude.com",
    "applicationinsights.azure.com",
    "datadoghq.com",
    "google-analytics.com",
    "googletagmanager.com",
    "heap.io",
    "honeycomb.io",
    "ingest.sentry.io",
    "ingest.us.sentry.io",
    "mixpanel.com",
    "newrelic.com",
    "posthog.com",
    "scarf.sh",
    "segment.io",
    "telemetry.desktopcommander.app",
];

/// More ports of one host than any server talks to.
const MANY: usize = 100;

pub fn findings(profile: &Profile) -> Vec<Finding> {
    let mut found = Vec::new();
    for given in &profile.allow {
        found.extend(host(given, profile));
        found.extend(ports(given));
        found.extend(plain_http(given));
        found.extend(telemetry(given));
    }
    found
}

/// Whether a rule leads to other machines.
pub(super) fn leaves_the_machine(host: &Host) -> bool {
    match host {
        Host::Name(_) | Host::Below(_) | Host::AnyName => true,
        Host::Addresses(net) => !net.addr().is_loopback(),
        Host::HostLoopback => false,
    }
}

fn host(given: &Located<HostPattern>, profile: &Profile) -> Vec<Finding> {
    let text = quote(&given.value.text);
    match &given.value.host {
        // No profile can say every name.
        Host::Name(_) | Host::AnyName => Vec::new(),
        Host::Below(suffix) if net::is_anyones(suffix) => {
            let message = format!("anyone can have a name below {}", quote(suffix.as_str()));
            let cure = "name the hosts, or a suffix that belongs to one owner";
            vec![OPEN_WILDCARD.at(&given.origin, Severity::High, message, cure)]
        }
        Host::Below(_) => wildcard(given, profile, &text),
        Host::Addresses(net) => addresses(given, *net, &text).into_iter().collect(),
        Host::HostLoopback => vec![loopback(given, &text)],
    }
}

fn wildcard(given: &Located<HostPattern>, profile: &Profile, text: &str) -> Vec<Finding> {
    let message = format!("{text} allows every name below it");
    let mut found = vec![WILDCARD_HOST.at(
        &given.origin,
        Severity::Low,
        message,
        "name the hosts if they are known",
    )];
    if profile.inspect.value == Inspect::None {
        let message =
            format!("{text} is a wildcard, and inspect is \"none\": another owner's host may answer");
        let cure = "add inspect = \"sni\" to [network] if all is TLS or HTTP, or name the hosts";
        found.push(NO_INSPECT.at(&given.origin, Severity::Medium, message, cure));
    }
    found
}

fn addresses(given: &Located<HostPattern>, net: IpNet, text: &str) -> Option<Finding> {
    const ONE: &str = "name the address of the service and its port";
    let row = internal(net.addr()).filter(|row| row.net.contains(&net));
    let Some(row) = row else {
        let most = if net.max_prefix_len() == 32 { 16 } else { 32 };
        return (net.prefix_len() < most).then(|| {
            let message = format!("{text} is a large part of the internet");
            WIDE_NET.at(&given.origin, Severity::High, message, "name the hosts")
        });
    };
    let single = net.prefix_len() == net.max_prefix_len();
    Some(match row.class {
        Class::Metadata => {
            let message = format!("{text} gives the server {}", row.why);
            CLOUD_METADATA.at(
                &given.origin,
                Severity::Critical,
                message,
                "drop it, and pass a token with least rights",
            )
        }
        Class::Loopback => loopback(given, text),
        class => {
            let severity = if single { Severity::Low } else { Severity::Medium };
            let what = if single { "is" } else { "covers many times" };
            LAN.at(&given.origin, severity, format!("{text} {what} {class}"), ONE)
        }
    })
}

fn loopback(given: &Located<HostPattern>, text: &str) -> Finding {
    let ports = given.value.ports.clone().unwrap_or_else(Ports::all);
    let reached = CONTROLS.iter().filter(|(port, ..)| ports.contains(*port));
    if let Some((port, severity, what)) = reached.max_by_key(|(_, severity, _)| *severity) {
        let message = format!("{text} leads to port {port} of this machine, where {what} would listen");
        return HOST_LOOPBACK.at(
            &given.origin,
            *severity,
            message,
            "drop it, or name the port of one service",
        );
    }
    let (severity, cure) = match count(&ports) {
        1 => (Severity::Medium, "make sure that the service asks for a password"),
        _ => (Severity::High, "name the port of one service"),
    };
    let message =
        format!("{text} is a service of this machine, which takes the server for a program of yours");
    HOST_LOOPBACK.at(&given.origin, severity, message, cure)
}

fn count(ports: &Ports) -> usize {
    let length = |(first, last): &(u16, u16)| usize::from(last - first) + 1;
    ports.ranges().iter().map(length).sum()
}

fn ports(given: &Located<HostPattern>) -> Option<Finding> {
    let ports = given.value.ports.as_ref().filter(|ports| count(ports) > MANY)?;
    if given.value.host == Host::HostLoopback {
        return None;
    }
    let message = format!("{} has {} ports", quote(&given.value.text), count(ports));
    Some(MANY_PORTS.at(
        &given.origin,
        Severity::Medium,
        message,
        "name the ports that the server uses",
    ))
}

fn plain_http(given: &Located<HostPattern>) -> Option<Finding> {
    let pattern = &given.value;
    if !leaves_the_machine(&pattern.host) {
        return None;
    }
    let text = &pattern.text;
    let (message, cure) = match &pattern.ports {
        None => {
            let with = match text.contains(':') && !text.starts_with('[') {
                true => format!("[{text}]:443"),
                false => format!("{text}:443"),
            };
            let message = format!(
                "{} without a port is port 80 too, where nothing is encrypted",
                quote(text)
            );
            (message, format!("write {}", quote(with)))
        }
        Some(ports) if ports.contains(80) && count(ports) <= MANY => {
            let message = format!("{} is port 80, where nothing is encrypted", quote(text));
            (message, "use port 443 if the host has it".into())
        }
        Some(_) => return None,
    };
    Some(PLAIN_HTTP.at(&given.origin, Severity::Low, message, cure))
}

fn telemetry(given: &Located<HostPattern>) -> Option<Finding> {
    let (Host::Name(name) | Host::Below(name)) = &given.value.host else {
        return None;
    };
    let name = name.as_str();
    let collects = |suffix: &&&str| {
        let rest = name.strip_suffix(**suffix);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    COLLECTORS.iter().find(collects).map(|suffix| {
        let message = format!("{} collects usage data ({suffix})", quote(&given.value.text));
        TELEMETRY.at(
            &given.origin,
            Severity::Medium,
            message,
            "drop it: servers work without",
        )
    })
}
