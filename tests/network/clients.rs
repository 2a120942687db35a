//! Clients of other languages and programs, each as it is used, with no word about a proxy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{Host, hosts, unique, words};
use crate::scripts::{Said, allow, end_with_this_thread};
use crate::world::internet;

const HELLO: &str = "hello from 11.11.1.1";

/// A program bare and in the box.
fn both(host: &Host, flags: &[&str], program: &str, arguments: &[&str]) -> [Output; 2] {
    internet();
    let run = |mut command: Command| {
        end_with_this_thread(&mut command);
        command
            .args(arguments)
            .output()
            .expect("the program is installed")
    };
    let mut boxed = host.run(flags);
    boxed.arg(program);
    [run(host.command(program)), run(boxed)]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Node reads names by the C library (`lookup`) and by c-ares (`resolve4`).
#[test]
fn node() {
    let dual = format!("{}.dyn.test", unique("dual"));
    internet().dns.set(&dual, &["11.11.1.1", "2a00:1111::6"]);
    let script = format!("const DUAL = {dual:?};\n{}", include_str!("scripts/clients.js"));
    let dual_rule = format!("{dual}:7000");
    let rules = [
        "api.test:80",
        "api.test:7000-7999",
        "six.test:7000",
        "both.test:7100",
        &dual_rule,
    ];
    for host in hosts() {
        let [bare, boxed] = both(&host, &allow(&rules), "node", &["-e", &script]);
        let (bare, boxed) = (Said::of(&bare), Said::of(&boxed));
        for (label, result) in [
            ("lookup", "1"),
            ("resolve4", "1"),
            ("fetch", HELLO),
            ("http", HELLO),
            ("socket", HELLO),
            ("refused", "ECONNREFUSED"),
            ("IPv6 only", "hello from 2a00:1111::6"),
            ("happy eyeballs", "hello from one of them"),
            ("many", "1"),
        ] {
            assert_eq!(
                (bare.get(label), boxed.get(label)),
                (result, result),
                "{label}: {boxed:#?}"
            );
        }
        for (label, free, held) in [
            ("lookup of another", "[object Object]", "ENOTFOUND"),
            ("resolve4 of another", "ENOTFOUND", "ENOTFOUND"),
            ("fetch from another", HELLO, "ENOTFOUND"),
            ("fetch from an address", "hello from 11.11.2.1", "ENETUNREACH"),
        ] {
            assert_eq!(
                (bare.get(label), boxed.get(label)),
                (free, held),
                "{label}: {boxed:#?}"
            );
        }
        // One address stands for all of them, so a client has no other to try by itself: the next attempt meets the other.
        let refused = boxed.get("happy eyeballs, one refuses");
        assert!([HELLO, "ECONNREFUSED"].contains(&refused), "{boxed:#?}");
    }
}

#[test]
fn java() {
    let classes = compiled("javac", |folder| {
        let source = folder.join("Clients.java");
        fs::write(&source, include_str!("scripts/Clients.java")).expect("a file");
        words([&"-d", &folder, &source])
    });
    let folder = classes.path().to_str().expect("UTF-8");
    let rules = allow(&["api.test:80", "api.test:7000-7999", "six.test:7000"]);
    for host in hosts() {
        let seen = ["--read", folder];
        let flags: Vec<&str> = rules.iter().copied().chain(seen).collect();
        let arguments = [
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-cp",
            folder,
            "Clients",
        ];
        let [bare, boxed] = both(&host, &flags, "java", &arguments);
        let (bare, boxed) = (Said::of(&bare), Said::of(&boxed));
        for (label, free, held) in [
            ("addresses", "1", "1"),
            ("socket", HELLO, HELLO),
            ("IPv6 only", "hello from 2a00:1111::6", "hello from 2a00:1111::6"),
            ("channel", HELLO, HELLO),
            ("channel, refused", "ConnectException", "ConnectException"),
            ("HTTP", HELLO, HELLO),
            ("another name", "forbidden.test/11.11.1.1", "UnknownHostException"),
            ("an address", "hello from 11.11.2.1", "SocketException"),
        ] {
            assert_eq!(bare.get(label), free, "{label}: {bare:#?}");
            let said = boxed.get(label);
            assert!(
                said == held || (label == "an address" && said == "ConnectException"),
                "{label}: {boxed:#?}"
            );
        }
    }
}

/// Programs of Go are linked without a C library, and have a resolver of their own.
#[test]
fn go() {
    let built = compiled("go", |folder| {
        let source = folder.join("clients.go");
        fs::write(&source, include_str!("scripts/clients.go")).expect("a file");
        words([
            &"build",
            &"-tags",
            &"netgo,osusergo",
            &"-o",
            &folder.join("clients"),
            &source,
        ])
    });
    let program = built.path().join("clients");
    let program = program.to_str().expect("UTF-8");
    let rules = allow(&[
        "api.test:80",
        "api.test:7000-7999",
        "six.test:7000",
        "both.test:7100",
    ]);
    for host in hosts() {
        let [bare, boxed] = both(&host, &rules, program, &[]);
        let (bare, boxed) = (Said::of(&bare), Said::of(&boxed));
        for (label, free, held) in [
            ("addresses", "1", "1"),
            ("another name", "[11.11.1.1]", "not found"),
            ("socket", HELLO, HELLO),
            ("IPv6 only", "hello from 2a00:1111::6", "hello from 2a00:1111::6"),
            ("first address refuses", HELLO, HELLO),
            ("refused", "connection refused", "connection refused"),
            ("an address", "hello from 11.11.2.1", "network is unreachable"),
            ("HTTP", HELLO, HELLO),
        ] {
            assert_eq!(
                (bare.get(label), boxed.get(label)),
                (free, held),
                "{label}: {boxed:#?}"
            );
        }
    }
}

/// Its resolver asks for both kinds of address at once, and gives up where one of the answers is a failure.
#[test]
fn musl() {
    let built = compiled("musl-gcc", |folder| {
        let source = folder.join("clients.c");
        fs::write(&source, include_str!("scripts/clients.c")).expect("a file");
        words([&"-static", &"-o", &folder.join("clients"), &source])
    });
    let program = built.path().join("clients");
    let program = program.to_str().expect("UTF-8");
    for host in hosts() {
        let flags = allow(&["api.test:7000", "six.test:7000"]);
        let [bare, boxed] = both(
            &host,
            &flags,
            program,
            &["api.test", "six.test", "forbidden.test"],
        );
        let six = "hello from 2a00:1111::6";
        Said::of(&bare).is(&[("api.test", HELLO), ("six.test", six), ("forbidden.test", HELLO)]);
        Said::of(&boxed).is(&[
            ("api.test", HELLO),
            ("six.test", six),
            ("forbidden.test", "EAI_NONAME"),
        ]);
    }
}

/// A folder that everybody can read, with what the compiler made in it.
fn compiled(compiler: &str, arguments: impl FnOnce(&Path) -> Vec<std::ffi::OsString>) -> tempfile::TempDir {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    let folder = tempfile::Builder::new()
        .permissions(mode)
        .tempdir()
        .expect("a temporary folder");
    let status = Command::new(compiler).args(arguments(folder.path())).status();
    assert!(status.expect("the compiler is installed").success(), "{compiler}");
    folder
}

#[test]
fn curl() {
    const COULD_NOT_RESOLVE: i32 = 6;
    const COULD_NOT_CONNECT: i32 = 7;
    for host in hosts() {
        let get = |url: &str| {
            let [bare, boxed] = both(
                &host,
                &allow(&["api.test"]),
                "curl",
                &["--silent", "--max-time", "5", url],
            );
            assert!(text(&bare.stdout).starts_with("hello from"), "{bare:?}");
            (boxed.status.code(), text(&boxed.stdout))
        };
        assert_eq!(get("http://api.test/"), (Some(0), HELLO.into()));
        assert_eq!(
            get("http://forbidden.test/"),
            (Some(COULD_NOT_RESOLVE), String::new())
        );
        assert_eq!(get("http://11.11.2.1/"), (Some(COULD_NOT_CONNECT), String::new()));
    }
}

/// The client of PostgreSQL waits for its socket by poll(2).
#[test]
fn psql() {
    let program = psql_itself();
    for host in hosts() {
        let to = |name: &str| format!("host={name} port=5432 user=tester dbname=test connect_timeout=5");
        let ask = |name: &str| {
            let arguments = ["--no-psqlrc", "--command", "select 1", &to(name)];
            both(
                &host,
                &allow(&["api.test:5432"]),
                program.to_str().expect("UTF-8"),
                &arguments,
            )
        };
        for output in ask("api.test") {
            assert!(
                text(&output.stderr).contains(&format!("FATAL:  {HELLO}")),
                "{output:?}"
            );
        }
        let [bare, boxed] = ask("forbidden.test");
        assert!(text(&bare.stderr).contains(HELLO), "{bare:?}");
        assert!(
            text(&boxed.stderr).contains("could not translate host name"),
            "{boxed:?}"
        );
    }
}

/// Distributions put a wrapper in its place that looks for a server of this machine.
fn psql_itself() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let found = versions
        .map(|version| version.path().join("bin/psql"))
        .find(|path| path.exists());
    found.unwrap_or_else(|| "psql".into())
}

#[test]
fn ssh() {
    for host in hosts() {
        let ask = |name: &str| {
            let to = format!("tester@{name}");
            let arguments = [
                "-v",
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=5",
                "-F",
                "none",
                &to,
                "true",
            ];
            both(&host, &allow(&["api.test:22"]), "ssh", &arguments)
        };
        for output in ask("api.test") {
            let said = text(&output.stderr);
            assert!(
                said.contains("remote software version fake_of_the_tests"),
                "{said}"
            );
        }
        let [bare, boxed] = ask("forbidden.test");
        assert!(text(&bare.stderr).contains("fake_of_the_tests"), "{bare:?}");
        assert!(
            text(&boxed.stderr).contains("Could not resolve hostname"),
            "{boxed:?}"
        );
    }
}
