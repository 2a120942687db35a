//! What packages try: while they are installed, and as servers.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::common::{hosts, unique};
use crate::stage::{Stage, said};

#[test]
fn a_server_gets_neither_its_package_nor_the_registry() {
    for host in hosts() {
        let stage = Stage::new(host);
        let report = stage.serve(&[], "@test/server");
        assert_eq!(report["dep"], "dependency");
        assert_eq!(report["write"], "EROFS", "{report}");
        assert_ne!(report["replace"], "done", "{report}");
        assert_eq!(report["token"], "ENOENT", "{report}");
        assert_eq!(report["registry"], "ECONNREFUSED", "{report}");

        // The control: npx by itself gives it all of this.
        let output = stage
            .command("npx")
            .args(["-y", "@test/server", &stage.port])
            .output();
        let bare = said(&output.expect("npx")).report();
        for act in ["write", "replace", "token"] {
            assert_eq!(bare[act], "done", "{bare}");
        }
        assert_eq!(bare["registry"], "connected");
    }
}

#[test]
fn install_scripts_reach_no_key_no_token_no_host_and_nothing_outside() {
    for host in hosts() {
        let stage = Stage::new(host);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let other = listener.local_addr().expect("bound").port();
        let key = unique("key");
        stage.host.directory("home/.ssh");
        stage.host.directory("home/.cache");
        stage.host.file("home/.ssh/id_test", &key);
        let target = serde_json::json!({
            "home": stage.host.home(),
            "folder": stage.host.folder(),
            "other": other,
            "registry": stage.port.parse::<u16>().expect("a port"),
        });
        stage.host.file("registry/target.json", &target.to_string());

        let report = stage
            .say(&["run", "--quiet", "--", "npx", "-y", "scripted"])
            .report();
        assert_eq!(report["key"], "ENOENT", "{report}");
        assert_eq!(report["token"], "ENOENT", "{report}");
        assert_eq!(report["variable"], "unset", "{report}");
        for place in ["outside", "cache"] {
            assert_ne!(report[place], "undefined", "{report}");
        }
        assert!(!stage.host.folder().join("written").exists(), "{report}");
        assert!(!stage.host.home().join(".cache/planted").exists(), "{report}");
        assert_eq!(
            (&report["other"], &report["registry"]),
            (&"ECONNREFUSED".into(), &"ECONNREFUSED".into())
        );
        // The token went to the registry all the same.
        assert!(
            stage.asked().contains("Bearer registry-s3cret"),
            "{}",
            stage.asked()
        );

        let bare = installed_by_npm(&stage);
        assert_eq!(bare["key"], key.as_str());
        assert_eq!(
            (&bare["other"], &bare["registry"]),
            (&"connected".into(), &"connected".into()),
            "{bare}"
        );
        assert_eq!(bare["variable"], "registry-s3cret");
        assert!(
            stage.host.folder().join("written").exists() && stage.host.home().join(".cache/planted").exists()
        );
    }
}

/// The control: npm without a box runs the script, and this is what it got.
fn installed_by_npm(stage: &Stage) -> Value {
    let project = stage.host.directory("project");
    stage.host.file("project/package.json", "{\"private\": true}");
    let mut npm = stage.command("npm");
    npm.current_dir(&project)
        .env("npm_config_dangerously_allow_all_scripts", "true");
    said(&npm.args(["install", "scripted"]).output().expect("npm")).fine();
    let report = fs::read(project.join("node_modules/scripted/report.json")).expect("the script ran");
    serde_json::from_slice(&report).expect("JSON")
}

#[test]
fn an_install_script_that_needs_a_host_is_refused_until_it_is_allowed() {
    for host in hosts() {
        let stage = Stage::new(host);
        let allow = format!("localhost:{}", stage.port);
        stage
            .say(&["run", "--quiet", "--", "npx", "-y", "needy"])
            .refused(&["an install script", "needy"]);
        stage.untouched();
        stage
            .say(&["prepare", "--allow", &allow, "--", "npx", "-y", "needy"])
            .fine();
        let said = stage.say(&["run", "--quiet", "--", "npx", "-y", "needy"]).fine();
        assert_eq!(said.stdout, "fetched\n");
    }
}

#[test]
fn an_optional_package_that_cannot_be_built_is_left_out_as_npm_does() {
    for host in hosts() {
        let stage = Stage::new(host);
        let run = |package: &str| stage.say(&["run", "--", "npx", "-y", package]);
        let said = run("lenient").fine();
        assert_eq!(said.stdout, "false\n");
        let told = "without failing, which is optional and could not be built";
        assert!(said.stderr.contains(told), "{}", said.stderr);
        assert_eq!(run("lenient").fine().stdout, "false\n");
        // The control: one that is needed.
        run("strict").refused(&["an install script of strict or of what it needs failed"]);
    }
}

#[test]
fn a_browser_is_not_downloaded_until_a_host_is_allowed() {
    for host in hosts() {
        let stage = Stage::new(host);
        let words = ["run", "--", "npx", "-y", "with-browser"];
        let said = stage.say(&words).fine();
        assert_eq!(said.stdout, "left out\n");
        let told = "without the browser that puppeteer would download";
        assert!(said.stderr.contains(told), "{}", said.stderr);
        fs::remove_dir_all(stage.store()).expect("the store");
        let allow = format!("localhost:{}", stage.port);
        stage
            .say(&["prepare", "--allow", &allow, "--", "npx", "-y", "with-browser"])
            .fine();
        assert_eq!(stage.say(&words).fine().stdout, "fetched\n");
    }
}

#[test]
fn what_does_not_come_from_the_registry_is_not_fetched() {
    for host in hosts() {
        let stage = Stage::new(host);
        stage
            .say(&["run", "--quiet", "--", "npx", "-y", "git-dependency"])
            .refused(&["npm could not install git-dependency"]);
        stage.untouched();
    }
}

#[test]
fn packages_and_lock_are_out_of_reach_of_servers_and_other_users() {
    for host in hosts() {
        let stage = Stage::new(host);
        stage.serve(&[], "@test/server");
        let mode = fs::metadata(stage.store())
            .expect("the store")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0);

        // A lock beside a profile that a server can write to.
        let project = stage.host.directory("project");
        let profile = stage.host.file(
            "project/box.toml",
            "version = 1\n[filesystem]\nmounts = [{ path = \"${profile_dir}\", access = \"write\" }]\n",
        );
        let profile = profile.to_str().expect("text");
        stage.serve(&["-p", profile], "@test/server");
        let lock = project.join("mcp-sandbox.lock");
        let before = fs::read_to_string(&lock).expect("beside the profile");
        let spoil = format!(
            "echo spoilt >> {0}; rm -f {0}; echo x > {1}/other",
            lock.display(),
            project.display()
        );
        let said = stage.say(&["run", "--quiet", "-p", profile, "--", "sh", "-c", &spoil]);
        assert_eq!(
            fs::read_to_string(&lock).expect("still there"),
            before,
            "{}",
            said.stderr
        );
        assert!(project.join("other").exists(), "{}", said.stderr);

        // A server that could write the store would choose what others start.
        let store = stage.host.home().join(".cache/mcp-sandbox");
        let store = store.to_str().expect("text");
        stage
            .say(&["run", "--quiet", "--write", store, "--", "true"])
            .refused(&["packages that other servers are started from"]);
    }
}
