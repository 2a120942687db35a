//! Which profile a command gets by itself.

use std::fs;

use super::*;

fn select_in(files: &[(&str, &str)], line: &str) -> Result<Selection, String> {
    let folder = tempfile::tempdir().unwrap();
    let host = Host {
        home: folder.path().into(),
        cwd: folder.path().into(),
        config_dir: folder.path().join("config"),
        state_dir: folder.path().join("state"),
        cache_dir: folder.path().join("cache"),
        uid: 0,
        ssh_auth_sock: None,
        cores: 2,
    };
    fs::create_dir_all(find::folder(&host)).unwrap();
    for (file, text) in files {
        fs::write(find::folder(&host).join(file), text).unwrap();
    }
    let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    select(&argv, &host, |_| None).map_err(|error| error.to_string())
}

fn name(files: &[(&str, &str)], line: &str) -> Option<String> {
    select_in(files, line).unwrap().name
}

const MINE: &str = "version = 1\n[command]\nmatch = [\"mcp-server-time\", \"my-server\"]";

#[test]
fn built_in_profiles_fit_their_servers() {
    for (line, expected) in [
        ("npx -y @modelcontextprotocol/server-everything", "everything"),
        ("npx -y @modelcontextprotocol/server-filesystem /w", "filesystem"),
        ("npx -y @modelcontextprotocol/server-memory", "memory"),
        (
            "npx -y @modelcontextprotocol/server-sequential-thinking",
            "sequential-thinking",
        ),
        ("uvx mcp-server-time", "time"),
        ("python -m mcp_server_git", "git"),
        ("/venv/bin/mcp-server-fetch", "fetch"),
    ] {
        assert_eq!(name(&[], line).as_deref(), Some(expected), "{line}");
    }
    assert_eq!(name(&[], "npx -y somebody-elses-server-filesystem"), None);
    assert_eq!(name(&[], "/bin/sh -c mcp-server-time"), None);
}

#[test]
fn the_users_own_wins_over_built_in() {
    assert_eq!(
        name(&[("mine.toml", MINE)], "uvx mcp-server-time").as_deref(),
        Some("mine")
    );
    assert_eq!(
        name(&[("mine.toml", MINE)], "uvx mcp-server-git").as_deref(),
        Some("git")
    );
}

#[test]
fn a_base_does_not_make_its_child_fit() {
    let child = "version = 1\nextends = [\"time\"]";
    assert_eq!(
        name(&[("child.toml", child)], "uvx mcp-server-time").as_deref(),
        Some("time")
    );
}

#[test]
fn two_that_fit_are_a_question() {
    let error = select_in(&[("one.toml", MINE), ("two.toml", MINE)], "my-server --x").unwrap_err();
    assert!(
        error.contains("profiles \"one\" and \"two\" both fit \"my-server\""),
        "{error}"
    );
    assert!(error.contains("hint: choose one with -p"), "{error}");
}

#[test]
fn a_broken_profile_is_told_and_stops_no_other() {
    let selection = select_in(&[("bad.toml", "version = 9"), ("mine.toml", MINE)], "my-server").unwrap();
    assert_eq!(selection.name.as_deref(), Some("mine"));
    assert!(selection.unread[0].message.contains("unknown version"));
}
