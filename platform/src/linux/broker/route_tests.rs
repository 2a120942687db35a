//! Destinations and where they go.

use super::*;
use crate::net::{Host, Ports, Rule};

fn rule(host: Host, ports: &[u16]) -> Rule {
    Rule {
        host,
        ports: Ports::new(ports.iter().map(|port| *port..=*port)),
        text: "rule".into(),
        reason: "test".into(),
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn address(text: &str) -> Host {
    Host::Addresses(text.parse().unwrap())
}

fn network() -> Network {
    Network {
        allow: vec![
            rule(Host::Name(name("api.example")), &[443]),
            rule(Host::Name(name("db.example")), &[5432]),
            rule(address("10.1.2.0/24"), &[5432]),
            rule(Host::HostLoopback, &[8080]),
            rule(address("::1/128"), &[9090]),
        ],
        ..Network::none()
    }
}

fn behind(ip: Ipv4Addr) -> Option<Name> {
    (ip == Ipv4Addr::new(198, 18, 0, 2)).then(|| name("api.example"))
}

fn to(text: &str) -> Route {
    route(text.parse().unwrap(), &network(), behind)
}

fn refused(route: Route) -> (Errno, Option<String>) {
    match route {
        Route::Refused(refused) => (
            refused.errno,
            refused.denial.map(|denial| denial.destination.to_string()),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_is_found_behind_its_address() {
    assert_eq!(to("198.18.0.2:443"), Route::Name(name("api.example"), 443));
    assert_eq!(
        to("[::ffff:198.18.0.2]:443"),
        Route::Name(name("api.example"), 443)
    );
}

#[test]
fn another_port_of_an_allowed_name_is_refused() {
    let answer = (Errno::ECONNREFUSED, Some("api.example:22".into()));
    assert_eq!(refused(to("198.18.0.2:22")), answer);
}

#[test]
fn synthetic_addresses_that_were_never_given_lead_nowhere() {
    assert_eq!(refused(to("198.18.0.3:443")), (Errno::ENETUNREACH, None));
    assert_eq!(refused(to("198.19.255.255:443")), (Errno::ENETUNREACH, None));
    assert_eq!(to("198.18.0.1:443"), Route::Box);
}

#[test]
fn loopback_is_the_boxs_unless_a_rule_gives_the_hosts() {
    let both = |port| {
        Route::Host(vec![
            format!("127.0.0.1:{port}").parse().unwrap(),
            format!("[::1]:{port}").parse().unwrap(),
        ])
    };
    for own in [
        "127.0.0.1:80",
        "[::1]:80",
        "0.0.0.0:80",
        "[::]:80",
        "127.0.0.2:8080",
    ] {
        assert_eq!(to(own), Route::Box, "{own}");
    }
    for host in [
        "127.0.0.1:8080",
        "[::1]:8080",
        "0.0.0.0:8080",
        "[::ffff:127.0.0.1]:8080",
    ] {
        assert_eq!(to(host), both(8080), "{host}");
    }
    assert_eq!(
        to("127.0.0.1:9090"),
        Route::Host(vec!["[::1]:9090".parse().unwrap()])
    );
}

#[test]
fn addresses_need_a_rule_of_their_own() {
    let allowed = "10.1.2.3:5432";
    assert_eq!(to(allowed), Route::Host(vec![allowed.parse().unwrap()]));
    for other in [
        "10.1.2.3:22",
        "10.1.3.3:5432",
        "1.1.1.1:443",
        "169.254.169.254:80",
        "[fe80::1]:443",
        "0.0.0.1:80",
    ] {
        let expected = (Errno::ENETUNREACH, Some(other.to_owned()));
        assert_eq!(refused(to(other)), expected);
    }
}

#[test]
fn nobody_is_told_to_allow_the_metadata_server() {
    let cure = |text: &str| match to(text) {
        Route::Refused(refused) => refused.denial.unwrap().cure,
        other => panic!("{other:?}"),
    };
    assert_eq!(cure("169.254.169.254:80"), None);
    assert_eq!(cure("169.254.169.253:80").as_deref(), Some("169.254.169.253:80"));
}

#[test]
fn a_name_that_leads_inside_is_refused() {
    let judge = |name_: &str, port, ips: &[&str]| {
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        judged(&name(name_), port, &ips, &network())
    };
    let public = "93.184.215.14:443".parse().unwrap();
    assert_eq!(judge("api.example", 443, &["93.184.215.14"]), Ok(vec![public]));
    // One that is not is left out.
    assert_eq!(
        judge("api.example", 443, &["10.0.0.1", "93.184.215.14"]),
        Ok(vec![public])
    );
    for inside in [
        "127.0.0.1",
        "169.254.169.254",
        "10.1.2.3",
        "::1",
        "::ffff:192.168.0.1",
        "fd00::1",
    ] {
        let error = judge("api.example", 443, &[inside]).unwrap_err();
        assert_eq!(error.errno, Errno::EHOSTUNREACH);
        assert!(error.denial.unwrap().reason.contains("api.example leads there"));
    }
    // An address rule names it too.
    assert_eq!(
        judge("db.example", 5432, &["10.1.2.3"]),
        Ok(vec!["10.1.2.3:5432".parse().unwrap()])
    );
    assert_eq!(judge("api.example", 443, &[]).unwrap_err().denial, None);
}
