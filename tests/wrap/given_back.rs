//! The commands on files: what they change, what they keep, and what they give back.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use crate::boxed::{Case, is_root, set_mode};
use crate::config::{CURSOR, OWN, cursor, json, server};

#[test]
fn one_command_boxes_and_one_gives_back() {
    let case = Case::new();
    let files = [
        (
            "home/.cursor/mcp.json",
            include_str!("corpus/claude-desktop.json"),
        ),
        (
            "home/.config/Claude/claude_desktop_config.json",
            include_str!("corpus/minified.json"),
        ),
        ("home/.claude.json", include_str!("corpus/claude-code.json")),
        (
            "home/.config/Code/User/mcp.json",
            include_str!("corpus/crlf-tabs.jsonc"),
        ),
        ("home/.config/zed/settings.json", include_str!("corpus/zed.jsonc")),
        ("home/.codex/config.toml", include_str!("corpus/codex.toml")),
        (
            "home/.config/goose/config.yaml",
            include_str!("corpus/goose.yaml"),
        ),
        ("home/.continue/config.yaml", include_str!("corpus/continue.yaml")),
        (
            "home/.config/opencode/opencode.json",
            include_str!("corpus/opencode.jsonc"),
        ),
    ];
    for (path, text) in files {
        case.write(path, text);
        set_mode(&case.path(path), 0o640);
    }
    case.cli(["wrap", "--all", "--yes"]).ok();
    let boxed: Vec<String> = files.iter().map(|(path, _)| case.read(path)).collect();
    for ((path, old), new) in files.iter().zip(&boxed) {
        assert_ne!(old, new, "{path}");
        assert!(new.contains(OWN), "{path}");
        assert_eq!(case.mode(path), 0o640, "{path}");
    }
    let again = case.cli(["wrap", "--all", "--yes"]);
    again.says(&["nothing to box"]);
    again.ok();
    for ((path, _), new) in files.iter().zip(&boxed) {
        assert_eq!(&case.read(path), new, "{path}");
    }
    case.cli(["unwrap", "--all", "--yes"]).ok();
    for (path, old) in files {
        assert_eq!(case.read(path), old, "{path}");
        assert_eq!(case.mode(path), 0o640, "{path}");
        let folder = case.path(path).parent().unwrap().to_owned();
        let beside = fs::read_dir(folder).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().contains("mcp-sandbox-")
        });
        assert_eq!(beside.count(), 0, "{path}");
    }
}

#[test]
fn what_was_there_is_kept_for_the_user_alone() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    let said = case.cli(["wrap", "cursor", "--yes"]);
    said.says(&["boxed servers in", "restart Cursor"]);
    let backup = said
        .err
        .split('"')
        .find(|part| part.contains("/backups/"))
        .unwrap()
        .to_owned();
    assert_eq!(fs::read_to_string(&backup).unwrap(), old);
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    let state = case.path("home/.local/state/mcp-sandbox/wrap");
    assert_eq!(fs::metadata(state).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn no_more_than_ten_copies_are_kept() {
    let case = Case::new();
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    for _ in 0..7 {
        case.cli(["wrap", "cursor", "--yes"]).ok();
        case.cli(["unwrap", "cursor", "--yes"]).ok();
    }
    let folders = fs::read_dir(case.path("home/.local/state/mcp-sandbox/wrap/backups")).unwrap();
    let folder = folders.map(|entry| entry.unwrap().path()).next().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 10);
}

#[test]
fn a_link_stays_one() {
    let case = Case::new();
    let old = format!(
        "{{\"mcpServers\": {{\"a\": {}}}}}\n",
        server("uvx", &["mcp-server-time"])
    );
    case.write("data/dotfiles/mcp.json", &old);
    case.folder("home/.cursor");
    symlink("../../data/dotfiles/mcp.json", case.path(CURSOR)).unwrap();
    case.cli(["wrap", "cursor", "--yes"]).ok();
    assert!(case.path(CURSOR).symlink_metadata().is_ok());
    assert!(fs::read_link(home_file(&case)).is_ok());
    assert!(case.read("data/dotfiles/mcp.json").contains(OWN));
    case.cli(["unwrap", "cursor", "--yes"]).ok();
    assert!(fs::read_link(home_file(&case)).is_ok());
    assert_eq!(case.read("data/dotfiles/mcp.json"), old);
}

/// The path of the file itself, which may be a link.
fn home_file(case: &Case) -> std::path::PathBuf {
    case.path("home/.cursor").join("mcp.json")
}

#[test]
fn for_root_another_users_file_stays_that_users() {
    if !is_root() {
        return;
    }
    let case = Case::new();
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    std::os::unix::fs::chown(case.path(CURSOR), Some(1234), Some(2345)).unwrap();
    set_mode(&case.path(CURSOR), 0o604);
    case.cli(["wrap", "cursor", "--yes"]).ok();
    let meta = fs::metadata(case.path(CURSOR)).unwrap();
    assert_eq!(
        (meta.uid(), meta.gid(), meta.mode() & 0o7777),
        (1234, 2345, 0o604)
    );
    assert!(case.read(CURSOR).contains(OWN));
}

#[test]
fn other_parts_may_change_meanwhile() {
    let case = Case::new();
    cursor(&case, &server("\\u0075vx", &["mcp-server-time"]));
    case.cli(["wrap", "cursor", "--yes"]).ok();
    let edited = case
        .read(CURSOR)
        .replace("{\"mcpServers\"", "{\"theme\": \"dark\",   \"mcpServers\"");
    case.write(CURSOR, &edited);
    let said = case.cli(["unwrap", "cursor", "--yes"]);
    assert!(said.out.contains("as it was, to the byte"), "{said:?}");
    let back = case.read(CURSOR);
    assert!(
        back.starts_with("{\"theme\": \"dark\",   ") && back.contains("\"\\u0075vx\""),
        "{back}"
    );
    assert!(!back.contains("mcp-sandbox"), "{back}");
}

#[test]
fn an_edited_server_and_a_lost_record_come_back_from_the_command() {
    for lose in [false, true] {
        let case = Case::new();
        cursor(
            &case,
            &server("uvx", &["mcp-server-time", "--local-timezone", "UTC"]),
        );
        case.cli(["wrap", "cursor", "--yes"]).ok();
        match lose {
            true => fs::remove_dir_all(case.path("home/.local/state/mcp-sandbox")).unwrap(),
            false => {
                let edited = case.read(CURSOR).replace("\"--profile\",", "\"-p\", ");
                assert_ne!(edited, case.read(CURSOR));
                case.write(CURSOR, &edited);
            }
        }
        let said = case.cli(["unwrap", "cursor", "--yes"]);
        assert!(said.out.contains("from the boxed command itself"), "{said:?}");
        let back = json(&case);
        assert_eq!(back["mcpServers"]["a"]["command"], "uvx");
        let args = serde_json::json!(["mcp-server-time", "--local-timezone", "UTC"]);
        assert_eq!(back["mcpServers"]["a"]["args"], args);
    }
}

/// As the README of many a server has it, by hand.
#[test]
fn what_was_boxed_by_hand_is_unboxed_too() {
    let case = Case::new();
    cursor(
        &case,
        &server("mcp-sandbox", &["run", "-q", "--", "uvx", "mcp-server-time"]),
    );
    case.cli(["unwrap", "cursor", "--yes"]).ok();
    assert_eq!(json(&case)["mcpServers"]["a"]["command"], "uvx");
    let old = cursor(&case, &server("mcp-sandbox", &["run", "-p", "mine"]));
    let said = case.cli(["unwrap", "cursor", "--yes"]);
    assert!(said.out.contains("there is none to give back"), "{said:?}");
    assert_eq!(case.read(CURSOR), old);
}

#[test]
fn one_server_and_one_client_alone() {
    let case = Case::new();
    let two = format!(
        "{{\"mcpServers\": {{\"a\": {}, \"b\": {}}}}}",
        server("uvx", &["mcp-server-time"]),
        server("uvx", &["mcp-server-git"])
    );
    case.write(CURSOR, &two);
    case.write("home/.gemini/settings.json", &two);
    case.cli(["wrap", "cursor", "--server", "b", "--yes"]).ok();
    assert_eq!(case.read("home/.gemini/settings.json"), two);
    let boxed = json(&case);
    assert_eq!(boxed["mcpServers"]["a"]["command"], "uvx");
    assert_eq!(boxed["mcpServers"]["b"]["command"], OWN);
    // A second one later, and one of them back.
    case.cli(["wrap", "cursor", "--server", "a", "--yes"]).ok();
    case.cli(["unwrap", "cursor", "--server", "b", "--yes"]).ok();
    assert_eq!(json(&case)["mcpServers"]["a"]["command"], OWN);
    assert_eq!(json(&case)["mcpServers"]["b"]["command"], "uvx");
    case.cli(["unwrap", "cursor", "--yes"]).ok();
    assert_eq!(case.read(CURSOR), two);
}

#[test]
fn the_path_that_we_were_called_by_is_what_clients_get() {
    let case = Case::new();
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    let link = case.folder("data/bin").join("mcp-sandbox");
    symlink(OWN, &link).unwrap();
    let mut command = std::process::Command::new(&link);
    command.args(["wrap", "cursor", "--yes"]).env_clear();
    command
        .env("HOME", case.path("home"))
        .current_dir(case.path("work"));
    assert!(command.output().unwrap().status.success());
    assert_eq!(json(&case)["mcpServers"]["a"]["command"], link.to_str().unwrap());
}

/// Access lists are such attributes.
#[test]
fn extended_attributes_stay() {
    let case = Case::new();
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    xattr::set(case.path(CURSOR), "user.note", b"mine").unwrap();
    case.cli(["wrap", "cursor", "--yes"]).ok();
    assert!(case.read(CURSOR).contains(OWN));
    assert_eq!(
        xattr::get(case.path(CURSOR), "user.note").unwrap().unwrap(),
        b"mine"
    );
}
