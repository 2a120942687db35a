//! `lint`: formats, exit codes, contexts, and the grade that `explain` shows.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::boxed::{Case, PROFILE, Said};

/// One finding each of critical, medium and low, and one in a context.
const TEXT: &str = "[filesystem]\nmounts = [{ path = \"${home}\" }]\n\
    [network]\nallow = [\"*.example.com:443\"]\n\
    [contexts.prod.process]\nuser = \"root\"";

fn lint(case: &Case, words: &[&str]) -> Said {
    case.cli(["lint"].iter().chain(words))
}

fn json(case: &Case, words: &[&str]) -> Value {
    let said = lint(
        case,
        &[&["--format", "json", "--fail-on", "never"], words].concat(),
    );
    serde_json::from_str(&said.ok()).unwrap()
}

#[test]
fn each_finding_has_place_rule_and_cure_and_the_grade_comes_last() {
    let case = Case::new();
    case.profile(TEXT);
    let said = lint(&case, &[PROFILE]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""), "{said:?}");
    let home = case.text("home");
    let first = format!(
        "{PROFILE}:3:20: critical: the server gets \"{home}\": it is your whole home [broad-mount]\n  hint: "
    );
    assert!(said.out.starts_with(&first), "{}", said.out);
    for part in [
        ":5:10: medium: \"*.example.com:443\" is a wildcard, and inspect is \"none\"",
        ":5:10: low: \"*.example.com:443\" allows every name below it [wildcard-host]\n",
        ":7:8: high: the server runs as root [runs-as-root]\n",
    ] {
        assert!(said.out.contains(part), "{part} in\n{}", said.out);
    }
    let last = said.out.lines().last().unwrap();
    assert_eq!(
        last,
        format!("{PROFILE}: grade F (1 critical, 1 high, 1 medium, 1 low)")
    );
}

#[test]
fn the_exit_code_follows_the_threshold() {
    let case = Case::new();
    case.profile("[network]\nallow = [\"*.example.com:443\"]");
    for (threshold, code) in [
        ("never", 0),
        ("low", 1),
        ("medium", 1),
        ("high", 0),
        ("critical", 0),
    ] {
        let said = lint(&case, &["--fail-on", threshold, PROFILE]);
        assert_eq!(said.code, Some(code), "{threshold}: {said:?}");
    }
    assert_eq!(
        lint(&case, &[PROFILE]).code,
        Some(0),
        "high is where it fails unless told"
    );
    case.profile("");
    assert_eq!(
        lint(&case, &["--fail-on", "low", PROFILE]).ok(),
        format!("{PROFILE}: grade A (nothing found)\n")
    );
}

#[test]
fn a_context_is_judged_with_the_rest_or_alone() {
    let case = Case::new();
    case.profile("[contexts.wide.network]\nallow = [\"*.com\"]\n[contexts.narrow.network]\nallow = []");
    let grade = |words: &[&str]| json(&case, words)["profiles"][0]["grade"].clone();
    assert_eq!(grade(&[PROFILE]), "C");
    assert_eq!(grade(&["--context", "wide", PROFILE]), "C");
    assert_eq!(grade(&["--context", "narrow", PROFILE]), "A");
    lint(&case, &["--context", "none", PROFILE]).refused(&["has no context \"none\""]);
}

#[test]
fn without_a_profile_the_one_that_run_picks_is_judged() {
    let case = Case::new();
    let name = |words: &[&str]| json(&case, words)["profiles"][0]["profile"].clone();
    assert_eq!(name(&[]), "default");
    assert_eq!(
        name(&["--", "npx", "-y", "@modelcontextprotocol/server-memory"]),
        "memory"
    );
    case.named_profile("mine", "[command]\nmatch = [\"own-server\"]\n[process]\nuser = 0");
    let mine = json(&case, &["--", "npx", "own-server"]);
    assert_eq!(
        (&mine["profiles"][0]["profile"], &mine["profiles"][0]["grade"]),
        (&"mine".into(), &"C".into())
    );
    let both = lint(&case, &["mine", "--", "npx", "own-server"]);
    assert_eq!(both.code, Some(125), "{both:?}");
}

#[test]
fn several_profiles_and_what_is_none() {
    let case = Case::new();
    case.profile("[process]\nuser = 0");
    let both = json(&case, &["default", PROFILE]);
    let grades: Vec<&str> = both["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["grade"].as_str().unwrap())
        .collect();
    assert_eq!(grades, ["A", "C"]);
    let finding = &both["profiles"][1]["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["file"], &finding["line"]),
        (&"runs-as-root".into(), &PROFILE.into(), &3.into())
    );
    assert_eq!(both["profiles"][1]["counts"]["high"], 1);
    lint(&case, &["nowhere"]).refused(&["there is no profile \"nowhere\"", "hint: "]);
    case.profile("nonsense = 1");
    lint(&case, &[PROFILE]).refused(&["p.toml:2:1: error: "]);
}

#[test]
fn explain_shows_the_grade_with_flags_counted() {
    let case = Case::new();
    case.profile("");
    let explain = |flags: &[&str]| {
        case.cli(
            ["explain", "-p", PROFILE]
                .iter()
                .chain(flags)
                .chain(&["--", "true"]),
        )
        .ok()
    };
    assert!(
        explain(&[]).contains("\n  grade A (nothing found)\n"),
        "{}",
        explain(&[])
    );
    let text = explain(&["--allow", "*.com:443"]);
    assert!(
        text.contains("\n  grade C (1 high; `mcp-sandbox lint` tells them)\n"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&explain(&["--json", "--allow", "*.com:443"])).unwrap();
    assert_eq!(
        (&json["lint"]["grade"], &json["lint"]["counts"]["high"]),
        (&"C".into(), &1.into())
    );
}

/// The parts of SARIF 2.1.0 that readers rely on, by the sections of the standard.
#[test]
fn sarif_has_the_structure_of_its_standard() {
    let case = Case::new();
    case.profile(TEXT);
    case.write("work/a b/ü.toml", "version = 1\n[process]\nuser = 0\n");
    case.named_profile("time", "extends = [\"memory\"]");
    let words = ["--format", "sarif", PROFILE, "a b/ü.toml", "memory"];
    let log: Value =
        serde_json::from_str(&lint(&case, &[&["--fail-on", "never"][..], &words].concat()).ok()).unwrap();
    assert_eq!(log["version"], "2.1.0", "3.13.2");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
    assert_keys(&log, &["$schema", "version", "runs"]);
    let [run] = log["runs"].as_array().unwrap().as_slice() else {
        panic!("one run")
    };
    assert_keys(
        run,
        &[
            "tool",
            "columnKind",
            "originalUriBaseIds",
            "results",
            "properties",
        ],
    );
    assert!(
        ["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()),
        "3.14.27"
    );
    let driver = &run["tool"]["driver"];
    assert_keys(driver, &["name", "semanticVersion", "rules"]);
    let rules = driver["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "3.19.23: unique");
    for rule in rules {
        assert_keys(
            rule,
            &[
                "id",
                "shortDescription",
                "fullDescription",
                "properties",
                "defaultConfiguration",
            ],
        );
        assert!(
            rule["shortDescription"]["text"].as_str().unwrap().ends_with('.'),
            "3.11.3: sentences"
        );
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() >= 6, "{results:#?}");
    let (mut files, mut names) = (BTreeSet::new(), BTreeSet::new());
    for result in results {
        assert_keys(
            result,
            &[
                "ruleId",
                "ruleIndex",
                "level",
                "message",
                "locations",
                "properties",
            ],
        );
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"], "3.27.6");
        assert!(
            ["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()),
            "3.27.10"
        );
        assert!(!result["message"]["text"].as_str().unwrap().is_empty(), "3.27.11");
        let score: f64 = rules[index]["properties"]["security-severity"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((0.1..=10.0).contains(&score));
        let [location] = result["locations"].as_array().unwrap().as_slice() else {
            panic!("one place")
        };
        match location.get("physicalLocation") {
            Some(place) => {
                let region = &place["region"];
                assert!(
                    region["startLine"].as_u64().unwrap() >= 1
                        && region["startColumn"].as_u64().unwrap() >= 1,
                    "3.30"
                );
                let artifact = &place["artifactLocation"];
                let uri = artifact["uri"].as_str().unwrap();
                assert!(uri.is_ascii() && !uri.contains([' ', '\\']), "3.10.1: RFC 3986");
                let relative = artifact.get("uriBaseId").is_some();
                assert_eq!(relative, !uri.starts_with("file:///"), "{uri}");
                assert!(
                    !relative
                        || run["originalUriBaseIds"]
                            .get(artifact["uriBaseId"].as_str().unwrap())
                            .is_some()
                );
                files.insert(uri.to_owned());
            }
            None => {
                names.insert(
                    location["logicalLocations"][0]["fullyQualifiedName"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    let base = run["originalUriBaseIds"]["%SRCROOT%"]["uri"].as_str().unwrap();
    assert!(
        base.starts_with("file:///") && base.ends_with('/'),
        "3.14.14: {base}"
    );
    let outside = format!("file://{}", case.text("conf/p.toml"));
    assert_eq!(files, BTreeSet::from(["a%20b/%C3%BC.toml".to_owned(), outside]));
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("built-in profile memory:"))
            && !names.is_empty(),
        "{names:?}"
    );
    assert_eq!(run["properties"]["profiles"][0]["grade"], "F");
}

/// The standard forbids other properties than its own.
fn assert_keys(value: &Value, known: &[&str]) {
    for key in value.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key} in {value}");
    }
}
