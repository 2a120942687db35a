//! `why`: allowed or denied, by which line, and the exit code that says so.

use serde_json::{Value, json};

use crate::boxed::{Case, PROFILE, Said};

const TEXT: &str = "[network]
allow = [
  \"api.github.com\",
  \"*.example.com:8000-8100\",
  \"10.1.2.0/24:5432\",
  \"localhost:5432\",
]
block = [\"secret.example.com\", \"10.1.2.9\", \"api.github.com:80\"]";

fn case() -> Case {
    let case = Case::new();
    case.profile(TEXT);
    case
}

fn why(case: &Case, words: &[&str]) -> Said {
    case.cli(["why", "-p", PROFILE].iter().chain(words))
}

#[test]
fn each_answer_has_its_reason_and_its_exit_code() {
    let case = case();
    for (destination, code, parts) in [
        (
            "api.github.com:443",
            0,
            &["allowed: api.github.com:443\n  by \"api.github.com\" in allow, ../conf/p.toml:4\n"][..],
        ),
        ("API.GitHub.com.:443", 0, &["allowed: api.github.com:443\n"]),
        (
            "api.github.com:22",
            1,
            &[
                "denied: api.github.com:22\n  allow names it with other ports\n  allow  api.github.com, ports 80,443  ../conf/p.toml:4\n",
                "--allow api.github.com:22",
            ],
        ),
        (
            "api.github.com:80",
            1,
            &["\"api.github.com:80\" in block refuses it (../conf/p.toml:9)"],
        ),
        (
            "github.com:443",
            1,
            &[
                "denied: github.com:443\n  nothing in allow names it\n",
                "hint: add \"github.com:443\" to allow in [network], or use --allow github.com:443",
            ],
        ),
        (
            "a.b.example.com:8080",
            0,
            &["by \"*.example.com:8000-8100\" in allow, ../conf/p.toml:5"],
        ),
        ("example.com:8080", 1, &["nothing in allow names it"]),
        (
            "secret.example.com:8080",
            1,
            &[
                "\"secret.example.com\" in block refuses it (../conf/p.toml:9)",
                "block wins",
            ],
        ),
        (
            "10.1.2.3:5432",
            0,
            &[
                "by \"10.1.2.0/24:5432\" in allow",
                "a private address (10.0.0.0/8: RFC 1918)",
            ],
        ),
        ("10.1.2.9:5432", 1, &["\"10.1.2.9\" in block refuses it"]),
        (
            "10.1.3.3:5432",
            1,
            &["nothing in allow names it", "a private address"],
        ),
        (
            "169.254.169.254:80",
            1,
            &["nothing in allow names it", "a cloud metadata address"],
        ),
        (
            "198.18.0.1:443",
            1,
            &["nothing in allow names it", "such an address cannot be allowed"],
        ),
        (
            "[::1]:5432",
            0,
            &["by \"localhost:5432\" in allow", "the host's loopback"],
        ),
        (
            "localhost:5432",
            0,
            &[
                "by \"localhost:5432\" in allow, ../conf/p.toml:7",
                "the host's loopback",
            ],
        ),
        ("localhost:22", 1, &["allow names it with other ports"]),
    ] {
        let said = why(&case, &[destination]);
        assert_eq!(said.code, Some(code), "{destination}: {said:?}");
        assert_eq!(said.err, "", "{destination}");
        for part in parts {
            assert!(said.out.contains(part), "{destination}: {part:?} in {}", said.out);
        }
    }
}

#[test]
fn without_a_port_every_rule_is_told_with_its_ports() {
    let case = case();
    let out = why(&case, &["api.github.com"]).ok();
    assert!(out.starts_with("allowed: api.github.com, port 443\n"), "{out}");
    for part in [
        "allow  api.github.com, ports 80,443",
        "block  api.github.com, port 80",
        "p.toml:4",
        "p.toml:9",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(
        out.contains("if it leads to an internal address, a rule must name that address too"),
        "{out}"
    );
    let out = why(&case, &["a.example.com"]).ok();
    assert!(
        out.starts_with("allowed: a.example.com, ports 8000-8100\n"),
        "{out}"
    );
    let blocked = why(&case, &["secret.example.com"]);
    assert_eq!(blocked.code, Some(1));
    assert!(
        blocked
            .out
            .contains("denied: secret.example.com\n  \"secret.example.com\" in block"),
        "{blocked:?}"
    );
    assert!(
        blocked.out.contains("allow  *.example.com, ports 8000-8100"),
        "{blocked:?}"
    );
    assert!(
        why(&case, &["localhost"])
            .ok()
            .starts_with("allowed: localhost, port 5432\n")
    );
    let none = why(&case, &["evil.net"]);
    assert_eq!((none.code, none.out.lines().count()), (Some(1), 3), "{none:?}");
}

#[test]
fn flags_contexts_and_the_profile_that_fits_count() {
    let case = case();
    assert_eq!(why(&case, &["b.net:443"]).code, Some(1));
    let out = why(&case, &["--allow", "b.net", "b.net:443"]).ok();
    assert!(out.contains("by \"b.net\" in allow, --allow"), "{out}");
    case.profile(&format!("{TEXT}\n[contexts.live.network]\nallow = []"));
    assert_eq!(why(&case, &["api.github.com"]).code, Some(0));
    assert_eq!(why(&case, &["--context", "live", "api.github.com"]).code, Some(1));
    case.named_profile(
        "mine",
        "[command]\nmatch = [\"my-server\"]\n[network]\nallow = [\"c.net\"]",
    );
    let fitting = case.cli(["why", "c.net", "--", "my-server"]);
    assert!(fitting.ok().contains("profiles/mine.toml:5"));
    assert_eq!(
        case.cli(["why", "c.net"]).code,
        Some(1),
        "the default allows nothing"
    );
}

#[test]
fn what_is_no_destination_is_an_error_and_no_answer() {
    let case = case();
    for (words, part) in [
        (&["https://api.github.com/x"][..], "it is a URL"),
        (&["*.example.com"], "it means more than one"),
        (&["10.0.0.0/8"], "it means more than one"),
        (&["a.com:1-2"], "more than one port"),
        (&["127.1"], "four decimal numbers"),
        (&["a.com:0"], "no port"),
        (&[""], "an empty string names no host"),
        (
            &["--allow", "a..com", "a.com"],
            "--allow: error: \"a..com\" is not a host",
        ),
        (&["--context", "none", "a.com"], "has no context \"none\""),
    ] {
        why(&case, words).refused(&[part, "hint: "]);
    }
    case.profile("[network]\nallow = [\"a b\"]");
    why(&case, &["a.com"]).refused(&["../conf/p.toml:3:10: error: \"a b\" is not a host: it holds a blank"]);
}

#[test]
fn the_json_says_the_same() {
    let case = case();
    let answer = |destination: &str| -> Value {
        serde_json::from_str(&why(&case, &["--json", destination]).out).unwrap()
    };
    let allowed = answer("api.github.com:443");
    let rule = json!({"host": "api.github.com", "ports": [[80, 80], [443, 443]], "text": "api.github.com", "reason": "../conf/p.toml:4"});
    assert_eq!(
        (&allowed["allowed"], &allowed["by"], &allowed["rule"]),
        (&json!(true), &json!("allow"), &rule)
    );
    assert_eq!(
        (&allowed["version"], &allowed["open_ports"], &allowed["reason"]),
        (&json!(1), &Value::Null, &Value::Null)
    );
    let every = answer("api.github.com");
    assert_eq!(every["open_ports"], json!([[443, 443]]));
    assert_eq!(every["rules"]["block"][0]["text"], "api.github.com:80");
    let blocked = answer("10.1.2.9:5432");
    assert_eq!(
        (&blocked["allowed"], &blocked["by"]),
        (&json!(false), &json!("block"))
    );
    assert_eq!(blocked["internal"]["class"], "private");
    let denied = answer("evil.net:443");
    assert_eq!((&denied["by"], &denied["rule"]), (&Value::Null, &Value::Null));
    assert_eq!(denied["reason"], "nothing in allow names it");
}

/// Paths: where the box shows them, what they are there, and by which line.
#[test]
fn paths_are_answered_with_their_lines() {
    let case = case();
    for name in ["data/.env", "data/sub/a", "data/.git/config"] {
        case.write(name, "");
    }
    case.profile(
        "[filesystem]\nmounts = [\n{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\", \
         exclude = [\n\".env\"] },\n]",
    );
    for (path, code, parts) in [
        (
            "../data/sub/a",
            0,
            &["writable: /d/sub/a, which is \"", "write by ../conf/p.toml:4"][..],
        ),
        ("/d/sub/a", 0, &["writable: /d/sub/a"]),
        (
            "../data/.env",
            1,
            &["excluded: /d/.env", "but \".env\" in exclude (../conf/p.toml:5)"],
        ),
        ("../data/sub/.env", 1, &["excluded: /d/sub/.env"]),
        (
            "../data/.git/config",
            0,
            &[
                "readable: /d/.git/config",
                "Git runs programs that it names",
                "writable_sensitive",
            ],
        ),
        ("../conf", 1, &["not mounted: ", "hint: add --read "]),
        ("/usr/bin", 0, &["readable: /usr/bin"]),
    ] {
        let said = why(&case, &[path]);
        assert_eq!(said.code, Some(code), "{path}: {said:?}");
        for part in parts {
            assert!(said.out.contains(part), "{part:?} in {}", said.out);
        }
    }
    let said = case.cli(["why", "-p", PROFILE, "--json", "../data/.env"]);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["places"][0]["answer"], "excluded");
    assert_eq!(
        json["places"][0]["pattern"],
        json!({"text": ".env", "reason": "../conf/p.toml:5"})
    );
}
