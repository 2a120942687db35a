//! Every field, every refusal, and every place that a refusal names.

use std::sync::Arc;

use mcp_sandbox_platform::Bytes;
use proptest::prelude::*;

use super::*;
use crate::profile::Origin;

fn source() -> Arc<Source> {
    Arc::new(Source {
        name: "p.toml".into(),
        file: Some("/profiles/p.toml".into()),
    })
}

fn read(text: &str) -> Result<RawProfile, String> {
    load(text.as_bytes(), &source()).map_err(|found| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

/// Reads a profile whose lines after the first are `rest`.
fn with(rest: &str) -> Result<RawProfile, String> {
    read(&format!("version = 1\n{rest}\n"))
}

fn values<T: Clone>(items: &[Located<T>]) -> Vec<T> {
    items.iter().map(|item| item.value.clone()).collect()
}

fn template(text: &str) -> PathText {
    PathText::Template(text.into())
}

const WHOLE: &str = r#"
version = 1
description = "Everything this version knows"
extends = ["node", "./base.toml"]
[command]
match = ["@scope/server"]
run = ["npx", "-y", "@scope/server", "~/x"]
cwd = "/workspace"
[filesystem]
mounts = [
  { path = "${cwd}", at = "/workspace" },
  { path = "~/out", access = "write", create = true },
]
path_args = "read"
home = "persistent"
tmp = "1MiB"
[process]
spawn = false
user = 1000
capabilities = ["net_bind_service", "CAP_KILL"]
[process.env]
pass = ["GITHUB_TOKEN"]
set = { NODE_ENV = "production", KEY = "two\nlines" }
[network]
allow = ["api.github.com", "*.Example.com:8000-8100", "localhost:5432", "10.1.2.0/24:5432", "[fd00::/64]:5432"]
block = ["169.254.0.0/16", "localhost"]
dns = "filtered"
inspect = "sni"
[contexts.ci.command]
cwd = "/ci"
[contexts.ci.network]
allow = ["ci.example"]
block = []
[contexts.ci.filesystem]
mounts = []
tmp = "2MB"
[contexts.ci.process.env]
pass = ["CI"]
"#;

#[test]
fn every_field_arrives() {
    let profile = read(WHOLE).unwrap();
    let layer = &profile.layer;
    assert_eq!(
        profile.description.unwrap().value,
        "Everything this version knows"
    );
    assert_eq!(values(&profile.extends), ["node", "./base.toml"]);
    assert_eq!(values(&profile.matches), ["@scope/server"]);
    assert_eq!(
        values(&layer.run.as_ref().unwrap().value),
        ["npx", "-y", "@scope/server", "~/x"]
    );
    assert_eq!(layer.cwd.as_ref().unwrap().value, template("/workspace"));
    let [first, second] = layer.mounts.items.as_slice() else {
        panic!("two mounts")
    };
    assert_eq!(first.value.at.as_ref().unwrap().value, template("/workspace"));
    assert_eq!((first.value.access, first.value.create), (Access::Read, false));
    assert_eq!((second.value.access, second.value.create), (Access::Write, true));
    assert_eq!(
        (second.value.path.value.clone(), &second.value.at),
        (template("~/out"), &None)
    );
    assert_eq!(layer.path_args.as_ref().unwrap().value, PathArgs::Read);
    assert_eq!(layer.home.as_ref().unwrap().value, HomeMode::Persistent);
    assert_eq!(layer.tmp.as_ref().unwrap().value, Bytes(1 << 20));
    assert_eq!(
        hosts(&layer.allow.items),
        [
            "api.github.com",
            "*.example.com:8000-8100",
            "localhost:5432",
            "10.1.2.0/24:5432",
            "[fd00::/64]:5432"
        ]
    );
    assert_eq!(hosts(&layer.block.items), ["169.254.0.0/16", "localhost"]);
    assert_eq!(layer.dns.as_ref().unwrap().value, Dns::Filtered);
    assert_eq!(layer.inspect.as_ref().unwrap().value, Inspect::Sni);
    assert!(!layer.spawn.as_ref().unwrap().value);
    assert_eq!(layer.user.as_ref().unwrap().value, User::Uid(1000));
    assert_eq!(
        values(&layer.capabilities.items),
        ["CAP_NET_BIND_SERVICE", "CAP_KILL"]
    );
    assert_eq!(values(&layer.env_pass.items), ["GITHUB_TOKEN"]);
    assert_eq!(layer.env_set[&OsString::from("KEY")].value, "two\nlines");
}

fn hosts(list: &[Located<HostPattern>]) -> Vec<String> {
    list.iter().map(|one| one.value.to_string()).collect()
}

#[test]
fn every_host_that_is_none_is_told_at_its_place() {
    let error = with(
        "[network]\nallow = [\"a.com\", \"a..com\",\n  \"localhost\", 5]\nblock = [\"localhost\", \"10.0.0.1/8\"]\n\
         dns = \"of\"\ninspect = true",
    )
    .unwrap_err();
    let lines: Vec<&str> = error.lines().filter(|line| line.starts_with("p.toml")).collect();
    let starts = [
        "p.toml:3:19: error: \"a..com\" is not a host: it has an empty part between dots",
        "p.toml:4:3: error: \"localhost\" needs a port",
        "p.toml:4:16: error: \"allow\" must be a string, found an integer",
        "p.toml:5:23: error: \"10.0.0.1/8\" is not a host: its address has bits beyond the length of the net",
        "p.toml:6:7: error: unknown value \"of\" for \"dns\"",
        "p.toml:7:11: error: \"inspect\" must be a string, found a boolean",
    ];
    assert_eq!(lines.len(), starts.len(), "{error}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(
        with("allow = []")
            .unwrap_err()
            .contains("it belongs in [network]")
    );
}

#[test]
fn lists_of_contexts_replace_and_empty_lists_do_too() {
    let profile = read(WHOLE).unwrap();
    let ci = &profile.contexts["ci"];
    assert!(ci.mounts.replaces && ci.mounts.items.is_empty());
    assert!(ci.env_pass.replaces && !ci.capabilities.replaces);
    assert!(ci.allow.replaces && ci.block.replaces && ci.block.items.is_empty());
    assert_eq!(hosts(&ci.allow.items), ["ci.example"]);
    assert_eq!(
        (ci.tmp.as_ref().unwrap().value, &ci.home),
        (Bytes(2_000_000), &None)
    );
    assert!(!profile.layer.env_pass.replaces);
}

#[test]
fn values_remember_their_place() {
    let profile = with("[filesystem]\nmounts = [\n  { path = \"/ü\" }, { path = \"/y\" },\n]").unwrap();
    let second = &profile.layer.mounts.items[1];
    assert_eq!(second.origin, Origin::new(&source(), (4, 20)));
    assert_eq!(second.value.path.origin.to_string(), "p.toml:4");
    assert_eq!(
        second.origin.profile_dir(),
        Some(std::path::Path::new("/profiles"))
    );
}

#[test]
fn an_unknown_key_names_the_nearest_and_all_valid_ones() {
    assert_eq!(
        with("[filesystem]\nmount = []").unwrap_err(),
        "p.toml:3:1: error: unknown key \"mount\" in [filesystem]\n  \
         hint: did you mean \"mounts\"? valid keys: mounts, path_args, home, tmp, writable_sensitive"
    );
}

#[test]
fn patterns_are_read_with_their_places() {
    let text = "[filesystem]\nwritable_sensitive = [\".envrc\", \"**/.git/hooks/\"]\n\
                mounts = [{ path = \"/x\", exclude = [\n\".env\", \"!a.env\"] }]";
    let layer = with(text).unwrap().layer;
    assert_eq!(values(&layer.writable_sensitive.items), [".envrc", ".git/hooks"]);
    let exclude = &layer.mounts.items[0].value.exclude;
    let found: Vec<_> = exclude
        .iter()
        .map(|one| (one.text.as_str(), one.reason.as_str()))
        .collect();
    assert_eq!(found, [(".env", "p.toml:5"), ("!a.env", "p.toml:5")]);
    for (text, error) in [
        ("writable_sensitive = [\".envr\"]", "did you mean \".envrc\"?"),
        (
            "mounts = [{ path = \"/x\", exclude = [\"#a\"] }]",
            "\"#a\" in \"exclude\" matches nothing",
        ),
        (
            "mounts = [{ path = \"/x\", exclude = [\"../a\"] }]",
            "and matches nothing",
        ),
        (
            "mounts = [{ path = \"/x\", exclude = \".env\" }]",
            "must be a list",
        ),
    ] {
        let found = with(&format!("[filesystem]\n{text}")).unwrap_err();
        assert!(found.contains(error), "{text}: {found}");
    }
}

#[test]
fn settings_that_do_not_exist_yet_are_refused() {
    for (text, key) in [
        ("[resources]\nswap = \"1GB\"", "swap"),
        ("[tools]", "tools"),
        ("degrade = []", "degrade"),
        ("[filesystem]\nmounts = [{ path = \"/x\", hide = true }]", "hide"),
        ("[network]\nhosts = []", "hosts"),
        ("[contexts.ci.resources]\nswap = \"1GB\"", "swap"),
        ("[contexts.ci]\nextends = []", "extends"),
        ("[contexts.ci]\nversion = 1", "version"),
        ("[contexts.ci.contexts.x]", "contexts"),
        ("[contexts.ci.command]\nmatch = []", "match"),
    ] {
        let error = with(text).unwrap_err();
        assert!(
            error.contains(&format!("unknown key \"{key}\"")),
            "{text}: {error}"
        );
        assert!(error.contains("valid keys: "), "{text}: {error}");
    }
}

#[test]
fn every_error_is_told_at_once_in_order() {
    let error =
        with("tpm = 1\n[filesystem]\ntmp = 5\nhome = \"mine\"\n[process]\nspawn = \"no\"").unwrap_err();
    let places: Vec<&str> = error
        .lines()
        .filter_map(|line| line.split(": error").next()?.strip_prefix("p.toml:"))
        .collect();
    assert_eq!(places, ["2:1", "4:7", "5:8", "7:9"]);
    assert!(error.contains("\"tmp\" must be a string, found an integer"));
    assert!(error.contains("unknown value \"mine\" for \"home\""));
    assert!(error.contains("valid values: \"ephemeral\", \"persistent\""));
    assert!(error.contains("\"spawn\" must be true or false, found a string"));
}

#[test]
fn wrong_types_are_named() {
    for (text, expected) in [
        (
            "description = 1",
            "\"description\" must be a string, found an integer",
        ),
        ("extends = \"node\"", "\"extends\" must be a list, found a string"),
        ("extends = [1]", "\"extends\" must be a string, found an integer"),
        ("command = []", "[command] must be a table, found a list"),
        (
            "[command]\nmatch = true",
            "\"match\" must be a list, found a boolean",
        ),
        (
            "[command]\nrun = \"npx\"",
            "\"run\" must be a list, found a string",
        ),
        ("[command]\ncwd = 1.5", "\"cwd\" must be a string, found a float"),
        (
            "filesystem = 2020-01-01",
            "[filesystem] must be a table, found a date",
        ),
        (
            "[filesystem]\nmounts = {}",
            "\"mounts\" must be a list, found a table",
        ),
        (
            "[filesystem]\nmounts = [\"/x\"]",
            "a mount must be a table, found a string",
        ),
        (
            "[filesystem]\nmounts = [{ path = 1 }]",
            "\"path\" must be a string, found an integer",
        ),
        (
            "[filesystem]\nmounts = [{ path = \"/x\", at = 1 }]",
            "\"at\" must be a string, found an integer",
        ),
        (
            "[filesystem]\nmounts = [{ path = \"/x\", create = 1 }]",
            "\"create\" must be true or false",
        ),
        (
            "[filesystem]\npath_args = true",
            "\"path_args\" must be a string, found a boolean",
        ),
        (
            "[process]\nuser = true",
            "\"user\" must be a user name or a user id, found a boolean",
        ),
        (
            "[process]\ncapabilities = \"all\"",
            "\"capabilities\" must be a list, found a string",
        ),
        (
            "[process]\nenv = []",
            "[process.env] must be a table, found a list",
        ),
        (
            "[process.env]\npass = \"A\"",
            "\"pass\" must be a list, found a string",
        ),
        (
            "[process.env]\nset = [\"A=1\"]",
            "\"set\" must be a table, found a list",
        ),
        (
            "[process.env.set]\nA = 1",
            "\"A\" must be a string, found an integer",
        ),
        ("contexts = 1", "[contexts] must be a table, found an integer"),
        (
            "[contexts]\nci = 1",
            "[contexts.ci] must be a table, found an integer",
        ),
        (
            "[contexts.ci]\nprocess = 1",
            "[contexts.ci.process] must be a table, found an integer",
        ),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn bad_values_are_refused_with_a_cure() {
    for (text, expected, hint) in [
        ("description = \"a\\u001bb\"", "holds a control character", "NUL"),
        ("extends = [\"\"]", "an empty string", "drop the line"),
        (
            "[command]\nrun = [\"\"]",
            "the first word of \"run\" is empty",
            "program",
        ),
        ("[command]\nrun = [\"a\\u0000\"]", "holds a NUL", "NUL"),
        (
            "[command]\ncwd = \"/a\\nb\"",
            "holds a control character",
            "line breaks",
        ),
        (
            "[filesystem]\nmounts = [{ at = \"/x\" }]",
            "a mount has no \"path\"",
            "{ path =",
        ),
        (
            "[filesystem]\nmounts = [{ path = \"\" }]",
            "an empty string",
            "path",
        ),
        (
            "[filesystem]\nmounts = [{ path = \"/x\", access = \"rw\" }]",
            "unknown value \"rw\"",
            "\"write\"",
        ),
        (
            "[filesystem]\nmounts = [{ path = \"/x\", create = true }]",
            "\"create\" needs access",
            "drop create",
        ),
        (
            "[filesystem]\ntmp = \"256\"",
            "\"256\" is not a size: the unit is missing",
            "\"256MB\"",
        ),
        ("[filesystem]\ntmp = \"0MB\"", "the size is zero", "whole number"),
        ("[process]\nuser = -1", "\"-1\" is not a user id", "from 0"),
        ("[process]\nuser = 4294967295", "is not a user id", "4294967294"),
        (
            "[process]\ncapabilities = [\"NET_BIND_SERVIC\"]",
            "unknown capability",
            "did you mean \"CAP_NET_BIND_SERVICE\"?",
        ),
        (
            "[process.env]\npass = [\"A=1\"]",
            "it holds \"=\"",
            "belongs in set",
        ),
        ("[process.env]\npass = [\"\"]", "it is empty", "GITHUB_TOKEN"),
        (
            "[process.env]\npass = [\"A B\"]",
            "a blank or control character",
            "name alone",
        ),
        ("[process.env.set]\n\"A=\" = \"1\"", "it holds \"=\"", "set"),
        ("[process.env.set]\nA = \"\\u0000\"", "holds a NUL", "NUL"),
        (
            "[process.env]\npass = [\"A\"]\nset = { A = \"1\" }",
            "\"A\" is both passed and set",
            "one of",
        ),
        ("[contexts.\"\".process]", "an empty string", "name"),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        let told = error
            .lines()
            .filter(|line| line.starts_with("  hint: "))
            .any(|line| line.contains(hint));
        assert!(told, "{text}: {error}");
    }
}

#[test]
fn the_version_is_required_and_is_1() {
    assert!(
        read("")
            .unwrap_err()
            .starts_with("p.toml:1:1: error: a profile has no \"version\"")
    );
    assert!(
        read("version = 2")
            .unwrap_err()
            .contains("1:11: error: unknown version \"2\"")
    );
    assert!(
        read("version = \"1\"")
            .unwrap_err()
            .contains("must be the integer 1, found a string")
    );
    assert!(read("version = 1").is_ok());
}

#[test]
fn unknown_variables_are_told_at_their_own_place() {
    let error = with("[filesystem]\nmounts = [{ path = \"/a/${hom}/b\" }]").unwrap_err();
    assert!(
        error.starts_with("p.toml:3:24: error: unknown variable \"${hom}\""),
        "{error}"
    );
    assert!(
        error.contains("did you mean \"home\"? valid variables: ${cwd}, ${home}, ${profile_dir}"),
        "{error}"
    );
    assert!(
        with("[command]\nrun = [\"a\", \"${x\"]")
            .unwrap_err()
            .contains("3:14: error: a variable is not closed")
    );
    assert!(
        with("[command]\ncwd = \"${}\"")
            .unwrap_err()
            .contains("unknown variable \"${}\"")
    );
    assert!(
        with("[process.env.set]\nA = \"${not_ours}\"").is_ok(),
        "values are the server's own text"
    );
}

#[test]
fn broken_toml_has_a_place_too() {
    let error = with("[filesystem\nmounts = ]").unwrap_err();
    assert!(error.starts_with("p.toml:2:"), "{error}");
    assert!(
        error.contains("not valid TOML: ") && error.contains("  hint: "),
        "{error}"
    );
    assert!(
        with("description = \"a\"\ndescription = \"b\"")
            .unwrap_err()
            .contains("p.toml:3:1: error: not valid TOML")
    );
}

#[test]
fn bytes_that_are_no_profile_are_refused() {
    let error = load(b"version = 1\n# \xc3\xa9\xff", &source()).unwrap_err();
    assert!(
        error[0]
            .to_string()
            .starts_with("p.toml:2:4: error: the file is not UTF-8"),
        "{}",
        error[0]
    );
    let large = vec![b'#'; MOST_BYTES + 1];
    assert!(
        load(&large, &source()).unwrap_err()[0]
            .to_string()
            .contains("larger than 1 MiB")
    );
    assert!(
        load(&large[1..], &source()).unwrap_err()[0]
            .message
            .contains("no \"version\"")
    );
}

#[test]
fn hostile_sizes_end_soon() {
    let nested = format!("version = 1\nextends = {}", "[".repeat(100_000));
    assert!(read(&nested).is_err());
    for deep in [
        format!("{}a = 1", "a.".repeat(200_000)),
        format!("[{}a]", "a.".repeat(200_000)),
    ] {
        assert!(read(&deep).is_err());
    }
    let long = format!("version = 1\nextends = [{}]", "1,".repeat(200_000));
    assert!(read(&long).unwrap_err().contains("more than 1000"));
    let keys: String = (0..50_000).map(|n| format!("k{n}=1\n")).collect();
    assert!(load(keys.as_bytes(), &source()).unwrap_err().len() <= 100);
}

/// Text near enough to a profile to get past the parser.
fn near_profile() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "[a-z]{1,4}",
        Just("mounts".to_owned()),
        Just("path".to_owned()),
        Just("env.set".to_owned())
    ];
    let value = prop_oneof![
        "\"[ -~]{0,8}\"",
        Just("[{ path = \"${x\", at = 1 }]".to_owned()),
        Just("{ a = [[\"\\u0000\"]] }".to_owned()),
        Just("-0x1".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
    ];
    let header = prop_oneof![
        Just(""),
        Just("[filesystem]\n"),
        Just("[process]\n"),
        Just("[contexts.\"a\\nb\".command]\n")
    ];
    let line = (header, key, value).prop_map(|(header, key, value)| format!("{header}{key} = {value}\n"));
    prop::collection::vec(line, 0..6).prop_map(|lines| format!("version = 1\n{}", lines.concat()))
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = load(&bytes, &source());
    }

    #[test]
    fn no_text_panics_and_every_finding_has_a_hint(text in prop_oneof![any::<String>(), near_profile()]) {
        for one in load(text.as_bytes(), &source()).err().into_iter().flatten() {
            prop_assert!(one.hint.is_some());
            prop_assert!(!one.to_string().chars().any(|c| c.is_control() && c != '\n'), "{}", one);
        }
    }

    #[test]
    fn a_cut_profile_never_panics(end in 0..WHOLE.len()) {
        let _ = load(&WHOLE.as_bytes()[..end], &source());
    }
}
