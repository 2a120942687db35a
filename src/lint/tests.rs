//! Each rule with profiles that break it and near misses that do not.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::profile::{Flags, Source, load, merge};

/// A user's home with what lints look at, and nothing of this machine.
fn home() -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    let root: PathBuf = fs::canonicalize(folder.path()).unwrap();
    for dir in ["home/p/bin", "home/.ssh", "config/profiles", "state/homes"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    std::os::unix::fs::symlink(root.join("home/.ssh"), root.join("home/p/link")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("home/p/listens")).unwrap());
    let host = Host {
        home: root.join("home"),
        cwd: root.join("home/p"),
        config_dir: root.join("config"),
        state_dir: root.join("state"),
        cache_dir: root.join("cache"),
        uid: 1000,
        ssh_auth_sock: Some(root.join("home/p/agent")),
        cores: 2,
    };
    (folder, host)
}

fn merged(text: &str, host: &Host) -> Profile {
    let source = Arc::new(Source {
        name: "p.toml".into(),
        file: Some(host.cwd.join("p.toml")),
    });
    let text = format!("version = 1\n{text}");
    let raw = load::load(text.as_bytes(), &source).unwrap_or_else(|found| panic!("{text}: {found:?}"));
    merge::merge("p.toml", vec![raw], None, &Flags::default()).unwrap()
}

fn mount(entry: &str) -> String {
    format!("[filesystem]\nmounts = [{{ {entry} }}]")
}

fn allow(hosts: &str) -> String {
    format!("[network]\nallow = [{hosts}]")
}

/// A rule, the severity, what breaks it, and what comes near.
type Case = (&'static Rule, Severity, Vec<String>, Vec<String>);

fn cases() -> Vec<Case> {
    use super::rules::*;
    use Severity::*;
    let mounts = |entries: &[&str]| entries.iter().map(|entry| mount(entry)).collect::<Vec<_>>();
    let hosts = |entries: &[&str]| entries.iter().map(|entry| allow(entry)).collect::<Vec<_>>();
    let texts = |entries: &[&str]| {
        entries
            .iter()
            .map(|entry| (*entry).to_owned())
            .collect::<Vec<_>>()
    };
    let write = |path: &str| mount(&format!("path = \"{path}\", access = \"write\""));
    let pass = |name: &str| format!("[process.env]\npass = [\"{name}\"]");
    let set = |entry: &str| format!("[process.env]\nset = {{ {entry} }}");
    let run = |words: &str| format!("[command]\nrun = [{words}]");
    vec![
        (
            &BROAD_MOUNT,
            Critical,
            mounts(&[
                "path = \"/\"",
                "path = \"~\"",
                "path = \"~/..\"",
                "path = \"/home\"",
                "path = \"/home/other\"",
                "path = \"~/p/..\"",
            ]),
            mounts(&["path = \"~/p\"", "path = \"/home/other/p\"", "path = \"${cwd}\""]),
        ),
        (
            &BROAD_MOUNT,
            High,
            vec![write("~/Documents"), write("/opt"), write("/usr/local")],
            vec![write("~/Documents/p"), write("/opt/p")],
        ),
        (
            &BROAD_MOUNT,
            Medium,
            mounts(&["path = \"~/Downloads\"", "path = \"/srv/\", at = \"/s\""]),
            mounts(&["path = \"/srv/www\"", "path = \"/usr/share/dict\""]),
        ),
        (
            &CREDENTIALS,
            High,
            mounts(&[
                "path = \"~/.ssh\"",
                "path = \"~/.aws/credentials\"",
                "path = \"~/p/link\"",
                "path = \"~/.config\"",
                "path = \"/etc\", at = \"/e\"",
                "path = \"~/.config/google-chrome-beta/Default\"",
                "path = \"~/../state/homes\"",
            ]),
            mounts(&[
                "path = \"~/.sshx\"",
                "path = \"~/.config/p\"",
                "path = \"/etc/hosts\", at = \"/e\"",
                "path = \"~/.config/google\"",
            ]),
        ),
        (
            &CONTROL_SOCKET,
            Critical,
            mounts(&[
                "path = \"/var/run/docker.sock\"",
                "path = \"/run/docker.sock\", at = \"/d\"",
                "path = \"/run\", at = \"/r\"",
                "path = \"/run/user/1000\", at = \"/r\"",
                "path = \"/run/user/1000/bus\", at = \"/r\"",
                "path = \"/run/user/1000/wayland-0\", at = \"/r\"",
                "path = \"/run/user/1000/gnupg/S.gpg-agent\", at = \"/r\"",
                "path = \"/tmp/.X11-unix/X0\"",
                "path = \"/tmp/ssh-abc/agent.1\"",
                "path = \"${cwd}/agent\"",
            ]),
            mounts(&[
                "path = \"/run/lock\"",
                "path = \"/run/user/1001/bus\"",
                "path = \"/tmp/work\"",
                "path = \"/tmp/sshx\"",
            ]),
        ),
        (
            &UNIX_SOCKET,
            High,
            mounts(&["path = \"/srv/p/app.sock\"", "path = \"${cwd}/listens\""]),
            mounts(&["path = \"/srv/p/app.sockets\"", "path = \"${cwd}/bin\""]),
        ),
        (
            &WRITABLE_CODE,
            High,
            vec![
                write("~/.local/bin"),
                write("~/p/node_modules"),
                write("~/p/.venv/lib"),
                write("~/.cargo"),
                format!("{}\n{}", write("~/srv"), run("\"~/srv/start\"")),
                format!(
                    "{}\n{}",
                    write("~/srv"),
                    run("\"node\", \"${home}/srv/index.js\"")
                ),
                format!(
                    "{}\n{}",
                    mount("path = \"~/srv\", at = \"/w\", access = \"write\""),
                    run("\"/w/start\"")
                ),
            ],
            vec![
                mount("path = \"~/.local/bin\""),
                write("~/p/bins"),
                format!(
                    "{}\n{}",
                    write("~/srv"),
                    run("\"node\", \"~/other/index.js\", \"${home}/srv\"")
                ),
                format!("{}\n{}", write("~/srv"), run("\"~/srv2/start\"")),
            ],
        ),
        (
            &WRITE_EXECUTE,
            Low,
            vec![write("~/out")],
            vec![
                mount("path = \"~/out\""),
                format!("{}\n[process]\nspawn = false", write("~/out")),
                mount("path = \"~/out\", access = \"write\", exclude = [\".env\"]"),
            ],
        ),
        (
            &WRITABLE_SENSITIVE,
            High,
            texts(&["[filesystem]\nwritable_sensitive = [\".git/hooks\"]"]),
            texts(&["[filesystem]\nwritable_sensitive = []"]),
        ),
        (
            &OWN_PROFILE,
            Critical,
            vec![write("${profile_dir}"), write("~/../config/profiles")],
            vec![mount("path = \"${profile_dir}\""), write("${profile_dir}/out")],
        ),
        (
            &RE_INCLUDED,
            Medium,
            mounts(&[
                "path = \"~/q\", exclude = [\"*.key\", \"!prod.key\"]",
                "path = \"~/q\", exclude = [\".*\", \"!.env\"]",
            ]),
            mounts(&[
                "path = \"~/q\", exclude = [\"*.key\"]",
                "path = \"~/q\", exclude = [\".env*\", \"!.env.example\"]",
            ]),
        ),
        (
            &RE_INCLUDED,
            Low,
            mounts(&["path = \"~/q\", exclude = [\"/out/\", \"!/out/a.txt\"]"]),
            mounts(&["path = \"~/q\", exclude = [\"/out/\", \"a!b\"]"]),
        ),
        (
            &NO_EXCLUDE,
            Low,
            vec![format!("{}\n{}", mount("path = \"~/q\""), allow("\"a.com:443\""))],
            vec![
                mount("path = \"~/q\""),
                format!("{}\n{}", mount("path = \"~/q\""), allow("\"localhost:1\"")),
                format!(
                    "{}\n{}",
                    mount("path = \"~/q\", exclude = [\".env\"]"),
                    allow("\"a.com:443\"")
                ),
                format!("{}\n{}", mount("path = \"~/.ssh\""), allow("\"a.com:443\"")),
                format!("{}\n{}", mount("path = \"~/q/a.csv\""), allow("\"a.com:443\"")),
            ],
        ),
        (
            &PATH_ARGS_WRITE,
            Low,
            texts(&["[filesystem]\npath_args = \"write\""]),
            texts(&["[filesystem]\npath_args = \"read\""]),
        ),
        (
            &HOME_KEPT,
            Low,
            texts(&["[filesystem]\nhome = \"persistent\""]),
            texts(&["[filesystem]\nhome = \"ephemeral\""]),
        ),
        (
            &WILDCARD_HOST,
            Low,
            hosts(&["\"*.example.com\""]),
            hosts(&["\"example.com\"", "\"*.github.io\""]),
        ),
        (
            &OPEN_WILDCARD,
            High,
            hosts(&["\"*.com\"", "\"*.github.io:443\""]),
            hosts(&["\"*.github.com\"", "\"a.github.io\"", "\"*.internal\""]),
        ),
        (
            &NO_INSPECT,
            Medium,
            hosts(&["\"*.example.com\""]),
            texts(&[
                "[network]\ninspect = \"sni\"\nallow = [\"*.example.com\"]",
                "[network]\nallow = [\"a.example.com\"]",
            ]),
        ),
        (
            &WIDE_NET,
            High,
            hosts(&["\"0.0.0.0/0:22\"", "\"[::/0]:443\"", "\"8.0.0.0/8\""]),
            hosts(&[
                "\"8.8.8.8\"",
                "\"8.8.0.0/16\"",
                "\"10.0.0.0/8\"",
                "\"2606:4700::/32\"",
            ]),
        ),
        (
            &LAN,
            Medium,
            hosts(&[
                "\"10.0.0.0/8:5432\"",
                "\"192.168.0.0/24\"",
                "\"[fd00::/8]:1\"",
                "\"100.64.0.0/10\"",
            ]),
            hosts(&["\"10.1.2.3:5432\"", "\"11.0.0.0/24\""]),
        ),
        (
            &LAN,
            Low,
            hosts(&["\"10.1.2.3:5432\""]),
            hosts(&["\"11.1.2.3\"", "\"127.0.0.1:5\""]),
        ),
        (
            &CLOUD_METADATA,
            Critical,
            hosts(&["\"169.254.169.254\"", "\"100.100.100.200:80\""]),
            hosts(&["\"169.254.169.1\"", "\"169.254.0.0/16\""]),
        ),
        (
            &HOST_LOOPBACK,
            Critical,
            hosts(&["\"localhost:2375\"", "\"127.0.0.1:2300-2400\""]),
            hosts(&["\"localhost:2374\"", "\"a.com:2375\""]),
        ),
        (
            &HOST_LOOPBACK,
            High,
            hosts(&["\"localhost:9229\"", "\"localhost:5000-5001\""]),
            hosts(&["\"localhost:5000\"", "\"a.com:9229\""]),
        ),
        (
            &HOST_LOOPBACK,
            Medium,
            hosts(&["\"localhost:5432\"", "\"[::1]:5432\""]),
            hosts(&["\"a.com:5432\""]),
        ),
        (
            &MANY_PORTS,
            Medium,
            hosts(&["\"a.com:1-65535\"", "\"10.1.2.3:8000-8100\""]),
            hosts(&["\"a.com:8000-8099\"", "\"localhost:1-65535\""]),
        ),
        (
            &PLAIN_HTTP,
            Low,
            hosts(&["\"a.com\"", "\"a.com:80\"", "\"fd00::1\""]),
            hosts(&["\"a.com:443\"", "\"a.com:1-65535\"", "\"localhost:80\""]),
        ),
        (
            &TELEMETRY,
            Medium,
            hosts(&["\"us.i.posthog.com:443\"", "\"*.segment.io\""]),
            hosts(&["\"posthog.com.example.com\"", "\"notposthog.com\""]),
        ),
        (
            &SECRET_VALUE,
            High,
            vec![
                set("API_KEY = \"s3cret\""),
                set("NOTE = \"ghp_0123456789012345678901234567890123456789\""),
                run("\"x\", \"postgres://a:b@c/d\""),
                run("\"x\", \"--api-key=s3cret\""),
            ],
            vec![
                set("API_KEY = \"\", TOKEN_FILE = \"t\", B_TOKEN = \"/run/t\""),
                run("\"x\", \"postgres://a@c/d\", \"--keys=1\""),
            ],
        ),
        (
            &SECRET_PASSED,
            Low,
            vec![pass("GITHUB_TOKEN")],
            vec![pass("GITHUB_HOST"), set("TOKEN_LIMIT = \"5\"")],
        ),
        (
            &CONTROL_VARIABLE,
            Medium,
            vec![pass("SSH_AUTH_SOCK"), pass("DISPLAY")],
            vec![pass("SSH_AUTH"), set("DISPLAY = \":9\"")],
        ),
        (
            &CODE_VARIABLE,
            Medium,
            vec![pass("NODE_OPTIONS"), pass("LD_PRELOAD")],
            vec![
                pass("NODE_ENV"),
                set("NODE_OPTIONS = \"--max-old-space-size=99\""),
            ],
        ),
        (
            &TLS_OFF,
            High,
            vec![set("NODE_TLS_REJECT_UNAUTHORIZED = \"0\"")],
            vec![set("NODE_TLS_REJECT_UNAUTHORIZED = \"1\"")],
        ),
        (
            &TLS_OFF,
            Medium,
            vec![pass("NODE_TLS_REJECT_UNAUTHORIZED")],
            vec![pass("NODE_EXTRA_CA_CERTS")],
        ),
        (
            &CAPABILITY,
            High,
            texts(&["[process]\ncapabilities = [\"sys_admin\"]"]),
            texts(&["[process]\ncapabilities = []"]),
        ),
        (
            &CAPABILITY,
            Low,
            texts(&["[process]\ncapabilities = [\"net_bind_service\"]"]),
            texts(&["[process]\ncapabilities = [\"sys_admin\"]"]),
        ),
        (
            &RUNS_AS_ROOT,
            High,
            texts(&["[process]\nuser = \"root\"", "[process]\nuser = 0"]),
            texts(&[
                "[process]\nuser = \"inherit\"",
                "[process]\nuser = \"nobody\"",
                "[process]\nuser = 1000",
            ]),
        ),
        (
            &UNPINNED_PACKAGE,
            Low,
            vec![
                run("\"npx\", \"-y\", \"@scope/server\""),
                run("\"npx\", \"-y\", \"server@latest\""),
                run("\"uvx\", \"--from\", \"server\", \"start\""),
                run("\"pnpm\", \"dlx\", \"--package=server\", \"start\""),
            ],
            vec![
                run("\"npx\", \"-y\", \"@scope/server@1.2.3\""),
                run("\"uvx\", \"server==1.2\""),
                run("\"uvx\", \"--from\", \"server==1.2\", \"server\""),
                run("\"node\", \"server\""),
            ],
        ),
        (
            &NO_LIMIT,
            Medium,
            texts(&[
                "[resources]\nmemory = \"64GiB\"",
                "[resources]\nprocesses = 30000",
                "[resources]\ndisk = \"100GB\"",
            ]),
            texts(&[
                "[resources]\nmemory = \"8GiB\"\nprocesses = 2048\ndisk = \"20GiB\"",
                "",
            ]),
        ),
    ]
}

#[test]
fn each_rule_finds_what_it_is_for_and_no_near_miss() {
    let (_folder, host) = home();
    for (rule, severity, breaking, near) in cases() {
        let finds = |text: &String| {
            let found = findings(&merged(text, &host), &host);
            found
                .iter()
                .any(|one| one.rule == rule && one.severity == severity)
        };
        for text in &breaking {
            assert!(
                finds(text),
                "{} ({severity}) does not find\n{text}\n{:#?}",
                rule.id,
                findings(&merged(text, &host), &host)
            );
        }
        for text in &near {
            assert!(!finds(text), "{} ({severity}) finds\n{text}", rule.id);
        }
    }
}

#[test]
fn every_rule_is_tried() {
    let tried: BTreeSet<&str> = cases().iter().map(|(rule, ..)| rule.id).collect();
    let known: BTreeSet<&str> = ALL.iter().map(|rule| rule.id).collect();
    assert_eq!(tried, known);
    assert_eq!(known.len(), ALL.len(), "two rules have one name");
    for rule in ALL {
        assert!(
            !rule.title.ends_with('.') && rule.why.ends_with('.'),
            "{}",
            rule.id
        );
        assert!(
            rule.id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{}",
            rule.id
        );
    }
}

#[test]
fn a_missing_limit_is_found() {
    let (_folder, host) = home();
    let mut profile = merged("", &host);
    profile.resources = Default::default();
    let found = findings(&profile, &host);
    assert_eq!(
        found.iter().filter(|one| one.rule.id == "no-limit").count(),
        3,
        "{found:?}"
    );
}

#[test]
fn findings_stand_at_their_value_with_a_cure_and_without_the_secret() {
    let (_folder, host) = home();
    let text = "[network]\nallow = [\n  \"a.com:443\",\n  \"*.com:443\",\n]\n[process.env]\nset = { X_TOKEN = \"s3cret\" }";
    let found = findings(&merged(text, &host), &host);
    let places: Vec<_> = found
        .iter()
        .map(|one| (one.rule.id, one.origin.place().unwrap()))
        .collect();
    assert_eq!(places, [("open-wildcard", (5, 3)), ("secret-value", (8, 19))]);
    for one in &found {
        assert!(!one.cure.is_empty() && !one.message.contains("s3cret") && !one.cure.contains("s3cret"));
        assert!(!one.message.ends_with('.') && !one.cure.ends_with('.'), "{one:?}");
    }
}

#[test]
fn grades_follow_the_worst_and_how_often() {
    let (_folder, host) = home();
    let one = |severity| Finding {
        severity,
        ..findings(&merged("[process]\nuser = 0", &host), &host).remove(0)
    };
    use Severity::*;
    for (given, expected) in [
        (&[][..], Grade::A),
        (&[Low; 30], Grade::A),
        (&[Medium], Grade::B),
        (&[Medium, Low, Medium], Grade::B),
        (&[Medium; 3], Grade::C),
        (&[High, Low, Medium], Grade::C),
        (&[High, High], Grade::D),
        (&[High, Critical], Grade::F),
        (&[Critical], Grade::F),
    ] {
        let found: Vec<Finding> = given.iter().map(|severity| one(*severity)).collect();
        assert_eq!(grade(&found), expected, "{given:?}");
    }
    assert!(Grade::A < Grade::F && Low < Critical);
    assert_eq!(summary(&[one(Low), one(High), one(Low)]), "1 high, 2 low");
    assert_eq!(summary(&[]), "nothing found");
}

#[test]
fn flags_are_judged_as_the_profile_is() {
    let (_folder, host) = home();
    let flags = Flags {
        write: vec![(host.home.clone(), None)],
        ..Flags::default()
    };
    let profile = merge::merge("p", vec![], None, &flags).unwrap();
    let found = findings(&profile, &host);
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.rule.id, one.origin.to_string()))
        .collect();
    assert!(told.contains(&("broad-mount", "--write".into())), "{told:?}");
}
