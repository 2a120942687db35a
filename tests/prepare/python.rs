//! Packages of Python, by pip: these tests have no uv on their path.

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::{hosts, ordinary_host};
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

#[test]
fn another_python_gets_the_locked_package_anew() {
    let stage = Stage::new(ordinary_host());
    let words = ["run", "--quiet", "--", "uvx", "py-server", &stage.port];
    stage.say(&words).report();
    let lock = fs::read_to_string(stage.lock()).expect("the lock file");
    let folders = stage.prepared("python");
    let interpreter = folders[0].join("bin/python");
    let real = fs::canonicalize(&interpreter).expect("an interpreter");
    stage.forget();
    // Where the system's Python was, there is another one now.
    let other = stage.host.directory("other").join("python3.99");
    fs::copy(&real, &other).expect("a copy");
    fs::remove_file(&interpreter).expect("it is ours");
    symlink(&other, &interpreter).expect("a link");
    assert_eq!(stage.say(&words).report()["tag"], "good");
    assert!(stage.asked().contains("py_server-1.0.0"), "{}", stage.asked());
    assert_eq!(fs::canonicalize(&interpreter).expect("an interpreter"), real);
    assert_eq!(fs::read_to_string(stage.lock()).expect("the lock file"), lock);
}
