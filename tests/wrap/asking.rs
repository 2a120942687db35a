//! Nothing is written unasked.

use crate::boxed::Case;
use crate::config::{CURSOR, OWN, cursor, json, server};
use crate::pty;

#[test]
fn without_a_terminal_it_takes_a_yes_and_a_name() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    for words in [
        &["wrap"][..],
        &["wrap", "--all"],
        &["wrap", "cursor"],
        &["wrap", "cursor", "--json"],
        &["unwrap", "--all"],
    ] {
        case.cli(words)
            .refused(&["there is no terminal to ask on", "hint: --yes"]);
    }
    case.cli(["wrap", "--yes"])
        .refused(&["clients are named", "--all"]);
    assert_eq!(case.read(CURSOR), old);
    assert!(!case.exists("home/.local"));
    // The control: with both it is written.
    case.cli(["wrap", "--yes", "--all"]).ok();
    assert_ne!(case.read(CURSOR), old);
}

#[test]
fn a_dry_run_shows_everything_and_writes_nothing() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    let out = case.cli(["wrap", "--dry-run"]).ok();
    for part in [
        "--- ",
        "+++ ",
        "-{\"mcpServers\"",
        "+{\"mcpServers\"",
        " box  Cursor  a       profile \"time\"",
        OWN,
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert!(!out.contains('\x1b'), "{out}");
    assert_eq!(case.read(CURSOR), old);
    assert!(!case.exists("home/.local"));
    let json: serde_json::Value =
        serde_json::from_str(&case.cli(["wrap", "--dry-run", "--json"]).ok()).unwrap();
    let server = &json["files"][0]["servers"][0];
    assert_eq!(json["files"][0]["state"], "planned");
    assert_eq!(server["action"], "box");
    assert_eq!(server["flags"], serde_json::json!(["--profile", "time"]));
    assert_eq!(case.read(CURSOR), old);
}

#[test]
fn on_a_terminal_the_answer_decides() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    for (answer, written) in [("n\n", false), ("\n", false), ("yes\n", true)] {
        let mut command = case.command(["wrap"]);
        let mut terminal = pty::controlling_terminal(&mut command);
        let mut child = command.spawn().unwrap();
        drop(command);
        let shown = terminal.expect("box 1 server in 1 file? [y/N]");
        assert!(shown.contains("\x1b[32m"), "colours on a terminal: {shown}");
        assert_eq!(case.read(CURSOR), old);
        terminal.write(answer);
        let rest = terminal.rest();
        assert!(child.wait().unwrap().success());
        assert_eq!(case.read(CURSOR) != old, written, "{answer:?}: {rest}");
        assert_eq!(rest.contains("nothing was changed"), !written, "{rest}");
    }
    assert_eq!(json(&case)["mcpServers"]["a"]["command"], OWN);
}

#[test]
fn no_colours_where_the_user_wants_none() {
    let case = Case::new();
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    for (value, coloured) in [("1", false), ("", true)] {
        let mut command = case.command(["status"]);
        command.env("NO_COLOR", value);
        let mut terminal = pty::controlling_terminal(&mut command);
        let mut child = command.spawn().unwrap();
        drop(command);
        let shown = terminal.rest();
        assert!(child.wait().unwrap().success());
        assert!(shown.contains("UNBOXED"), "{shown}");
        assert_eq!(shown.contains('\x1b'), coloured, "{shown:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let case = Case::new();
    let entry = r#"{"command": "uvx",
      "env": {"TOKEN": "s3cr3t", "REF": "${env:REF}"}, "headers": {"X": "s3cr3t"}, "args": ["mcp-server-time"]}"#;
    cursor(&case, entry);
    let out = case.cli(["wrap", "--dry-run"]).ok();
    assert!(
        out.contains("\"TOKEN\": \"…\"") && out.contains("${env:REF}"),
        "{out}"
    );
    assert!(!out.contains("s3cr3t"), "{out}");
    assert!(!case.cli(["wrap", "--dry-run", "--json"]).ok().contains("s3cr3t"));
    case.cli(["wrap", "cursor", "--yes"]).ok();
    assert_eq!(
        json(&case)["mcpServers"]["a"]["env"]["TOKEN"],
        "s3cr3t",
        "the file keeps it"
    );
}

#[test]
fn what_a_terminal_would_act_on_is_escaped() {
    let case = Case::new();
    let text = "{\"mcpServers\": {\"a\\u001b[2J\": {\"command\": \"uvx\", \"args\": [\"mcp-server-time\", \"\\u009b2J\"]}}}";
    case.write(
        CURSOR,
        &text.replace("[2J\": {", "[2J\":\u{9b} {").replace('\u{9b}', ""),
    );
    for words in [&["wrap", "--dry-run"][..], &["status"]] {
        let out = case.cli(words).ok();
        assert!(!out.contains(|c: char| c.is_control() && c != '\n'), "{out:?}");
    }
    case.write(
        CURSOR,
        "// \u{1b}[2J\n{\"mcpServers\": {\"a\": {\"command\": \"uvx\", \"args\": [\"mcp-server-time\"]}}}",
    );
    let out = case.cli(["wrap", "--dry-run"]).ok();
    assert!(!out.contains('\u{1b}') && out.contains("[2J"), "{out:?}");
}

#[test]
fn names_that_are_none_are_told_with_the_nearest() {
    let case = Case::new();
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    case.cli(["wrap", "cursr", "--yes"]).refused(&[
        "there is no client \"cursr\"",
        "did you mean \"cursor\"",
        "windsurf",
    ]);
    case.cli(["wrap", "zed", "--yes"]).refused(&[
        "Zed has no configuration here",
        ".config/zed/settings.json",
        "--config",
    ]);
    case.cli(["wrap", "cursor", "--server", "b", "--yes"])
        .refused(&["no client has a server \"b\""]);
    case.cli(["wrap", "cursor", "--all"])
        .refused(&["cannot be used with"]);
    case.cli(["wrap", "--config", "x"]).refused(&["required"]);
    case.cli(["wrap", "cursor", "--yes", "--profile", "nobody"])
        .refused(&["there is no profile \"nobody\""]);
    // The names that people use count as well.
    case.cli(["status", "Cursor"]).ok();
}
