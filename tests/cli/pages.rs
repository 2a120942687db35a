//! Help, version, completions, the manual page; and readers that go away.

use std::io::Read as _;
use std::process::Stdio;

use crate::boxed::Case;

#[test]
fn version_and_help() {
    let case = Case::new();
    let version = format!("mcp-sandbox {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(case.cli(["--version"]).ok(), version);
    assert!(case.cli(["--help"]).ok().contains("Usage: mcp-sandbox <COMMAND>"));
    let help = case.cli(["run", "--help"]).ok();
    for flag in [
        "--profile",
        "--context",
        "--read",
        "--write",
        "--env",
        "--cwd",
        "--dry-run",
        "--quiet",
        "--verbose",
        "--status-file",
        "--grace",
    ] {
        assert!(help.contains(flag), "{flag} in {help}");
    }
}

#[test]
fn completions_of_each_shell_are_read_by_it() {
    let case = Case::new();
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef mcp-sandbox"),
        ("fish", "complete -c mcp-sandbox"),
    ] {
        let script = case.cli(["completions", shell]).ok();
        assert!(script.contains(mark) && script.contains("dry-run"), "{shell}");
    }
    let script = case.write("work/complete", &case.cli(["completions", "bash"]).ok());
    let output = std::process::Command::new("bash")
        .arg("-n")
        .arg(script)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    case.cli(["completions", "dos"])
        .refused(&["[possible values: bash, "]);
}

#[test]
fn the_manual_page_has_every_command_and_flag() {
    let case = Case::new();
    let page = case.cli(["man"]).ok();
    let start = page
        .lines()
        .find(|line| !line.starts_with(".ie") && !line.starts_with(".el") && !line.starts_with("'\\\""))
        .unwrap();
    assert!(start.starts_with(".TH mcp-sandbox 1"), "{start}");
    for part in [
        "status\\-file",
        "explain",
        "completions",
        "dry\\-run",
        "context",
        "unwrap",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

/// Everything that prints, with a stdout that nobody reads.
#[test]
fn a_reader_that_went_away_is_no_error() {
    let case = Case::new();
    for words in [
        &["--help"][..],
        &["--version"],
        &["man"],
        &["completions", "bash"],
        &["profiles", "list"],
        &["explain", "--", "true"],
        &["explain", "--json", "--", "true"],
        &["run", "--dry-run", "--", "true"],
        &["check", "default"],
        &["status"],
        &["wrap", "--dry-run", "--json"],
        &["lint", "default"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = case
            .command(words)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = child.wait().unwrap();
        assert_eq!((status.code(), err.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_stdout_that_is_full_is_told() {
    let case = Case::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = case.command(["profiles", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(
        String::from_utf8_lossy(&output.stderr).starts_with("error: cannot write to stdout: "),
        "{output:?}"
    );
}

#[test]
fn errors_survive_a_closed_stderr() {
    let case = Case::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = case.command(["run"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(125));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = case
        .command(["run", "--", "/bin/echo", "ran"])
        .stdout(Stdio::piped())
        .stderr(writer)
        .spawn()
        .unwrap();
    assert_eq!(
        output.wait_with_output().unwrap().stdout,
        b"ran\n",
        "nobody reads the status line"
    );
}

#[test]
fn standard_streams_may_be_closed() {
    let case = Case::new();
    let ours = env!("CARGO_BIN_EXE_mcp-sandbox");
    let shell = |line: &str| {
        let mut command = std::process::Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env("HOME", case.path("home"))
            .current_dir(case.path("work"));
        command.output().unwrap()
    };
    for line in [
        "profiles list >&-",
        "run -q -- /bin/true >&- 2>&- <&-",
        "explain -- true >&- 2>&-",
    ] {
        let output = shell(&format!("{ours} {line}"));
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), b"".as_slice()),
            "{line}: {output:?}"
        );
    }
    let output = shell(&format!("{ours} run -q -- /bin/echo ran <&-"));
    assert_eq!(output.stdout, b"ran\n", "{output:?}");
}
