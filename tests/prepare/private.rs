//! Registries of one's own, which want to know who asks: they are used for what they are for, and only `prepare` knows the
//! logins.

use std::fs;
use std::path::Path;

use crate::common::hosts;
use crate::stage::{Stage, said};

/// Every file below `folder` that holds the logins of these tests.
fn with_logins(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        let kind = fs::symlink_metadata(&place).expect("it is there");
        if kind.is_dir() {
            open.extend(
                fs::read_dir(&place)
                    .expect("a folder")
                    .flatten()
                    .map(|entry| entry.path()),
            );
        } else if kind.is_file() {
            let bytes = fs::read(&place).expect("ours");
            if bytes.windows(6).any(|part| part == b"s3cret") {
                found.push(place.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_scope_has_its_registry_and_its_token_stays_there() {
    for host in hosts() {
        let stage = Stage::new(host);
        let settings = stage.host.home().join(".npmrc");
        let plain = fs::read_to_string(&settings).expect("settings");
        let scope = format!("@corp:registry=http://127.0.0.1:{}/corp/\n", stage.port);
        let token = format!("//127.0.0.1:{}/corp/:_authToken=corp-s3cret\n", stage.port);

        let words = ["run", "--quiet", "--", "npx", "-y", "@corp/server"];
        stage.host.file("home/.npmrc", &plain);
        stage.say(&words).refused(&["E404"]);
        stage.host.file("home/.npmrc", &format!("{plain}{scope}"));
        stage
            .say(&words)
            .refused(&["E401", "npm's own settings hold the token"]);
        stage.untouched();

        stage.host.file("home/.npmrc", &format!("{plain}{scope}{token}"));
        stage.forget();
        let report = stage.say(&words).report();
        assert_eq!(report["found"], serde_json::json!([]), "{report}");
        let asked = stage.asked();
        assert!(asked.contains("dep-one"), "{asked}");
        for line in asked.lines() {
            let of_scope = line.starts_with("/corp/");
            assert_eq!(line.contains("corp-s3cret"), of_scope, "{line}");
            assert_eq!(line.contains("registry-s3cret"), !of_scope, "{line}");
        }
        // Neither does the store hold it, nor the lock file, nor what is kept of npm's own.
        assert_eq!(with_logins(&stage.store()), [""; 0]);
        assert_eq!(with_logins(stage.lock().parent().expect("it has one")), [""; 0]);

        // The control: npx by itself shows the server both.
        let bare = stage.command("npx").args(["-y", "@corp/server"]).output();
        let found = said(&bare.expect("npx")).report()["found"].to_string();
        assert!(
            found.contains("REGISTRY_TOKEN") && found.contains("/.npmrc"),
            "{found}"
        );
    }
}

#[test]
fn an_index_with_a_login_is_asked_with_it_and_the_server_does_not_see_it() {
    for host in hosts() {
        let stage = Stage::new(host);
        let start = |login: &str| {
            let mut command = stage.sandbox(&["run", "--quiet", "--", "uvx", "py-seeker"]);
            command.env(
                "PIP_INDEX_URL",
                format!("http://{login}127.0.0.1:{}/private/simple/", stage.port),
            );
            said(&command.output().expect("the sandbox"))
        };
        start("").refused(&["could not install py-seeker"]);
        let refused = start("me:wrong-s3cret@");
        refused.refused(&["could not install py-seeker"]);
        assert!(!refused.stderr.contains("s3cret"), "{}", refused.stderr);

        let report = start("me:pip-s3cret@").report();
        assert_eq!(report["found"], serde_json::json!([]), "{report}");
        assert_eq!(with_logins(&stage.store()), [""; 0]);
        assert_eq!(with_logins(stage.lock().parent().expect("it has one")), [""; 0]);

        // The control: the same program, started from the same folder with what `prepare` was given.
        let folder = &stage.prepared("python")[0];
        assert!(!folder.join("report.json").exists(), "it would name the index");
        let mut bare = stage.command(folder.join("bin/py-seeker"));
        let bare = bare
            .env("PIP_INDEX_URL", "http://me:pip-s3cret@localhost/")
            .output();
        let found = said(&bare.expect("the program")).report()["found"].to_string();
        assert!(found.contains("PIP_INDEX_URL"), "{found}");
    }
}
