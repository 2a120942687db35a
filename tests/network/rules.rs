//! `allow`, `block` and `dns` of `[network]`, and `--allow`.

use crate::common::{Host, hosts};
use crate::scripts::{allow, bare, boxed};

const HELLO: &str = "hello from 11.11.1.1";

const EVERY_NAME: &str = r#"
for name in ["api.test", "forbidden.test", "wild.test", "a.wild.test", "b.a.wild.test"]:
    attempt(name, lambda: reach(name))
"#;

const EVERY_PORT: &str = r#"
attempt("http", lambda: reach_http("api.test"))
for port in (GREETER, LONE, 22):
    attempt(str(port), lambda: socket.create_connection(("api.test", port)).close() or "open")
"#;

/// Flags that choose a profile of this text.
fn profile(host: &Host, text: &str) -> Vec<String> {
    let path = host.file("profile.toml", &format!("version = 1\n{text}\n"));
    vec!["--profile".into(), path.to_str().expect("UTF-8").into()]
}

fn with(flags: &[String], more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|flag| (*flag).to_owned());
    flags.iter().cloned().chain(more).collect()
}

fn run(host: &Host, flags: &[String], script: &str) -> crate::scripts::Said {
    boxed(
        host,
        &flags.iter().map(String::as_str).collect::<Vec<_>>(),
        script,
    )
}

#[test]
fn a_name_is_reached_and_its_neighbour_at_the_same_address_is_not() {
    for host in hosts() {
        bare(&host, EVERY_NAME).all_are(&[HELLO]);
        boxed(&host, &allow(&["api.test:7000"]), EVERY_NAME).is(&[
            ("api.test", HELLO),
            ("forbidden.test", "EAI_NONAME"),
            ("wild.test", "EAI_NONAME"),
            ("a.wild.test", "EAI_NONAME"),
            ("b.a.wild.test", "EAI_NONAME"),
        ]);
    }
}

#[test]
fn a_wildcard_means_every_depth_below_and_not_the_apex() {
    for host in hosts() {
        boxed(&host, &allow(&["*.wild.test:7000"]), EVERY_NAME).is(&[
            ("api.test", "EAI_NONAME"),
            ("forbidden.test", "EAI_NONAME"),
            ("wild.test", "EAI_NONAME"),
            ("a.wild.test", HELLO),
            ("b.a.wild.test", HELLO),
        ]);
    }
}

#[test]
fn only_the_ports_of_a_rule_are_open() {
    for host in hosts() {
        bare(&host, EVERY_PORT).is(&[
            ("http", HELLO),
            ("7000", "open"),
            ("7100", "open"),
            ("22", "open"),
        ]);
        for (rule, http, greeter, lone, ssh) in [
            ("api.test", HELLO, "ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"),
            (
                "api.test:22",
                "ECONNREFUSED",
                "ECONNREFUSED",
                "ECONNREFUSED",
                "open",
            ),
            (
                "api.test:7000-7100",
                "ECONNREFUSED",
                "open",
                "open",
                "ECONNREFUSED",
            ),
        ] {
            boxed(&host, &allow(&[rule]), EVERY_PORT).is(&[
                ("http", http),
                ("7000", greeter),
                ("7100", lone),
                ("22", ssh),
            ]);
        }
    }
}

#[test]
fn block_wins_over_allow() {
    const ALLOW: &str = "[network]\nallow = [\"*.wild.test:7000\", \"other.test:7000\", \"api.test:7000\"]\n";
    for host in hosts() {
        let script = &format!("{EVERY_NAME}\nattempt('other.test', lambda: reach('other.test'))");
        let said = run(&host, &profile(&host, ALLOW), script);
        assert_eq!(
            (
                said.get("b.a.wild.test"),
                said.get("other.test"),
                said.get("api.test")
            ),
            (HELLO, "hello from 11.11.2.1", HELLO)
        );
        // A name, and the net that another one leads into.
        let flags = profile(
            &host,
            &format!("{ALLOW}block = [\"b.a.wild.test\", \"11.11.2.0/24\"]"),
        );
        let flags = with(&flags, &["--allow", "b.a.wild.test:7000"]);
        run(&host, &flags, script).is(&[
            ("api.test", HELLO),
            ("forbidden.test", "EAI_NONAME"),
            ("wild.test", "EAI_NONAME"),
            ("a.wild.test", HELLO),
            ("b.a.wild.test", "EAI_NONAME"),
            ("other.test", "EHOSTUNREACH"),
        ]);
    }
}

#[test]
fn the_command_line_adds_to_the_profile() {
    for host in hosts() {
        let flags = profile(&host, "[network]\nallow = [\"api.test:7000\"]");
        let flags = with(&flags, &["--allow", "a.wild.test:7000"]);
        let said = run(&host, &flags, EVERY_NAME);
        assert_eq!((said.get("api.test"), said.get("a.wild.test")), (HELLO, HELLO));
        assert_eq!(said.get("forbidden.test"), "EAI_NONAME");
    }
}

#[test]
fn without_names_addresses_are_left() {
    const SCRIPT: &str = r#"
for to in ["api.test", "11.11.1.1"]:
    attempt(to, lambda: reach(to))
"#;
    for host in hosts() {
        let address = "[network]\nallow = [\"11.11.1.1:7000\"]\n";
        let named = with(&profile(&host, address), &["--allow", "api.test:7000"]);
        run(&host, &named, SCRIPT).all_are(&[HELLO]);
        let said = run(&host, &profile(&host, &format!("{address}dns = \"off\"")), SCRIPT);
        assert_eq!(said.get("11.11.1.1"), HELLO);
        assert!(said.get("api.test").starts_with("EAI_"), "{said:#?}");
    }
}
