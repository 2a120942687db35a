//! `probe`: what a server offers, what is hidden in it, and what it was refused.

use serde_json::Value;

use crate::boxed::Case;

const SERVER: &str = include_str!("probe_server.py");

/// A server of this era, and the flags before it.
fn probe(case: &Case, era: &str, flags: &[&str]) -> crate::boxed::Said {
    case.write("work/server.py", SERVER);
    let server = case.text("work/server.py");
    let mut words = vec!["probe", "--read", &server];
    words.extend(flags);
    words.extend(["--", "python3", &server, era, "unknown.example", "443"]);
    case.cli(words)
}

#[test]
fn both_eras_are_spoken_and_hidden_text_is_found() {
    let case = Case::new();
    for (era, revision) in [("legacy", "2025-06-18"), ("modern", "2026-07-28")] {
        let said = probe(&case, era, &["--json"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let told: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(told["protocolVersion"], revision);
        assert_eq!(told["server"]["name"], "sly-server");
        let names: Vec<&Value> = told["offers"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| &tool["name"])
            .collect();
        assert_eq!(names, ["plain", "sly"]);
        let findings = told["findings"].as_array().unwrap();
        let rules: Vec<&str> = findings.iter().map(|one| one["rule"].as_str().unwrap()).collect();
        assert_eq!(
            rules,
            ["hidden-characters", "hidden-characters", "stray-output", "denied"],
            "{}",
            said.out
        );
        assert_eq!(findings[0]["about"], "tool \\\"sly\\\"", "{}", said.out);
        assert_eq!(told["blocked"][0]["host"], "unknown.example");
        assert!(told["usage"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn the_exit_code_follows_the_threshold_and_the_text_shows_nothing_hidden() {
    let case = Case::new();
    let said = probe(&case, "legacy", &["--fail-on", "never"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("sly-server 1.2, protocol 2025-06-18"),
        "{}",
        said.out
    );
    assert!(said.out.contains("U+E0049 U+E0047"), "{}", said.out);
    assert!(
        !said.out.contains('\u{e0049}') && !said.out.contains('\u{202e}'),
        "{}",
        said.out
    );
    assert_eq!(probe(&case, "legacy", &["--fail-on", "critical"]).code, Some(0));
    // The control: the same threshold, and a server that hides nothing.
    let server = SERVER
        .replace("\\U000e0049\\U000e0047", "")
        .replace("\\u202e", "");
    case.write("work/clean.py", &server);
    let clean = case.text("work/clean.py");
    let said = case.cli([
        "probe",
        "--read",
        &clean,
        "--",
        "python3",
        &clean,
        "legacy",
        "unknown.example",
        "443",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(probe(&case, "legacy", &[]).code, Some(1));
}

#[test]
fn sarif_has_the_rules_of_a_probe() {
    let case = Case::new();
    let said = probe(&case, "modern", &["--sarif"]);
    let log: Value = serde_json::from_str(&said.out).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "hidden-characters");
    assert_eq!(run["results"][0]["level"], "error");
    assert_eq!(run["properties"]["protocolVersion"], "2026-07-28");
}

#[test]
fn a_server_that_does_not_answer_is_an_error() {
    let case = Case::new();
    case.cli(["probe", "--timeout", "300ms", "--", "sleep", "100"])
        .refused(&["does not answer initialize", "--timeout"]);
    case.cli(["probe", "--", "true"])
        .refused(&["ended before it answered"]);
    case.cli(["probe", "--", "no-such-program"])
        .refused(&["no-such-program"]);
}

/// One that never stops talking neither keeps us nor fills our memory.
#[test]
fn a_server_that_talks_without_answering_is_given_up() {
    let case = Case::new();
    let start = std::time::Instant::now();
    let said = probe(&case, "chatty", &["--timeout", "5s"]);
    assert_eq!(said.code, Some(125), "{said:?}");
    assert!(said.err.contains("has said more than 16 MiB"), "{said:?}");
    assert!(start.elapsed() < std::time::Duration::from_secs(60));
}

/// What one leaves that was interrupted is gone a day later, and nothing else.
#[test]
fn the_folder_of_an_interrupted_probe_does_not_stay() {
    let case = Case::new();
    let state = case.folder("home/.local/state/mcp-sandbox");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100_000);
    for (name, stays) in [("probe-7", false), ("probe-cache", true), ("other-7", true)] {
        let folder = state.join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("status.json"), "").unwrap();
        std::fs::File::open(&folder).unwrap().set_modified(old).unwrap();
        assert_eq!(probe(&case, "legacy", &["--fail-on", "never"]).code, Some(0));
        assert_eq!(folder.exists(), stays, "{name}");
    }
    let fresh = state.join("probe-8");
    std::fs::create_dir(&fresh).unwrap();
    assert_eq!(probe(&case, "legacy", &["--fail-on", "never"]).code, Some(0));
    assert!(fresh.exists());
}
