//! Packages of Python, by pip: these tests have no uv on their path.

use std::fs;

use crate::common::hosts;
use crate::stage::Stage;

#[test]
fn a_server_of_python_is_prepared_locked_and_started_without_an_index() {
    for host in hosts() {
        let stage = Stage::new(host);
        let words = ["run", "--quiet", "--", "uvx", "py-server", &stage.port];
        let report = stage.say(&words).report();
        assert_eq!(
            (&report["tag"], &report["args"][0]),
            (&"good".into(), &stage.port.as_str().into())
        );
        assert_eq!(report["write"], "Read-only file system", "{report}");
        assert_eq!(report["registry"], "Connection refused", "{report}");

        stage.forget();
        stage.mode("errors");
        assert_eq!(stage.say(&words).report()["tag"], "good");
        assert_eq!(
            stage
                .say(&["run", "-q", "--", "pipx", "run", "py-server", &stage.port])
                .report()["tag"],
            "good"
        );
        assert_eq!(stage.asked(), "");

        // A file that is another one under the same version.
        let lock = fs::read_to_string(stage.lock()).expect("the lock file");
        fs::remove_dir_all(stage.store()).expect("the store");
        for mode in ["poison py-server", "tamper py-server"] {
            stage.mode(mode);
            stage.say(&words).refused(&["HASHES", "prepare --upgrade"]);
            assert_eq!(fs::read_to_string(stage.lock()).expect("the lock file"), lock);
        }
        stage.mode("poison py-server");
        let moved = stage
            .say(&["prepare", "--upgrade", "--", "uvx", "py-server"])
            .fine();
        assert!(
            moved.stderr.contains("+ py-server 1.0.0 sha256:"),
            "{}",
            moved.stderr
        );
        assert_eq!(stage.say(&words).report()["tag"], "bad");
    }
}

#[test]
fn what_cannot_be_prepared_is_refused_by_name() {
    for host in hosts() {
        let stage = Stage::new(host);
        stage
            .say(&["run", "--", "uvx", "--from", "git+https://localhost/x", "x"])
            .refused(&["\"git+https://localhost/x\"", "install the server yourself"]);
        stage
            .say(&["run", "--", "npx", "-c", "echo"])
            .refused(&["npx cannot be prepared with the option \"-c\""]);
        stage
            .say(&["prepare", "--", "python3", "-m", "http.server"])
            .refused(&["starts no package"]);
    }
}
