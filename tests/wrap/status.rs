//! `status`: what it says of each server, and its exit code.

use crate::boxed::{Case, Said};
use crate::config::{CURSOR, cursor, server};

#[track_caller]
fn strict(case: &Case, code: i32) -> Said {
    let said = case.cli(["status", "--strict"]);
    assert_eq!(said.code, Some(code), "{said:#?}");
    // Without it nothing is wrong.
    assert_eq!(case.cli(["status"]).code, Some(0));
    said
}

#[test]
fn strict_fails_while_a_server_runs_unboxed() {
    let case = Case::new();
    strict(&case, 0);
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    let said = strict(&case, 1);
    assert!(said.out.contains("UNBOXED  Cursor  a"), "{}", said.out);
    assert!(said.out.contains("1 server: 0 boxed, 1 unboxed"), "{}", said.out);
    case.cli(["wrap", "--all", "--yes"]).ok();
    let said = strict(&case, 0);
    assert!(
        said.out
            .contains("boxed  Cursor  a       time     A      no files, no network"),
        "{}",
        said.out
    );
}

#[test]
fn strict_fails_where_it_cannot_be_told() {
    for (entry, code) in [
        (r#"{"command": "docker", "args": ["run", "x"]}"#, 1),
        (r#"{"command": "uvx", "command": "x"}"#, 1),
        (r#"{"command": "uvx", "disabled": true}"#, 0),
        (r#"{"command": "uvx", "enabled": false}"#, 0),
        (r#"{"url": "https://example.com/mcp"}"#, 0),
        (r#"{"command": "mcp-sandbox", "args": ["run", "--", "true"]}"#, 0),
        (r#"{"command": "mcp-sandbox", "args": ["doctor"]}"#, 1),
        (
            r#"{"command": "mcp-sandbox", "args": ["run", "-p", "nobody", "--", "true"]}"#,
            1,
        ),
        (
            r#"{"command": "mcp-sandbox", "args": ["run", "--bogus", "--", "true"]}"#,
            1,
        ),
        (
            r#"{"command": "/nowhere/mcp-sandbox", "args": ["run", "--", "true"]}"#,
            1,
        ),
    ] {
        let case = Case::new();
        cursor(&case, entry);
        let said = strict(&case, code);
        assert!(said.out.contains("Cursor"), "{entry}: {}", said.out);
    }
    let case = Case::new();
    case.write(CURSOR, "{");
    let said = strict(&case, 1);
    said.says(&[
        "mcp.json:1:1: error: it does not parse",
        "nothing in it is changed",
    ]);
}

#[test]
fn how_wide_a_box_is_and_why() {
    let case = Case::new();
    case.named_profile(
        "wide",
        "[filesystem]\nmounts = [{ path = \"/usr\", access = \"read\" }, { path = \"/var/tmp\", access = \"write\" }]\n\
         [network]\nallow = [\"*.com\", \"a.example.org\"]\n[process.env]\npass = [\"TOKEN\"]",
    );
    cursor(
        &case,
        &server(
            "mcp-sandbox",
            &["run", "-p", "wide", "--env", "MORE", "--", "true"],
        ),
    );
    let out = case.cli(["status"]).ok();
    for part in [
        "writes 1 path, reads 1 path, reaches 2 hosts, 2 variables",
        "a of Cursor: ",
        "hint: ",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let json: serde_json::Value = serde_json::from_str(&case.cli(["status", "--json"]).ok()).unwrap();
    let server = &json["servers"][0];
    assert_eq!(server["state"], "boxed");
    assert_eq!(server["profile"], "wide");
    assert_ne!(server["grade"], "A");
    assert!(!server["findings"].as_array().unwrap().is_empty());
    assert_eq!(json["all_boxed"], true);
    assert_eq!(json["unread"], serde_json::json!([]));
}

#[test]
fn nothing_there_is_said() {
    let case = Case::new();
    assert_eq!(case.cli(["status"]).ok(), "no MCP client has a server here\n");
    case.cli(["wrap", "--all", "--yes"])
        .says(&["no MCP client has a configuration here"]);
}
