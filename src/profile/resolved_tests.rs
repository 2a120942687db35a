//! What is shown means the same when it is read again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::profile::{Flags, Source, builtin, load, merge, open};

fn read(text: &str, file: Option<PathBuf>) -> Profile {
    let source = Arc::new(Source {
        name: "p.toml".into(),
        file,
    });
    let raw = load::load(text.as_bytes(), &source).unwrap_or_else(|found| panic!("{text}\n{found:#?}"));
    merge::merge("p", vec![raw], None, &Flags::default()).unwrap()
}

/// The settings without where they were written.
fn settings(profile: &Profile, host: &Host) -> BTreeMap<&'static str, String> {
    let lists = |profile: &Profile| {
        let mounts: Vec<_> = profile
            .mounts
            .iter()
            .map(|one| mount(&one.value, host).unwrap())
            .collect();
        let allow: Vec<_> = profile.allow.iter().map(|one| one.value.to_string()).collect();
        let block: Vec<_> = profile.block.iter().map(|one| one.value.to_string()).collect();
        let pass: Vec<_> = profile.env_pass.iter().map(|one| one.value.clone()).collect();
        let set: Vec<_> = profile
            .env_set
            .iter()
            .map(|(name, value)| (name.clone(), value.value.clone()))
            .collect();
        let kept: Vec<_> = profile.capabilities.iter().map(|one| one.value.clone()).collect();
        let sensitive: Vec<_> = profile
            .writable_sensitive
            .iter()
            .map(|one| one.value.clone())
            .collect();
        format!("{mounts:?} {allow:?} {block:?} {pass:?} {set:?} {kept:?} {sensitive:?}")
    };
    let limits = &profile.resources;
    BTreeMap::from([
        ("lists", lists(profile)),
        (
            "run",
            format!(
                "{:?} {:?}",
                expand::run(profile, host),
                expand::cwd(profile, host)
            ),
        ),
        (
            "words",
            format!(
                "{:?} {:?} {:?} {:?}",
                profile.path_args.value, profile.home.value, profile.dns.value, profile.inspect.value
            ),
        ),
        (
            "process",
            format!(
                "{:?} {:?} {:?}",
                profile.spawn.value, profile.user.value, profile.tmp.value
            ),
        ),
        (
            "limits",
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                limits.memory.as_ref().map(|one| one.value),
                limits.processes.as_ref().map(|one| one.value),
                limits.disk.as_ref().map(|one| one.value),
                limits.cpu.as_ref().map(|one| one.value),
                limits.open_files.as_ref().map(|one| one.value),
                limits.file_size.as_ref().map(|one| one.value),
                limits.timeout.as_ref().map(|one| one.value),
                limits.idle.as_ref().map(|one| one.value),
            ),
        ),
    ])
}

const EVERYTHING: &str = r#"
version = 1
description = "all \"of\" it"
[command]
run = ["node", "${profile_dir}/a b.js", "line\nbreak"]
cwd = "/w"
[filesystem]
mounts = [
  { path = "${cwd}", at = "/w", exclude = ["*.key", "!a.key"] },
  { path = "~/out", access = "write", create = true },
]
path_args = "read"
home = "persistent"
tmp = "7MB"
writable_sensitive = [".vscode"]
[network]
allow = ["A.com", "[fd00::1]:5"]
block = ["b.com"]
inspect = "sni"
[resources]
memory = "512MB"
processes = 64
disk = "1GB"
cpu = "50%"
open_files = 100
file_size = "5MB"
timeout = "90m"
idle = "1500ms"
[process]
spawn = false
user = 65534
capabilities = ["kill"]
[process.env]
pass = ["X_TOKEN"]
set = { A = "1", B = "two\twords\u007f" }
"#;

#[test]
fn every_setting_comes_back_as_it_was() {
    let host = Host::bare();
    let profile = read(EVERYTHING, Some("/etc/p.toml".into()));
    let shown = text(&profile, &host).unwrap();
    let again = read(&shown, None);
    assert_eq!(settings(&again, &host), settings(&profile, &host), "{shown}");
    assert!(
        shown.contains("\"/etc/a b.js\"") && shown.contains("\"/home/alice/out\""),
        "{shown}"
    );
    assert!(
        shown.contains("tmp = \"7MB\"                              # p.toml:14\n"),
        "{shown}"
    );
    assert!(
        shown.contains("# built-in profile default:"),
        "what lies under it is told too:\n{shown}"
    );
}

#[test]
fn built_in_profiles_come_back_as_they_are() {
    let host = Host::bare();
    for name in builtin::names() {
        let profile = open(Some(name), None, &Flags::default(), &host).unwrap();
        let shown = text(&profile, &host).unwrap();
        assert_eq!(
            settings(&read(&shown, None), &host),
            settings(&profile, &host),
            "{name}:\n{shown}"
        );
    }
}

#[test]
fn a_variable_without_a_value_is_told() {
    let profile = read(
        "version = 1\n[filesystem]\nmounts = [{ path = \"${profile_dir}/x\" }]",
        None,
    );
    let error = text(&profile, &Host::bare()).unwrap_err().to_string();
    assert!(error.contains("\"${profile_dir}\" has no value here"), "{error}");
}
