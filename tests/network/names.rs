//! Names: what resolves, to what, and which questions leave the machine.

use crate::common::{hosts, unique};
use crate::scripts::{allow, bare, boxed, same};
use crate::world::internet;

const ASK: &str = include_str!("scripts/names.py");

#[test]
fn a_c_library_finds_allowed_names_and_no_others_at_once() {
    for host in hosts() {
        let said = boxed(
            &host,
            &allow(&["api.test:7000", "six.test:7000", "nosuch.test"]),
            ASK,
        );
        said.is(&[
            ("lower case", "one synthetic IPv4"),
            ("mixed case", "one synthetic IPv4"),
            ("trailing dot", "one synthetic IPv4"),
            ("same again", "True"),
            ("two names", "differ"),
            ("IPv6 only", "one synthetic IPv4"),
            ("asked for IPv6", "nothing"),
            ("localhost", "127.0.0.1"),
            ("below localhost", "127.0.0.1 ::1"),
            ("reverse", "api.test"),
            ("reverse of another", "nothing"),
            ("reverse of loopback", "localhost"),
            ("own name", "127.0.0.1"),
            ("not allowed", "nothing"),
            ("without such a host", "nothing"),
            ("one label", "nothing"),
            ("a number", "11.11.1.1"),
        ]);
    }
}

/// Over both transports, for every type that clients ask for: A has an address, the rest is empty, and no type of a name
/// that is not allowed exists.
#[test]
fn other_types_are_empty_and_other_names_do_not_exist() {
    for host in hosts() {
        let script = concat!(
            include_str!("scripts/query.py"),
            "\n",
            include_str!("scripts/types.py")
        );
        let said = boxed(&host, &allow(&["api.test:7000"]), script);
        for transport in ["UDP", "TCP"] {
            let get = |name: &str, kind: &str| said.get(&format!("{transport} {name} {kind}")).to_owned();
            assert_eq!(get("api.test", "A"), "NOERROR 1", "{said:#?}");
            for kind in ["AAAA", "HTTPS", "SVCB", "TXT", "MX", "SRV", "CNAME", "NS", "ANY"] {
                assert_eq!(get("api.test", kind), "NOERROR 0", "{kind}: {said:#?}");
            }
            for kind in [
                "A", "AAAA", "HTTPS", "SVCB", "TXT", "MX", "SRV", "CNAME", "NS", "ANY",
            ] {
                assert_eq!(get("forbidden.test", kind), "NXDOMAIN 0", "{kind}: {said:#?}");
            }
        }
    }
}

/// A question carries what its name carries, so none is put for a name that is not allowed, of whatever type.
#[test]
fn no_question_leaves_for_a_name_that_is_not_allowed() {
    let internet = internet();
    for host in hosts() {
        let word = unique("tunnel");
        let script = format!(
            r#"
for name in ["{word}.dyn.test", "api.test.{word}.dyn.test", "{word}"]:
    attempt(name, lambda: socket.gethostbyname(name))
for kind in (1, 28, 16, 65, 12, 255):
    attempt(f"type {{kind}}", lambda: query("UDP", "{word}.dyn.test", kind))
    attempt(f"type {{kind}} by TCP", lambda: query("TCP", "{word}.dyn.test", kind))
    attempt(f"directly, type {{kind}}", lambda: query("UDP", "{word}.dyn.test", kind, "11.11.0.53"))
    attempt(f"directly by TCP, type {{kind}}", lambda: query("TCP", "{word}.dyn.test", kind, "11.11.0.53"))
"#
        );
        let script = format!("{}\n{script}", include_str!("scripts/query.py"));
        let other = allow(&["api.test:7000", "api.test:53"]);
        let said = boxed(&host, &other, &script);
        assert!(
            said.lines.values().all(|result| !result.contains("LATE")),
            "{said:#?}"
        );
        assert_eq!(internet.dns.asked(&word), Vec::<String>::new());
        // Control: the same word of a name that is allowed, and without the box, leaves.
        boxed(&host, &allow(&["*.dyn.test"]), &script);
        assert!(internet.dns.asked(&word).contains(&format!("{word}.dyn.test")));
        let another = unique("tunnel");
        bare(&host, &script.replace(&word, &another));
        assert!(internet.dns.asked(&another).contains(&another.to_string()));
    }
}

/// A short name means what the machine's own resolver makes of it.
#[test]
fn search_domains_of_the_machine_count() {
    let internet = internet();
    let word = unique("short");
    internet.dns.set(&format!("{word}.search.test"), &["11.11.1.1"]);
    let script = format!("attempt('short', lambda: reach('{word}'))");
    for host in hosts() {
        let rule = format!("{word}:7000");
        same(&host, &allow(&[&rule]), &script).all_are(&["hello from 11.11.1.1"]);
        // The long form is another name.
        let long = format!("{word}.search.test:7000");
        boxed(&host, &allow(&[&long]), &script).all_are(&["EAI_NONAME"]);
    }
}

#[test]
fn names_that_rotate_are_followed_and_never_inside() {
    let internet = internet();
    let turn = unique("turn");
    for host in hosts() {
        let name = |what: &str| format!("{what}-{turn}.dyn.test");
        let (rotates, rebinds) = (name("rotates"), name("rebinds"));
        for name in [&rotates, &rebinds] {
            internet.dns.set(name, &["11.11.1.1"]);
        }
        let script = format!(
            "ROTATES, REBINDS = {rotates:?}, {rebinds:?}\n{}",
            include_str!("scripts/rotation.py")
        );
        let mut child = crate::scripts::begin(&host, &allow(&["*.dyn.test:7000"]), &script);
        child.expect("first of rotates: hello from 11.11.1.1");
        child.expect("first of rebinds: hello from 11.11.1.1");
        internet.dns.set(&rotates, &["11.11.2.1"]);
        internet
            .dns
            .set(&rebinds, &["10.20.30.40", "169.254.169.254", "127.0.0.1"]);
        child.go_on();
        child.expect("then of rotates: hello from 11.11.2.1");
        child.expect("then of rebinds: EHOSTUNREACH");
        child.end();
    }
}
