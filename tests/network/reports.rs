//! What is refused is told: a line for each destination, counts at the end, the status file. Nothing of it on stdout.

use std::fs;

use crate::common::hosts;
use crate::scripts::{aloud, boxed};

const SCRIPT: &str = r#"
def quietly(host, port):
    try:
        reach(host, port)
    except OSError:
        pass

for _ in range(3):
    quietly("api.test", 443)
    quietly("11.11.2.1", GREETER)
quietly("2a00:1111::6", GREETER)
for _ in range(2):
    quietly("forbidden.test", 443)
attempt("allowed", lambda: reach("api.test"))
"#;

#[test]
fn each_destination_is_told_once_and_counted() {
    for host in hosts() {
        let status = host.folder().join("status.json");
        let flags = [
            "--allow",
            "api.test:7000",
            "--status-file",
            status.to_str().expect("UTF-8"),
        ];
        let said = aloud(&host, &flags, SCRIPT);
        said.is(&[("allowed", "hello from 11.11.1.1")]);

        let told = |line: &str| said.stderr.lines().filter(|told| told.starts_with(line)).count();
        for line in [
            "mcp-sandbox: blocked: api.test:443: allow names it with other ports; to allow it, add \"api.test:443\" to [network] allow",
            "mcp-sandbox: blocked: 11.11.2.1:7000: nothing in allow names it; to allow it, add \"11.11.2.1:7000\" to [network] allow",
            "mcp-sandbox: blocked: [2a00:1111::6]:7000: nothing in allow names it",
            "mcp-sandbox: blocked: forbidden.test: nothing in allow names it",
        ] {
            assert_eq!(told(line), 1, "{line}: {said:#?}");
        }
        assert_eq!(told("mcp-sandbox: blocked: "), 4, "{said:#?}");
        let summary = said.stderr.lines().last().unwrap_or_default();
        assert!(summary.starts_with("mcp-sandbox: blocked in all: "), "{said:#?}");
        for count in ["api.test:443 (3 times)", "11.11.2.1:7000 (3 times)"] {
            assert!(summary.contains(count), "{summary}");
        }

        let text = fs::read_to_string(&status).expect("a status file");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let count = |name: &str, port: Option<u64>| {
            let entries = json["blocked"].as_array().expect("a list");
            let found = entries
                .iter()
                .find(|entry| entry["host"] == name && entry["port"].as_u64() == port);
            found.unwrap_or_else(|| panic!("{name}: {text}"))["count"].as_u64()
        };
        assert_eq!(count("api.test", Some(443)), Some(3));
        assert_eq!(count("11.11.2.1", Some(7000)), Some(3));
        assert_eq!(count("2a00:1111::6", Some(7000)), Some(1));
        // A C library asks for both kinds of address.
        assert!(count("forbidden.test", None) >= Some(2), "{text}");
    }
}

#[test]
fn nothing_is_told_where_nothing_is_refused() {
    for host in hosts() {
        let status = host.folder().join("status.json");
        let flags = [
            "--allow",
            "api.test:7000",
            "--status-file",
            status.to_str().expect("UTF-8"),
        ];
        let said = boxed(&host, &flags, "attempt('allowed', lambda: reach('api.test'))");
        assert_eq!(said.stderr, "");
        let text = fs::read_to_string(&status).expect("a status file");
        assert!(text.contains("\"blocked\": []"), "{text}");
    }
}
