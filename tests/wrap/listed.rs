//! What is listed and left: servers that run elsewhere, are confined already, or that no profile fits.

use crate::boxed::Case;
use crate::config::{CURSOR, cursor, json, server};

/// The line of a server in what was printed.
#[track_caller]
fn line<'t>(text: &'t str, server: &str) -> &'t str {
    let is_of = |line: &&str| line.split_whitespace().any(|word| word == server);
    text.lines()
        .find(is_of)
        .unwrap_or_else(|| panic!("{server} in {text}"))
}

#[test]
fn each_with_its_reason() {
    let case = Case::new();
    let text = r#"{"mcpServers": {
        "far": {"url": "https://mcp.example.com/mcp"},
        "http": {"type": "http", "serverUrl": "https://mcp.example.com/mcp"},
        "contained": {"command": "docker", "args": ["run", "-i", "--rm", "image"]},
        "bwrapped": {"command": "/usr/bin/bwrap", "args": ["--ro-bind", "/", "/", "server"]},
        "wrapped": {"command": "npx", "args": ["-y", "@anthropic-ai/sandbox-runtime", "server"]},
        "ours": {"command": "mcp-sandbox", "args": ["run", "--", "uvx", "mcp-server-time"]},
        "odd": {"command": 7},
        "line": {"command": "uvx mcp-server-time", "args": []},
        "list": {"command": "x", "args": "not a list"}
    }}"#;
    case.write(CURSOR, text);
    let said = case.cli(["wrap", "cursor", "--yes"]);
    said.says(&["nothing to box"]);
    for (server, why) in [
        ("far", "remote: it runs at \"https://mcp.example.com/mcp\""),
        ("http", "remote"),
        ("contained", "started by docker"),
        ("bwrapped", "started by bwrap"),
        ("wrapped", "started by @anthropic-ai/sandbox-runtime"),
        ("ours", "boxed already"),
        ("odd", "\"command\" is no command"),
        ("line", "its command is a whole line"),
        ("list", "\"args\" is no list"),
    ] {
        assert!(line(&said.out, server).contains(why), "{server}: {}", said.out);
    }
    said.ok();
    assert_eq!(case.read(CURSOR), text);
}

#[test]
fn a_server_that_no_profile_fits_is_left_until_something_is_said() {
    let case = Case::new();
    let old = cursor(&case, &server("npx", &["-y", "@example/unknown-server"]));
    let said = case.cli(["wrap", "cursor", "--yes"]);
    assert!(line(&said.out, "a").contains("no profile fits \"npx -y @example/unknown-server\""));
    assert!(
        said.out.contains("hint: ") && said.out.contains("--server a --profile FILE"),
        "{}",
        said.out
    );
    assert_eq!(case.read(CURSOR), old);

    let args = |flags: &[&str]| {
        case.cli(["wrap", "cursor", "--yes"].iter().chain(flags)).ok();
        let args = json(&case)["mcpServers"]["a"]["args"].clone();
        case.cli(["unwrap", "cursor", "--yes"]).ok();
        assert_eq!(case.read(CURSOR), old);
        let args: Vec<String> = serde_json::from_value(args).unwrap();
        let end = args.iter().position(|word| word == "--").unwrap();
        assert_eq!(args[end..], ["--", "npx", "-y", "@example/unknown-server"]);
        args[1..end].to_vec()
    };
    assert_eq!(args(&["--profile", "default"]), ["--profile", "default"]);
    // What the client starts elsewhere needs whole paths.
    assert_eq!(
        args(&["--profile", "../conf/p.toml"])[1],
        case.text("work/../conf/p.toml")
    );
    let flags = [
        "--allow",
        "api.example.com",
        "--read",
        "../data",
        "--env",
        "A=b",
        "--write",
        "../data:/data",
    ];
    assert_eq!(
        args(&flags),
        [
            "--read",
            &case.text("work/../data"),
            "--write",
            &format!("{}:/data", case.text("work/../data")),
            "--allow",
            "api.example.com",
            "--env",
            "A=b"
        ]
    );
    // A profile of the user's that names the package fits by itself.
    case.named_profile("mine", "[command]\nmatch = [\"@example/unknown-server\"]");
    assert_eq!(args(&[]), ["--profile", "mine"]);
}

/// What the client could only find out when it starts the server.
#[test]
fn flags_that_no_run_takes_are_refused() {
    let case = Case::new();
    let old = cursor(&case, &server("npx", &["-y", "@example/unknown-server"]));
    for (flags, told) in [
        (["--allow", "https://api.example.com"], "https://api.example.com"),
        (["--allow", "010.0.0.1"], "010.0.0.1"),
        (["--read", "/not/there"], "/not/there"),
        (["--write", "/not/there"], "/not/there"),
    ] {
        let said = case.cli(["wrap", "cursor", "--yes"].iter().chain(&flags));
        assert_eq!(said.code, Some(125), "{said:?}");
        assert!(said.err.contains(told) && said.err.contains("hint: "), "{said:?}");
        assert_eq!(case.read(CURSOR), old);
    }
}

#[test]
fn variables_of_the_client_are_passed_by_name() {
    let case = Case::new();
    let file = case.text("data/file");
    cursor(
        &case,
        &format!(
            r#"{{"command": "uvx", "args": ["mcp-server-time"], "envFile": "${{workspaceFolder}}/.env",
            "env": {{"KEY": "v", "PATH": "/x", "HOME": "/y", "FILE": "{file}", "bad name": "1", "N": 5, "GONE": null}}}}"#
        ),
    );
    case.write(
        "work/.env",
        "# c\nexport FROM_FILE=1\nOTHER = 2\nKEY=3\nnothing\n",
    );
    let said = case.cli(["wrap", "cursor", "--yes"]);
    assert!(
        said.out.contains("FILE names \"/") && said.out.contains("\"bad name\""),
        "{}",
        said.out
    );
    let args: Vec<String> = serde_json::from_value(json(&case)["mcpServers"]["a"]["args"].clone()).unwrap();
    let names: Vec<&str> = args
        .windows(2)
        .filter(|pair| pair[0] == "--env")
        .map(|pair| pair[1].as_str())
        .collect();
    assert_eq!(names, ["KEY", "FILE", "N", "FROM_FILE", "OTHER"]);
}

#[test]
fn what_clients_expand_stays_where_they_expand_it() {
    let case = Case::new();
    let text = r#"{"servers": {"a": {"command": "${workspaceFolder}/s", "args": ["${input:x}", "${env:HOME}"],
        "env": {"K": "${input:key}"}, "cwd": "${workspaceFolder}"}}, "inputs": [{"id": "key"}]}"#;
    case.write("work/.vscode/mcp.json", text);
    case.cli(["wrap", "vscode", "--yes", "--profile", "default"]).ok();
    let new: serde_json::Value = serde_json::from_str(&case.read("work/.vscode/mcp.json")).unwrap();
    let server = &new["servers"]["a"];
    let args = server["args"].as_array().unwrap();
    assert_eq!(
        args[args.len() - 3..],
        ["${workspaceFolder}/s", "${input:x}", "${env:HOME}"]
    );
    assert_eq!(server["env"]["K"], "${input:key}");
    assert_eq!(server["cwd"], "${workspaceFolder}");
    assert_eq!(new["inputs"][0]["id"], "key");
}

#[test]
fn the_sandbox_of_vs_code_is_noticed() {
    let case = Case::new();
    let text = format!(
        "{{\"servers\": {{\"a\": {}}}}}",
        server("uvx", &["mcp-server-time"]).replace('{', "{\"sandboxEnabled\": true, ")
    );
    case.write("home/.config/Code/User/mcp.json", &text);
    let said = case.cli(["wrap", "vscode", "--yes"]);
    assert!(
        said.out.contains("started by the client itself (sandboxEnabled)"),
        "{}",
        said.out
    );
    assert_eq!(case.read("home/.config/Code/User/mcp.json"), text);
    let both = text
        .replace("\"uvx\"", "\"mcp-sandbox\"")
        .replace("[\"mcp", "[\"run\", \"--\", \"mcp");
    case.write("home/.config/Code/User/mcp.json", &both);
    let out = case.cli(["status", "vscode"]).ok();
    assert!(line(&out, "a").contains("sandboxEnabled is on as well"), "{out}");
}

#[test]
fn files_of_the_project_and_of_folders() {
    let case = Case::new();
    let text = format!(
        "{{\"mcpServers\": {{\"shared\": {}}}}}",
        server("uvx", &["mcp-server-time"])
    );
    case.write("work/.mcp.json", &text);
    case.folder("work/.git");
    case.folder("work/deep/down");
    let mut command = case.command(["status"]);
    let inside = command.current_dir(case.path("work/deep/down")).output().unwrap();
    let out = String::from_utf8(inside.stdout).unwrap();
    assert!(
        out.contains("Claude Code (project)") && out.contains("shared"),
        "{out}"
    );
    let mut command = case.command(["status"]);
    let outside = command.current_dir(case.path("data")).output().unwrap();
    assert!(!String::from_utf8(outside.stdout).unwrap().contains("shared"));
    let mut command = case.command(["status", "--project", "../work"]);
    let named = command.current_dir(case.path("data")).output().unwrap();
    assert!(String::from_utf8(named.stdout).unwrap().contains("shared"));

    case.write("home/.claude.json", include_str!("corpus/claude-code.json"));
    let out = case.cli(["status", "claude-code"]).ok();
    assert!(out.contains("git (/home/alice/work)"), "{out}");
}

#[test]
fn another_file_by_its_path() {
    let case = Case::new();
    let text = format!(
        "{{\"mcpServers\": {{\"a\": {}}}}}",
        server("uvx", &["mcp-server-time"])
    );
    case.write("data/mine.json", &text);
    let usual = cursor(&case, &server("uvx", &["mcp-server-time"]));
    case.cli(["wrap", "cursor", "--config", "../data/mine.json", "--yes"])
        .ok();
    assert!(case.read("data/mine.json").contains("mcp-sandbox"));
    assert_eq!(case.read(CURSOR), usual);
    case.cli(["unwrap", "cursor", "--config", "../data/mine.json", "--yes"])
        .ok();
    assert_eq!(case.read("data/mine.json"), text);
    let toml = "[mcp_servers.a]\ncommand = \"uvx\"\nargs = [\"mcp-server-time\"]\n";
    case.write("data/c.toml", toml);
    case.cli(["wrap", "codex", "--config", "../data/c.toml", "--yes"])
        .ok();
    assert!(case.read("data/c.toml").contains("\"--profile\", \"time\""));
    case.cli(["wrap", "codex", "--config", "nowhere.toml", "--yes"])
        .refused(&["cannot read \"nowhere.toml\"", "--config names a file of Codex"]);
}

#[test]
fn folders_that_variables_move() {
    let case = Case::new();
    let toml = "[mcp_servers.moved]\ncommand = \"uvx\"\nargs = [\"mcp-server-time\"]\n";
    case.write("data/codex/config.toml", toml);
    let mut command = case.command(["status"]);
    let output = command
        .env("CODEX_HOME", case.path("data/codex"))
        .output()
        .unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("moved"));
    assert!(!case.cli(["status"]).ok().contains("moved"));
}
