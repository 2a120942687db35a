//! What belongs to us and what to the server.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::boxed::{Case, said};

#[test]
fn a_server_may_be_called_like_an_option() {
    let case = Case::new();
    for name in ["--help", "--version", "-q", "--"] {
        case.program(&format!("bin/{name}"), "#!/bin/sh\necho \"$0 $*\"\n");
        let mut command = case.command(["run", "-q", "--", name, "--profile", "x", "--", "--json"]);
        let path = format!("{}:{}", case.text("bin"), crate::boxed::PATH);
        let said = said(command.env("PATH", path).output().unwrap());
        let out = said.ok();
        assert!(out.ends_with(&format!("{name} --profile x -- --json\n")), "{out}");
    }
}

#[test]
fn arguments_arrive_whole_whatever_their_bytes() {
    let case = Case::new();
    let odd = OsString::from_vec(b"a\xff\n \x1b[31m'\"$(id)".to_vec());
    let words: Vec<&OsStr> = ["run", "-q", "--", "/usr/bin/printf", "%s|", "", "--"]
        .iter()
        .map(OsStr::new)
        .chain([odd.as_os_str(), OsStr::new("ü")])
        .collect();
    let output = case.command(words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let expected = [b"|--|".as_slice(), odd.as_bytes(), "|ü|".as_bytes()].concat();
    assert_eq!(output.stdout, expected);
}

#[test]
fn paths_and_variables_that_are_not_utf8_work() {
    let case = Case::new();
    let name = OsStr::from_bytes(b"odd\xff");
    std::fs::write(case.path("work").join(name), "odd\n").unwrap();
    let mut read = OsString::from(name);
    read.push(":/d/x");
    let env = OsString::from_vec(b"V=\xfe".to_vec());
    let flags = [
        OsStr::new("run"),
        "-q".as_ref(),
        "--read".as_ref(),
        &read,
        "--env".as_ref(),
        &env,
    ];
    let server = ["--", "/bin/sh", "-c", "cat /d/x; printf %s \"$V\""].map(OsStr::new);
    let output = case.command(flags.iter().chain(&server)).output().unwrap();
    assert_eq!(output.stdout, b"odd\n\xfe", "{output:?}");
}

#[test]
fn control_characters_of_others_never_reach_the_terminal() {
    let case = Case::new();
    let said = case.cli(["run", "--", "no\x1b[31msuch\nserver"]);
    assert_eq!(said.code, Some(127));
    said.says(&["no\\u{1b}[31msuch\\nserver"]);
    assert!(!said.err.contains('\x1b'));
    case.write("work/\x1b[2Jx", "");
    let said = case.cli(["run", "--", "/bin/ls", "./\x1b[2Jx"]);
    assert!(
        said.err
            .lines()
            .next()
            .unwrap()
            .starts_with("mcp-sandbox: profile"),
        "{}",
        said.err
    );
    assert!(
        !said.err.lines().take(2).any(|line| line.contains('\x1b')),
        "{}",
        said.err
    );
}

#[test]
fn a_forgotten_separator_is_told() {
    let case = Case::new();
    case.cli(["run", "npx", "-y", "x"]).refused(&[
        "unexpected argument 'npx'",
        "hint: a server's command stands after --, as in: mcp-sandbox run -- npx",
    ]);
    case.cli(["run", "-p", "default", "npx"])
        .refused(&["as in: mcp-sandbox run -- npx"]);
    case.cli(["explain", "npx"])
        .refused(&["as in: mcp-sandbox run -- npx"]);
    case.cli(["npx", "-y", "x"])
        .refused(&["as in: mcp-sandbox run -- npx"]);
    let said = case.cli(["runn", "--", "x"]);
    said.says(&["tip: a similar subcommand exists: 'run'"]);
    assert!(!said.err.contains("hint:"), "{}", said.err);
    let said = case.cli(["run", "--raed", "x"]);
    said.says(&["tip: a similar argument exists: '--read'"]);
    assert!(!said.err.contains("hint:"), "{}", said.err);
}

#[test]
fn no_command_is_told() {
    let case = Case::new();
    for words in [
        vec!["run"],
        vec!["run", "--"],
        vec!["explain"],
        vec!["run", "-p", "git"],
    ] {
        case.cli(words).refused(&[
            "error: there is no command to run",
            "hint: write it after --, as in: ",
        ]);
    }
    let said = case.cli([""; 0]);
    assert_eq!(said.code, Some(125));
    said.says(&["Usage: mcp-sandbox <COMMAND>"]);
}

#[test]
fn not_found_and_not_executable_are_told_apart() {
    let case = Case::new();
    let run = |server: &str| case.cli(["run", "-q", "--", server]);
    let said = run("no-such-server");
    assert_eq!(said.code, Some(127));
    said.says(&[
        "error: command \"no-such-server\" was not found",
        "hint: PATH has \"/usr/local/bin\"",
    ]);
    let said = run("../data/file");
    assert_eq!(said.code, Some(126));
    said.says(&["/data/file\" is not executable", "hint: chmod +x it"]);
    case.program("data/script", "#!/no/such/interpreter\n");
    let said = run("../data/script");
    assert_eq!(said.code, Some(127));
    said.says(&["/no/such/interpreter"]);
}
