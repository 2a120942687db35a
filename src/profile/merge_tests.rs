//! How layers lie over each other.

use std::path::PathBuf;
use std::sync::Arc;

use mcp_sandbox_platform::Bytes;
use mcp_sandbox_platform::net::{Dns, Inspect};
use proptest::prelude::*;

use super::*;
use crate::net::HostPattern;
use crate::profile::load::load;
use crate::profile::{HomeMode, Located, PathText, Source};

fn raw(text: &str) -> RawProfile {
    raw_in("/p", text)
}

fn raw_in(dir: &str, text: &str) -> RawProfile {
    let source = Arc::new(Source {
        name: format!("{dir}/p.toml"),
        file: Some(format!("{dir}/p.toml").into()),
    });
    load(format!("version = 1\n{text}").as_bytes(), &source).unwrap()
}

fn merged(texts: &[&str]) -> Profile {
    merge(
        "p",
        texts.iter().map(|text| raw(text)).collect(),
        None,
        &Flags::default(),
    )
    .unwrap()
}

fn in_context(texts: &[&str], context: &str) -> Result<Profile, String> {
    let chain = texts.iter().map(|text| raw(text)).collect();
    merge("p", chain, Some(context), &Flags::default()).map_err(|error| error.to_string())
}

fn passed(profile: &Profile) -> Vec<&str> {
    profile
        .env_pass
        .iter()
        .map(|name| name.value.to_str().unwrap())
        .collect()
}

fn sources(profile: &Profile) -> Vec<String> {
    let text = |path: &PathText| match path {
        PathText::Template(text) => text.clone(),
        PathText::Literal(path) => format!("flag {}", path.display()),
    };
    profile
        .mounts
        .iter()
        .map(|mount| text(&mount.value.path.value))
        .collect()
}

const NO_ENV: &str = "[process.env]\npass = []";

#[test]
fn the_default_lies_below_everything() {
    let profile = merged(&[]);
    assert_eq!(
        (profile.tmp.value, profile.home.value),
        (Bytes(256_000_000), HomeMode::Ephemeral)
    );
    assert!(profile.spawn.value && profile.mounts.is_empty() && passed(&profile).contains(&"LANG"));
    let default = merge(
        "default",
        vec![builtin::profile("default").unwrap()],
        None,
        &Flags::default(),
    )
    .unwrap();
    assert_eq!(passed(&default), passed(&profile));
}

#[test]
fn scalars_replace() {
    let profile = merged(&[
        "[filesystem]\ntmp = \"1MB\"\nhome = \"persistent\"",
        "[filesystem]\ntmp = \"2MB\"",
    ]);
    assert_eq!(
        (profile.tmp.value, profile.home.value),
        (Bytes(2_000_000), HomeMode::Persistent)
    );
    let profile = merged(&["[command]\nrun = [\"a\", \"b\"]", "[command]\nrun = [\"c\"]"]);
    assert_eq!(
        profile.run.unwrap().value.len(),
        1,
        "a command line is one value and does not add up"
    );
    assert_eq!(
        merged(&["[command]\nrun = [\"a\"]", "[command]\nrun = []"]).run,
        None
    );
}

#[test]
fn lists_add_up_without_repetition_and_an_empty_one_empties() {
    let base = "[process.env]\npass = [\"LANG\", \"A\"]";
    let profile = merged(&[NO_ENV, base, "[process.env]\npass = [\"B\", \"A\"]"]);
    assert_eq!(passed(&profile), ["LANG", "A", "B"]);
    assert_eq!(passed(&merged(&[base, NO_ENV])), Vec::<&str>::new());
    let profile = merged(&[
        "[process]\ncapabilities = [\"kill\"]",
        "[process]\ncapabilities = [\"CAP_KILL\"]",
    ]);
    assert_eq!(profile.capabilities.len(), 1);
}

#[test]
fn the_same_mount_twice_is_one_unless_it_means_another_folder() {
    let mount = "[filesystem]\nmounts = [{ path = \"/a\" }]";
    assert_eq!(merged(&[mount, mount]).mounts.len(), 1);
    let wider = "[filesystem]\nmounts = [{ path = \"/a\", access = \"write\" }]";
    assert_eq!(
        merged(&[mount, wider]).mounts.len(),
        2,
        "left for the check of targets"
    );
    let local = "[filesystem]\nmounts = [{ path = \"${profile_dir}/a\" }]";
    let chain = vec![raw_in("/p", local), raw_in("/q", local)];
    assert_eq!(
        merge("p", chain, None, &Flags::default()).unwrap().mounts.len(),
        2
    );
}

#[test]
fn set_merges_per_name_and_wins_over_pass() {
    let profile = merged(&[
        "[process.env]\npass = [\"A\"]\nset = { X = \"1\", Y = \"1\" }",
        "[process.env]\nset = { A = \"mine\", Y = \"2\" }",
    ]);
    let set: Vec<_> = profile
        .env_set
        .values()
        .map(|one| one.value.to_str().unwrap())
        .collect();
    assert_eq!(set, ["mine", "1", "2"]);
}

#[test]
fn description_and_match_are_not_inherited() {
    let profile = merged(&["description = \"base\"\n[command]\nmatch = [\"x\"]", ""]);
    assert_eq!(profile.description, None);
    assert_eq!(
        merged(&["", "description = \"own\""]).description.unwrap().value,
        "own"
    );
}

const CI: &str = "[filesystem]\nmounts = [{ path = \"/a\" }]\ntmp = \"1MB\"\n\
    [contexts.ci.filesystem]\nmounts = [{ path = \"/b\" }]\n[contexts.ci.process]\nspawn = false";

#[test]
fn a_context_replaces_the_lists_it_gives() {
    let profile = in_context(&[CI], "ci").unwrap();
    assert_eq!(sources(&profile), ["/b"]);
    assert_eq!(
        (profile.tmp.value, profile.spawn.value),
        (Bytes(1_000_000), false)
    );
    assert_eq!(sources(&merged(&[CI])), ["/a"]);
    assert!(passed(&profile).contains(&"LANG"));
}

#[test]
fn contexts_are_inherited_key_by_key_and_the_nearer_wins() {
    let nearer = "[contexts.ci.filesystem]\nmounts = []\n[contexts.live.process]\nspawn = false";
    let profile = in_context(&[CI, nearer], "ci").unwrap();
    assert_eq!(sources(&profile), Vec::<String>::new());
    assert!(!profile.spawn.value, "what the nearer one leaves out still holds");
    assert_eq!(profile.contexts, ["ci", "live"]);
}

#[test]
fn an_unknown_context_lists_the_known_ones() {
    let error = in_context(&[CI], "ic").unwrap_err();
    assert!(error.contains("profile \"p\" has no context \"ic\""), "{error}");
    assert!(error.contains("known contexts: \"ci\""), "{error}");
    assert!(
        in_context(&[""], "ci")
            .unwrap_err()
            .contains("it has no contexts")
    );
}

#[test]
fn flags_lie_over_everything() {
    let flags = Flags {
        read: vec![("r".into(), None)],
        write: vec![("w".into(), Some("/at".into()))],
        allow: vec!["A.com".into(), "b.com:22".into(), "a.com.".into()],
        env: vec![("A".into(), Some("1".into())), ("B".into(), None)],
        cwd: Some("sub".into()),
        ceiling: None,
    };
    let text = "[command]\ncwd = \"/x\"\n[process.env]\nset = { A = \"0\", B = \"0\" }\n\
        [contexts.ci.command]\ncwd = \"/y\"\n[contexts.ci.filesystem]\nmounts = [{ path = \"/b\" }]";
    let profile = merge("p", vec![raw(text)], Some("ci"), &flags).unwrap();
    assert_eq!(sources(&profile), ["/b", "flag r", "flag w"]);
    assert_eq!(
        profile.cwd.as_ref().unwrap().value,
        PathText::Literal(PathBuf::from("sub"))
    );
    assert_eq!(profile.env_set[&OsString::from("A")].value, "1");
    assert!(
        !profile.env_set.contains_key(&OsString::from("B")),
        "the client's value was asked for"
    );
    assert!(passed(&profile).contains(&"B"));
    assert_eq!(profile.mounts[1].origin.to_string(), "--read");
    assert_eq!(
        written(&profile.allow),
        ["A.com", "b.com:22"],
        "the same host is listed once"
    );
    assert_eq!(profile.allow[0].origin.to_string(), "--allow");
}

#[test]
fn flags_name_variables() {
    for bad in ["", "=x", "A B"] {
        let flags = Flags {
            env: vec![(bad.into(), None)],
            ..Flags::default()
        };
        let error = merge("p", Vec::new(), None, &flags).unwrap_err().to_string();
        assert!(
            error.starts_with("--env: error: ") && error.contains("--env NAME=VALUE"),
            "{error}"
        );
    }
}

fn written(list: &[Located<HostPattern>]) -> Vec<&str> {
    list.iter().map(|one| one.value.text.as_str()).collect()
}

#[test]
fn hosts_of_bases_add_up_and_empty_lists_and_contexts_replace() {
    let base =
        "[network]\nallow = [\"a.com\", \"b.com:22\"]\nblock = [\"c.com\"]\ndns = \"off\"\ninspect = \"sni\"";
    let child = "[network]\nallow = [\"B.com.:22\", \"b.com\"]\ndns = \"filtered\"\n\
        [contexts.one.network]\nallow = [\"d.com\"]\n[contexts.none.network]\nallow = []";
    let both = merged(&[base, child]);
    assert_eq!(written(&both.allow), ["a.com", "b.com:22", "b.com"]);
    assert_eq!(written(&both.block), ["c.com"]);
    assert_eq!(
        (both.dns.value, both.inspect.value),
        (Dns::Filtered, Inspect::Sni)
    );
    assert_eq!(written(&merged(&[base, "[network]\nallow = []"]).allow), [""; 0]);
    assert_eq!(written(&merged(&[base, "[network]\nblock = []"]).block), [""; 0]);
    assert_eq!(
        written(&in_context(&[base, child], "one").unwrap().allow),
        ["d.com"]
    );
    let none = in_context(&[base, child], "none").unwrap();
    assert_eq!(
        (written(&none.allow), written(&none.block)),
        (vec![], vec!["c.com"])
    );
    let nothing = merged(&[]);
    assert_eq!((nothing.allow, nothing.block), (vec![], vec![]));
    assert_eq!(
        (nothing.dns.value, nothing.inspect.value),
        (Dns::Filtered, Inspect::None)
    );
}

#[test]
fn flags_that_are_no_hosts_are_told_all_at_once() {
    let flags = Flags {
        allow: vec!["https://a.com/".into(), "fine.com".into(), "127.1".into()],
        ..Flags::default()
    };
    let error = merge("p", Vec::new(), None, &flags).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().filter(|line| !line.starts_with("  hint")).collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(
        lines[0].starts_with("--allow: error: \"https://a.com/\" is not a host: it is a URL"),
        "{error}"
    );
    assert!(lines[1].starts_with("--allow: error: \"127.1\""), "{error}");
}

/// Any layer a file can give.
fn layer() -> impl Strategy<Value = Layer> {
    let names = || {
        let set = prop::collection::btree_set("[A-D]", 0..4);
        prop::option::of(set.prop_map(|set| set.into_iter().collect::<Vec<_>>()))
    };
    let mounts = prop::option::of(prop::collection::vec(("[a-c]", any::<bool>()), 0..4));
    let scalars = (
        prop::option::of(1..5u64),
        prop::option::of(any::<bool>()),
        prop::option::of("[a-c]"),
    );
    let set = prop::collection::btree_map("[E-H]", "[0-9]", 0..3);
    (names(), names(), names(), mounts, scalars, set, any::<bool>()).prop_map(
        |(pass, capabilities, hosts, mounts, scalars, set, context)| {
            let mut text = String::new();
            let (tmp, spawn, cwd) = scalars;
            text.extend(cwd.map(|cwd| format!("[command]\ncwd = \"/{cwd}\"\n")));
            text += "[filesystem]\n";
            text.extend(tmp.map(|tmp| format!("tmp = \"{tmp}MB\"\n")));
            let access = |write: bool| if write { "write" } else { "read" };
            let mount = |(path, write)| format!("{{ path = \"/{path}\", access = \"{}\" }}, ", access(write));
            text.extend(
                mounts.map(|all| format!("mounts = [{}]\n", all.into_iter().map(mount).collect::<String>())),
            );
            text += "[network]\n";
            for list in ["allow", "block"] {
                text.extend(hosts.iter().map(|all| format!("{list} = {all:?}\n")));
            }
            text += "[process]\n";
            text.extend(spawn.map(|spawn| format!("spawn = {spawn}\n")));
            let known = |letter: &String| {
                ["kill", "chown", "bpf", "syslog"][usize::from(letter.as_bytes()[0] - b'A')]
            };
            text.extend(
                capabilities
                    .map(|all| format!("capabilities = {:?}\n", all.iter().map(known).collect::<Vec<_>>())),
            );
            text += "[process.env]\n";
            text.extend(pass.map(|all| format!("pass = {all:?}\n")));
            text.extend(
                set.iter()
                    .map(|(name, value)| format!("set.{name} = \"{value}\"\n")),
            );
            let layer = raw(&text).layer;
            if context { layer.replacing() } else { layer }
        },
    )
}

fn items<T: Clone>(list: &[Located<T>]) -> Vec<T> {
    list.iter().map(|one| one.value.clone()).collect()
}

proptest! {
    #[test]
    fn grouping_does_not_matter(a in layer(), b in layer(), c in layer()) {
        let left = c.clone().over(b.clone()).over(a.clone());
        let right = c.over(b.over(a));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn nothing_changes_over_nothing_and_over_itself(a in layer()) {
        prop_assert_eq!(a.clone().over(Layer::default()).env_set, a.clone().env_set);
        prop_assert_eq!(Layer::default().over(a.clone()), a.clone());
        let once = a.clone().over(Layer::default());
        prop_assert_eq!(once.clone().over(once.clone()), once);
    }

    #[test]
    fn an_empty_list_empties_and_a_list_keeps_what_is_below(a in layer(), b in layer()) {
        let over = b.clone().over(a.clone());
        if b.env_pass.replaces {
            prop_assert_eq!(items(&over.env_pass.items), items(&b.env_pass.items));
        } else {
            prop_assert!(items(&over.env_pass.items).starts_with(&items(&a.over(Layer::default()).env_pass.items)));
        }
        let mut seen = items(&over.env_pass.items);
        seen.sort();
        seen.dedup();
        prop_assert!(b.env_pass.replaces || seen.len() == over.env_pass.items.len());
    }

    #[test]
    fn flags_win(a in layer(), name in "[A-H]", value in prop::option::of("[0-9]")) {
        let flags = Flags { env: vec![(name.clone().into(), value.clone().map(Into::into))], cwd: Some("f".into()), ..Flags::default() };
        let file = RawProfile { layer: a, ..RawProfile::default() };
        let profile = merge("p", vec![file], None, &flags).unwrap();
        let set = profile.env_set.get(&OsString::from(&name)).map(|one| one.value.clone());
        prop_assert_eq!(set, value.clone().map(OsString::from));
        prop_assert!(value.is_some() || profile.env_pass.iter().any(|one| one.value == *name));
        prop_assert_eq!(profile.cwd.unwrap().value, PathText::Literal("f".into()));
    }
}
