//! What holds for every policy that is resolved, whatever paths a profile and flags hold.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::error::Kind;

/// A user with a few folders and one credential store.
struct Disk {
    facts: Facts,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for dir in ["home/.ssh", "home/a/in", "home/b", "work/a/in", "conf", "state"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        std::os::unix::fs::symlink("a", root.join("home/link")).unwrap();
        let user = mcp_sandbox_platform::User {
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            name: "ann".into(),
        };
        let profile = profile::Host {
            home: root.join("home"),
            cwd: root.join("work"),
            config_dir: root.join("conf"),
            state_dir: root.join("state"),
            cache_dir: root.join("cache"),
            uid: user.uid,
            ssh_auth_sock: None,
            cores: 2,
        };
        let runtime = runtime::Host {
            path: Some("/usr/bin:/bin".into()),
            home: profile.home.clone(),
            cwd: profile.cwd.clone(),
            ..Default::default()
        };
        let facts = Facts {
            profile,
            runtime,
            user,
        };
        Disk {
            facts,
            _folder: folder,
        }
    }

    fn resolve(&self, text: &str, flags: Flags) -> Result<Resolved, Error> {
        let file = self.facts.profile.config_dir.join("p.toml");
        fs::write(&file, format!("version = 1\n{text}")).unwrap();
        let request = Request {
            profile: Some(file.to_str().unwrap().into()),
            command: vec!["/bin/sh".into()],
            flags,
            ..Request::default()
        };
        resolve(&request, &self.facts)
    }
}

const PATHS: [&str; 12] = [
    "~/a",
    "~/a/in",
    "~/b/",
    "~/link/in",
    "~//b/../a",
    "${cwd}",
    "${cwd}/a/./in",
    "${cwd}/..",
    "~",
    "~/.ssh",
    "~/none",
    "/usr/share",
];
const PLACES: [&str; 16] = [
    "/w",
    "/w/",
    "/w//x",
    "/w/./x/y",
    "/w/x",
    "/w/../x",
    "x",
    "~/in",
    "~",
    "${home}/..",
    "/usr/bin",
    "/usr/lib/x",
    "/bin/x",
    "/tmp",
    "/tmp/x",
    "/var/tmp/x",
];

fn mounts() -> impl Strategy<Value = String> {
    let path = prop::sample::select(PATHS.as_slice());
    let at = prop::option::weighted(0.8, prop::sample::select(PLACES.as_slice()));
    let access = prop::sample::select(vec!["read", "write"]);
    let mount = (path, at, access).prop_map(|(path, at, access)| {
        let at = at.map(|at| format!("at = {at:?}, ")).unwrap_or_default();
        format!("{{ path = {path:?}, {at}access = {access:?} }}")
    });
    prop::collection::vec(mount, 0..4)
        .prop_map(|mounts| format!("[filesystem]\nmounts = [{}]", mounts.join(", ")))
}

fn flags() -> impl Strategy<Value = Flags> {
    let path = prop::sample::select(vec!["a", "./a/../a/in", "../home/b", "/usr/share", ".."]);
    let at = prop::option::of(prop::sample::select(vec!["/w", "/w/x/./z", "/f//g", "rel"]));
    let mount = (path, at).prop_map(|(path, at)| (path.into(), at.map(PathBuf::from)));
    prop::collection::vec(mount, 0..2).prop_map(|read| Flags {
        read,
        ..Flags::default()
    })
}

/// Absolute, and without anything that could mean another place.
fn is_plain(path: &Path) -> bool {
    let same = path.components().collect::<PathBuf>().as_os_str() == path.as_os_str();
    let named = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    path.is_absolute() && same && named
}

fn check(resolved: &Resolved) {
    let Policy {
        mounts,
        links,
        home,
        command,
        process,
        ..
    } = &resolved.policy;
    for (index, mount) in mounts.iter().enumerate() {
        assert!(is_plain(&mount.at) && is_plain(&mount.source), "{mount:?}");
        let covers = |later: &&Mount| mount.at.starts_with(&later.at);
        assert_eq!(
            mounts[index + 1..].iter().find(covers),
            None,
            "twice, or inner before outer"
        );
        assert!(!home.at.starts_with(&mount.at), "{mount:?} covers the home");
        assert!(
            !links
                .iter()
                .any(|link| mount.at.starts_with(&link.at) || link.at.starts_with(&mount.at)),
            "{mount:?} and a link meet"
        );
    }
    assert!(resolved.asked.iter().all(|mount| mounts.contains(mount)));
    assert!(is_plain(&home.at) && is_plain(&command.cwd) && is_plain(&command.program));
    let names: BTreeSet<_> = process.env.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), process.env.len());
}

fn check_error(error: &Error) {
    assert_eq!(error.kind, Kind::Setup);
    assert!(!error.diagnostics.is_empty(), "{error}");
    for one in &error.diagnostics {
        assert!(
            one.hint.is_some() && !one.message.is_empty() && !one.file.is_empty(),
            "{one:?}"
        );
    }
}

#[test]
fn whatever_is_mounted_every_path_has_one_meaning_and_one_place() {
    let disk = Disk::new();
    let accepted = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(200));
    let result = runner.run(&(mounts(), flags()), |(text, flags)| {
        match disk.resolve(&text, flags) {
            Ok(resolved) => {
                accepted.set(accepted.get() + 1);
                check(&resolved);
            }
            Err(error) => check_error(&error),
        }
        Ok(())
    });
    result.unwrap();
    assert!(
        accepted.get() >= 20,
        "only {} of 200 were accepted",
        accepted.get()
    );
}

#[test]
fn each_path_and_place_alone_is_accepted_or_refused() {
    let disk = Disk::new();
    let accepted = |mount: &str| {
        disk.resolve(&format!("[filesystem]\nmounts = [{mount}]"), Flags::default())
            .is_ok()
    };
    let good: Vec<&str> = PATHS
        .into_iter()
        .filter(|path| accepted(&format!("{{ path = {path:?}, at = \"/w\" }}")))
        .collect();
    assert_eq!(
        good,
        [
            "~/a",
            "~/a/in",
            "~/b/",
            "~/link/in",
            "~//b/../a",
            "${cwd}",
            "${cwd}/a/./in",
            "~/.ssh",
            "/usr/share"
        ]
    );
    let good: Vec<&str> = PLACES
        .into_iter()
        // A link on some hosts, a folder on others.
        .filter(|at| *at != "/bin/x")
        .filter(|at| accepted(&format!("{{ path = \"~/a\", at = {at:?} }}")))
        .collect();
    assert_eq!(
        good,
        [
            "/w",
            "/w/",
            "/w//x",
            "/w/./x/y",
            "/w/x",
            "~/in",
            "/usr/bin",
            "/usr/lib/x",
            "/tmp/x",
            "/var/tmp/x"
        ]
    );
}

#[test]
fn a_home_that_a_line_of_passwd_cannot_hold_lies_elsewhere_in_the_box() {
    let mut disk = Disk::new();
    let usual = disk.resolve("", Flags::default()).unwrap().policy.home.at;
    assert_eq!(usual, disk.facts.profile.home);
    for name in ["a:b", "a\nroot:x:0:0::"] {
        disk.facts.profile.home.set_file_name(name);
        fs::create_dir(&disk.facts.profile.home).unwrap();
        let home = disk.resolve("", Flags::default()).unwrap().policy.home.at;
        assert_eq!(home, Path::new("/home/ann"));
    }
}
