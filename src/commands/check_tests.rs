//! What `check` says, to whom.

use std::fs;
use std::path::PathBuf;

use super::*;

fn home() -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    let root: PathBuf = fs::canonicalize(folder.path()).unwrap();
    for dir in ["home/.ssh", "home/p", "config", "state"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let host = Host {
        home: root.join("home"),
        cwd: root.join("home/p"),
        config_dir: root.join("config"),
        state_dir: root.join("state"),
        cache_dir: root.join("cache"),
        uid: 0,
        ssh_auth_sock: None,
        cores: 2,
    };
    (folder, host)
}

fn write(host: &Host, file: &str, text: &str) {
    fs::write(host.cwd.join(file), format!("version = 1\n{text}\n")).unwrap();
}

#[test]
fn every_built_in_profile_is_fine_anywhere() {
    let (_folder, host) = home();
    for name in profile::builtin::names() {
        assert_eq!(check(name, &host).unwrap(), [], "{name}");
    }
}

#[test]
fn every_error_of_every_file_comes_at_once() {
    let (_folder, host) = home();
    write(&host, "a.toml", "nonsense = 1\n[filesystem]\nhome = 1");
    write(
        &host,
        "b.toml",
        "[filesystem]\nmounts = [{ path = \"/\", at = \"/x\" }]\n[command]\ncwd = \"x\"",
    );
    let names = ["a.toml", "b.toml", "none"].map(str::to_owned);
    let error = run(&names, &host).unwrap_err().to_string();
    for part in [
        "a.toml:2:1: error: ",
        "a.toml:4:8: error: ",
        "b.toml:3:20: error: ",
        "b.toml:5:7: error: ",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(error.contains("error: there is no profile \"none\""), "{error}");
}

#[test]
fn contexts_are_checked_too_and_findings_are_told_once() {
    let (_folder, host) = home();
    let text = "[filesystem]\nmounts = [{ path = \"~/.ssh\" }]\n\
        [contexts.a.process]\nspawn = false\n[contexts.b.filesystem]\nmounts = [{ path = \"~\" }]";
    write(&host, "p.toml", text);
    let error = check("p.toml", &host).unwrap_err().to_string();
    assert!(
        error.contains("p.toml:7:20: error: ") && error.contains("your whole home"),
        "{error}"
    );
    write(
        &host,
        "q.toml",
        "[filesystem]\nmounts = [{ path = \"~/.ssh\" }]\n[contexts.a.process]\nspawn = false",
    );
    let warnings = check("q.toml", &host).unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0]
            .warning()
            .starts_with("q.toml:3:20: warning: the server gets ")
    );
}
