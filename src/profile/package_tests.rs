//! How people start servers, and the name each way comes down to.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// Follows the links of these tests only.
fn resolve(path: &Path) -> Option<PathBuf> {
    match path.to_str()? {
        "node_modules/.bin/mcp-server-memory" => {
            Some("/p/node_modules/@modelcontextprotocol/server-memory/dist/index.js".into())
        }
        "mcp-server-linked" => Some("/usr/lib/node_modules/linked-package/cli.js".into()),
        _ => None,
    }
}

fn named(line: &str) -> Vec<String> {
    let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    packages(&argv, &resolve)
}

#[test]
fn launchers_are_seen_through() {
    const FS: &str = "@modelcontextprotocol/server-filesystem";
    for (line, expected) in [
        ("npx -y @modelcontextprotocol/server-filesystem /w", FS),
        (
            "npx --yes @modelcontextprotocol/server-filesystem@2025.7.1 /w",
            FS,
        ),
        ("npx @modelcontextprotocol/server-filesystem@latest", FS),
        (
            "/opt/node/bin/npx -y -- @modelcontextprotocol/server-filesystem",
            FS,
        ),
        (
            "npx -y --package @modelcontextprotocol/server-filesystem mcp-server-filesystem",
            FS,
        ),
        ("npx --package=@modelcontextprotocol/server-filesystem@1 -c x", ""),
        (
            "npx -p @modelcontextprotocol/server-filesystem mcp-server-filesystem",
            FS,
        ),
        (
            "npx --registry http://r -y @modelcontextprotocol/server-filesystem",
            FS,
        ),
        ("npx.cmd -y @modelcontextprotocol/server-filesystem", FS),
        ("npm exec -y -- @modelcontextprotocol/server-filesystem /w", FS),
        ("npm --silent x @modelcontextprotocol/server-filesystem", FS),
        (
            "npx @scope/npx -y @modelcontextprotocol/server-filesystem",
            "@scope/npx",
        ),
        ("npm install @modelcontextprotocol/server-filesystem", ""),
        ("pnpm dlx @modelcontextprotocol/server-filesystem", FS),
        ("pnpm -C /w exec mcp-server-filesystem", "mcp-server-filesystem"),
        ("yarn dlx -p @modelcontextprotocol/server-filesystem x", FS),
        ("bunx @modelcontextprotocol/server-filesystem", FS),
        ("bun x @modelcontextprotocol/server-filesystem", FS),
        ("env A=1 npx -y @modelcontextprotocol/server-filesystem", FS),
        ("uvx mcp-server-git --repository /r", "mcp-server-git"),
        ("uvx mcp-server-git@2026.1.1", "mcp-server-git"),
        ("uvx mcp-server-git==2026.1.1", "mcp-server-git"),
        ("uvx mcp-server-git[extra]>=1", "mcp-server-git"),
        ("uvx --python 3.12 --with mcp<2 mcp-server-git", "mcp-server-git"),
        ("uvx --from mcp-server-git run-it", "mcp-server-git"),
        ("uv tool run mcp-server-git", "mcp-server-git"),
        ("uv --directory /p run mcp-server-git", "mcp-server-git"),
        ("uv run --with mcp<2 python -m mcp_server_git", "mcp_server_git"),
        ("uv pip install mcp-server-git", ""),
        ("pipx run mcp-server-git", "mcp-server-git"),
        ("pipx run --spec mcp-server-git==1 git-server", "mcp-server-git"),
    ] {
        assert_eq!(named(line).first().map_or("", String::as_str), expected, "{line}");
    }
}

#[test]
fn interpreters_and_bare_paths_tell_by_their_file() {
    const MEMORY: &str = "@modelcontextprotocol/server-memory";
    for (line, expected) in [
        (
            "node /p/node_modules/@modelcontextprotocol/server-memory/dist/index.js",
            MEMORY,
        ),
        (
            "node --import x /p/node_modules/@modelcontextprotocol/server-memory/dist/index.js",
            MEMORY,
        ),
        ("node node_modules/.bin/mcp-server-memory", MEMORY),
        ("node_modules/.bin/mcp-server-memory", MEMORY),
        // What a package carries inside cannot choose another package's profile for it.
        ("/p/node_modules/a/node_modules/b/cli.js", "a"),
        ("/p/node_modules/.pnpm/a@1.0.0/node_modules/a/cli.js", "a"),
        ("deno run -A npm:@modelcontextprotocol/server-memory@1 x", MEMORY),
        ("mcp-server-linked", "linked-package"),
        ("/usr/bin/my-server.exe --x", "my-server"),
        (
            "python3.12 -m mcp_server_time --local-timezone=UTC",
            "mcp_server_time",
        ),
        ("python -W ignore -m mcp_server_time.server", "mcp_server_time"),
        ("python /venv/bin/mcp-server-time -m x", "mcp-server-time"),
        ("node", ""),
        ("python", ""),
        ("npx", ""),
        ("", ""),
    ] {
        assert_eq!(named(line).first().map_or("", String::as_str), expected, "{line}");
    }
}

#[test]
fn python_names_have_one_form() {
    assert_eq!(
        named("python3 -m mcp_server_time"),
        ["mcp_server_time", "mcp-server-time"]
    );
    assert_eq!(
        named("uvx MCP.Server_Time"),
        ["MCP.Server_Time", "mcp-server-time"]
    );
}

#[test]
fn a_linked_program_has_both_names() {
    assert_eq!(
        named("mcp-server-linked"),
        ["linked-package", "mcp-server-linked"]
    );
}

#[test]
fn scripts_of_interpreters() {
    let script = |line: &str| script(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
    assert_eq!(script("node --import x a.js b.js"), Some(3));
    assert_eq!(script("/usr/bin/python3 a.py"), Some(1));
    assert_eq!(script("deno run -A a.ts"), Some(3));
    assert_eq!(script("python -m a /b"), None);
    assert_eq!(script("npx -y a /b"), None);
}

proptest! {
    #[test]
    fn no_command_panics(words in prop::collection::vec(prop_oneof![
        Just("npx".to_owned()), Just("uv".to_owned()), Just("run".to_owned()), Just("-p".to_owned()), Just("--".to_owned()),
        Just("env".to_owned()), Just("python".to_owned()), Just("-m".to_owned()), Just("node".to_owned()), ".{0,6}",
    ], 0..6)) {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let names = packages(&argv, &|path: &Path| Some(path.join("node_modules/é")));
        prop_assert!(names.iter().all(|name| !name.is_empty()));
        prop_assert!(script(&argv).is_none_or(|at| at < argv.len()));
    }
}
