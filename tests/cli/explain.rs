//! `explain` and `profiles`.

use serde_json::Value;

use crate::boxed::{Case, PROFILE, said};

const TEXT: &str = "description = \"For the test\"\n[filesystem]\nhome = \"persistent\"\ntmp = \"7MB\"\n\
    mounts = [{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\" }]\n\
    [process]\nspawn = false\ncapabilities = [\"kill\"]\n[process.env]\npass = [\"TOKEN\"]\nset = { KEY = \"s3cret\" }";

fn explain(case: &Case, flags: &[&str]) -> String {
    let words = ["explain", "-p", PROFILE]
        .iter()
        .chain(flags)
        .chain(&["--", "/bin/sh", "-c", "echo a b"]);
    let mut command = case.command(words);
    said(command.env("TOKEN", "t0ken").output().unwrap()).ok()
}

#[test]
fn the_text_says_what_a_person_asks() {
    let case = Case::new();
    case.profile(TEXT);
    let text = explain(&case, &[]);
    let sections: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.is_empty())
        .collect();
    assert_eq!(
        sections,
        [
            "Profile",
            "Command",
            "Sees",
            "Reaches",
            "Does",
            "Uses",
            "Environment"
        ]
    );
    for part in [
        "  For the test\n",
        "  /usr/bin/sh -c \"echo a b\"\n",
        "  starts no child process\n",
        "  keeps CAP_KILL inside the box\n",
        "  nothing but its own loopback",
        "private, in memory, 7MB, gone at the end",
        "private home, kept in ",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let (_, sees) = text.split_once("Sees\n").unwrap();
    assert!(
        sees.starts_with("  write  /d"),
        "what was asked for comes first:\n{text}"
    );
}

#[test]
fn lines_fit_a_narrow_terminal_but_for_long_paths() {
    let case = Case::new();
    let text = case.cli(["explain", "--", "true"]).ok();
    for line in text.lines() {
        let path = line.split_whitespace().any(|word| word.len() > 40);
        assert!(line.chars().count() <= 80 || path, "{line}");
    }
}

#[test]
fn values_of_variables_are_never_printed() {
    let case = Case::new();
    case.profile(TEXT);
    for flags in [
        &[][..],
        &["--json"],
        &["--env", "OTHER=t0ken"],
        &["--json", "--env", "OTHER=t0ken"],
    ] {
        let text = explain(&case, flags);
        assert!(text.contains("TOKEN") && text.contains("KEY"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    }
}

#[test]
fn the_json_is_the_policy_and_its_mounts_are_those_of_the_plan() {
    let case = Case::new();
    case.profile(TEXT);
    let json: Value = serde_json::from_str(&explain(&case, &["--json", "--read", ".:/w"])).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["description"], "For the test");
    assert_eq!(json["process"]["spawn"], false);
    assert_eq!(json["process"]["capabilities"][0], "CAP_KILL");
    assert_eq!(json["tmp"]["bytes"], 7_000_000);
    assert_eq!(json["home"]["kind"], "persistent");
    assert_eq!(json["network"]["allow"], Value::Array(Vec::new()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |key: &str| json[key].as_array().unwrap().clone();
    let mounts: Vec<String> = list("mounts")
        .iter()
        .map(|mount| {
            let access = if mount["access"] == "write" {
                "writable"
            } else {
                "read-only"
            };
            format!(
                "bind \"{}\" at \"{}\", {access}",
                text(&mount["source"]),
                text(&mount["at"])
            )
        })
        .collect();
    let binds: Vec<String> = list("plan")
        .iter()
        .filter_map(|line| Some(text(line).split_once("bind ")?.1.to_owned()))
        .filter(|line| !line.contains("mcp-sandbox/homes"))
        .map(|line| format!("bind {line}"))
        .collect();
    assert_eq!(mounts, binds);
    assert!(mounts.iter().any(|mount| mount.ends_with("at \"/d\", writable")));
    assert!(mounts.iter().any(|mount| mount.ends_with("at \"/w\", read-only")));
}

#[test]
fn the_text_names_every_mount_of_the_json() {
    let case = Case::new();
    case.profile(TEXT);
    let text = explain(&case, &[]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let json: Value = serde_json::from_str(&explain(&case, &["--json"])).unwrap();
    for mount in json["mounts"].as_array().unwrap() {
        assert!(
            words.contains(&mount["at"].as_str().unwrap()),
            "{mount} in\n{text}"
        );
    }
}

#[test]
fn the_box_holds_what_explain_names() {
    let case = Case::new();
    let json = case.cli(["explain", "--json", "--", "/bin/sh", "-c", "x"]).ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    let explained: Vec<&str> = json["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| mount["at"].as_str().unwrap())
        .collect();
    let script = "while read -r _ _ _ _ at _; do echo \"$at\"; done </proc/self/mountinfo";
    let mounted = case.default_sh(script).ok();
    let own = ["/", "/proc", "/tmp", "/dev", json["home"]["at"].as_str().unwrap()];
    for at in mounted.lines() {
        let known = own.contains(&at) || at.starts_with("/dev/") || at.starts_with("/proc/");
        let below = explained
            .iter()
            .any(|one| std::path::Path::new(at).starts_with(one));
        assert!(known || below, "{at} is mounted and not explained");
    }
    for at in explained {
        assert!(
            mounted.lines().any(|one| one == at),
            "{at} is explained and not mounted"
        );
    }
}

#[test]
fn a_shell_that_only_starts_a_launcher_is_looked_through() {
    let case = Case::new();
    let package = "npx -y @modelcontextprotocol/server-memory";
    for text in [package.to_owned(), format!("exec {package}")] {
        let told = case.cli(["explain", "--", "sh", "-c", &text]).ok();
        assert!(told.contains("memory (it fits the command)"), "{told}");
        assert!(told.contains("is not prepared yet"), "{told}");
    }
    for (shell, option, text) in [
        ("sh", "-c", format!("cd / && {package}")),
        ("bash", "-lc", package.to_owned()),
        ("zsh", "-c", format!("/usr/bin/{package}")),
    ] {
        let told = case.cli(["explain", "--", shell, option, &text]);
        // Not every machine has every shell.
        if told.code == Some(127) {
            continue;
        }
        let told = told.ok();
        assert!(told.contains("Note: \"npx\" is left to the shell"), "{told}");
        assert!(told.contains("  default\n"), "{told}");
    }
    let told = case.cli(["explain", "--", "sh", "-c", "echo a"]).ok();
    assert!(!told.contains("left to the shell"), "{told}");
}

#[test]
fn a_hidden_argument_is_noted() {
    let case = Case::new();
    let file = case.text("data/file");
    let text = case.cli(["explain", "--", "/bin/cat", &file]).ok();
    assert!(text.ends_with(&format!(
        "Note: {file} is not visible in the box; add --read or --write to show it\n"
    )));
    let text = case
        .cli(["explain", "--read", "../data", "--", "/bin/cat", &file])
        .ok();
    assert!(!text.contains("Note:"), "{text}");
}

#[test]
fn explain_refuses_what_run_refuses() {
    let case = Case::new();
    case.profile("[filesystem]\nmounts = [{ path = \"/\", at = \"/x\" }]");
    case.cli(["explain", "-p", PROFILE, "--", "true"])
        .refused(&["p.toml:3:20: error: "]);
    let said = case.cli(["explain", "--", "no-such-command"]);
    assert_eq!(said.code, Some(127));
}

#[test]
fn profiles_are_listed_and_shown() {
    let case = Case::new();
    case.named_profile("mine", "description = \"My own\"");
    case.named_profile("git", "description = \"My git\"\nextends = [\"git\"]");
    case.named_profile("broken", "nonsense = 1");
    let list = case.cli(["profiles", "list"]).ok();
    let line = |name: &str| -> Vec<String> {
        let line = list.lines().find(|line| line.starts_with(name)).expect(name);
        line.split("  ")
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect()
    };
    assert_eq!(line("mine"), ["mine", "user", "My own"]);
    assert_eq!(line("git"), ["git", "user, instead of built-in", "My git"]);
    assert_eq!(
        line("broken"),
        ["broken", "user", "not valid: `mcp-sandbox check broken` says why"]
    );
    assert_eq!(line("default")[1], "built-in");
    let shown = case.cli(["profiles", "show", "mine"]).ok();
    assert_eq!(shown, case.read("home/.config/mcp-sandbox/profiles/mine.toml"));
    let built_in = case.cli(["profiles", "show", "memory"]).ok();
    assert!(
        built_in.contains("version = 1") && built_in.contains("MEMORY_FILE_PATH"),
        "{built_in}"
    );
    case.cli(["profiles", "show", "memroy"])
        .refused(&["there is no profile \"memroy\"", "did you mean \"memory\"?"]);
}

#[test]
fn every_built_in_profile_is_valid_and_shows_itself() {
    let case = Case::new();
    let list = case.cli(["profiles", "list"]).ok();
    let names: Vec<&str> = list
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() >= 8, "{list}");
    let checked = case.cli(["check"].iter().chain(&names)).ok();
    assert_eq!(checked.lines().count(), names.len());
    for name in names {
        let text = case.cli(["profiles", "show", name]).ok();
        case.write("work/copy.toml", &text);
        assert_eq!(case.cli(["check", "copy.toml"]).ok(), "ok: copy.toml\n", "{name}");
    }
}

#[test]
fn every_rule_of_the_network_is_listed_with_its_line() {
    let case = Case::new();
    assert!(explain(&case, &[]).contains("Reaches\n  nothing but its own loopback: no host,"));
    case.profile("[network]\nallow = [\"API.github.com\", \"localhost:5432\"]\nblock = [\"169.254.0.0/16\"]");
    let text = explain(&case, &["--allow", "*.example.com:8443"]);
    let reaches = "Reaches\n\
        \x20 allow  api.github.com, ports 80,443  ../conf/p.toml:3\n\
        \x20 allow  host's localhost, port 5432   ../conf/p.toml:3\n\
        \x20 allow  *.example.com, port 8443      --allow\n\
        \x20 block  169.254.0.0/16, every port    ../conf/p.toml:4\n\
        \x20 a name that leads to an internal address needs a rule for the address too\n\
        \x20 nothing else but its own loopback: no other host or name, no UDP\n\n";
    assert!(text.contains(reaches), "{text}");
    let json: Value = serde_json::from_str(&explain(&case, &["--json", "--allow", "b.com"])).unwrap();
    let hosts: Vec<&Value> = json["network"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["host"])
        .collect();
    assert_eq!(hosts, ["api.github.com", "localhost", "b.com"]);
    assert_eq!(json["network"]["allow"][2]["reason"], "--allow");
    assert_eq!(
        json["network"]["block"][0]["ports"],
        serde_json::json!([[1, 65535]])
    );
}
