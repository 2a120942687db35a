//! Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), which code scanning of CI services reads.

use std::path::Path;

use serde_json::{Value, json};

use super::{ALL, Finding, Grade, Rule, Severity};
use crate::profile::Origin;

/// Files below this folder are named relative to it.
const ROOT: &str = "%SRCROOT%";

/// One run of the tool over some profiles, each with its name, grade and findings. `root` is absolute.
pub fn log(profiles: &[(String, Grade, Vec<Finding>)], root: &Path) -> Value {
    let findings: Vec<Finding> = profiles.iter().flat_map(|(_, _, found)| found.clone()).collect();
    let grades = profiles
        .iter()
        .map(|(name, grade, _)| json!({"profile": name, "grade": grade.to_string()}));
    log_of(
        ALL,
        &findings,
        json!({"profiles": grades.collect::<Vec<_>>()}),
        root,
    )
}

/// One run of the tool that judges by `rules`. `properties` says what was judged; `root` is absolute.
pub fn log_of(rules: &[&'static Rule], findings: &[Finding], properties: Value, root: &Path) -> Value {
    let descriptors: Vec<Value> = rules.iter().map(|rule| descriptor(rule, findings)).collect();
    let results: Vec<Value> = findings.iter().map(|one| result(one, rules, root)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "mcp-sandbox",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {ROOT: {"uri": format!("file://{}/", encoded(root).trim_end_matches('/'))}},
            "results": results,
            "properties": properties,
        }],
    })
}

/// A rule. Its severity is that of its worst finding, as one rule has findings of several.
fn descriptor(rule: &'static Rule, findings: &[Finding]) -> Value {
    let mut descriptor = json!({
        "id": rule.id,
        "shortDescription": {"text": format!("{}.", rule.title)},
        "fullDescription": {"text": rule.why},
        "properties": {"tags": ["security"]},
    });
    let worst = findings
        .iter()
        .filter(|one| one.rule == rule)
        .map(|one| one.severity)
        .max();
    if let Some(worst) = worst {
        descriptor["defaultConfiguration"] = json!({"level": level(worst)});
        descriptor["properties"]["security-severity"] = json!(score(worst));
    }
    descriptor
}

fn result(finding: &Finding, rules: &[&'static Rule], root: &Path) -> Value {
    let index = rules.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": {"text": format!("{}. Cure: {}.", finding.message, finding.cure)},
        "locations": [location(&finding.origin, root)],
        "properties": {"severity": finding.severity.word()},
    })
}

/// A place in a file; built-in profiles and flags have a name alone.
fn location(origin: &Origin, root: &Path) -> Value {
    let (Some(file), Some((line, column))) = (origin.file(), origin.place()) else {
        return json!({"logicalLocations": [{"fullyQualifiedName": origin.to_string()}]});
    };
    let artifact = match file.strip_prefix(root) {
        Ok(inner) => json!({"uri": encoded(inner), "uriBaseId": ROOT}),
        Err(_) => json!({"uri": format!("file://{}", encoded(file))}),
    };
    json!({"physicalLocation": {
        "artifactLocation": artifact,
        "region": {"startLine": line, "startColumn": column},
    }})
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// What code scanning makes the words critical, high, medium and low of again.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.0",
        Severity::Low => "2.0",
    }
}

/// A path as a URI's path (RFC 3986, section 3.3): bytes that it cannot hold become `%XX`.
fn encoded(path: &Path) -> String {
    let byte = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    path.as_os_str().as_encoded_bytes().iter().map(byte).collect()
}
