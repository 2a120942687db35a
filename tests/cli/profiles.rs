//! `profiles new` and `profiles show --resolved`.

use crate::boxed::{Case, PROFILE};

#[test]
fn a_new_profile_is_valid_and_gives_nothing() {
    let case = Case::new();
    let printed = case.cli(["profiles", "new"]).ok();
    let said = case.cli(["profiles", "new", "mine.toml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:?}");
    said.says(&["wrote \"mine.toml\"; next: mcp-sandbox check mine.toml"]);
    assert_eq!(case.read("work/mine.toml"), printed);
    assert_eq!(case.cli(["check", "mine.toml"]).ok(), "ok: mine.toml\n");
    assert_eq!(
        case.cli(["lint", "mine.toml"]).ok(),
        "mine.toml: grade A (nothing found)\n"
    );
    let explain = |words: &[&str]| {
        let text = case
            .cli(["explain"].iter().chain(words).chain(&["--", "true"]))
            .ok();
        text[text.find("Command").unwrap()..].to_owned()
    };
    assert_eq!(explain(&["-p", "mine.toml"]), explain(&[]));
}

#[test]
fn each_example_of_a_new_profile_is_one() {
    let case = Case::new();
    let text = case.cli(["profiles", "new"]).ok();
    let is_example = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    let examples: Vec<&str> = text.lines().filter(is_example).collect();
    assert!(examples.len() >= 25, "{examples:?}");
    let taken: Vec<&str> = text
        .lines()
        .map(|line| if is_example(&line) { &line[1..] } else { line })
        .collect();
    case.write("work/all.toml", &taken.join("\n"));
    let said = case.cli(["profiles", "show", "all.toml", "--resolved"]).ok();
    // Every key of the format, so that none is forgotten when one is added.
    for key in [
        "run",
        "cwd",
        "mounts",
        "path_args",
        "home",
        "tmp",
        "writable_sensitive",
        "allow",
        "block",
        "dns",
        "inspect",
        "memory",
        "processes",
        "disk",
        "cpu",
        "open_files",
        "file_size",
        "timeout",
        "idle",
        "spawn",
        "user",
        "capabilities",
        "pass",
    ] {
        let start = said
            .find(&format!("\n{key} = "))
            .unwrap_or_else(|| panic!("{key} in\n{said}"));
        let own = &said[start + 1..];
        let end = if own.starts_with(&format!("{key} = [\n")) {
            "\n]"
        } else {
            "\n"
        };
        let own = &own[..own.find(end).unwrap()];
        assert!(
            own.contains("# all.toml:") || own == format!("{key} = []"),
            "{key}: {own}"
        );
    }
}

#[test]
fn nothing_is_overwritten() {
    let case = Case::new();
    case.write("work/mine.toml", "mine");
    case.cli(["profiles", "new", "mine.toml"])
        .refused(&["\"mine.toml\" exists already", "hint: "]);
    std::os::unix::fs::symlink("away.toml", case.path("work/link.toml")).unwrap();
    case.cli(["profiles", "new", "link.toml"])
        .refused(&["\"link.toml\" exists already"]);
    case.cli(["profiles", "new", "no/folder.toml"])
        .refused(&["cannot write \"no/folder.toml\": it does not exist"]);
    assert!(case.read("work/mine.toml") == "mine" && !case.exists("work/away.toml"));
}

#[test]
fn a_resolved_profile_says_where_each_line_comes_from() {
    let case = Case::new();
    case.named_profile("base", "[network]\nallow = [\"a.com:443\"]");
    case.profile("extends = [\"base\"]\n[filesystem]\nmounts = [{ path = \"${cwd}\" }]\n[contexts.ci.network]\nallow = []");
    let text = case.cli(["profiles", "show", PROFILE, "--resolved"]).ok();
    let mount = format!("  {{ path = \"{}\", access = \"read\" }},", case.text("work"));
    let base = case.text("home/.config/mcp-sandbox/profiles/base.toml");
    for (start, end) in [
        (mount.as_str(), format!("# {PROFILE}:4")),
        ("  \"a.com:443\",", format!("# {base}:3")),
        ("memory = \"2GiB\"", "# built-in profile default:13".into()),
        ("# contexts, not shown unless chosen: ci", String::new()),
    ] {
        assert!(
            text.lines()
                .any(|line| line.starts_with(start) && line.ends_with(&end)),
            "{start} {end} in\n{text}"
        );
    }
    let context = case
        .cli(["profiles", "show", PROFILE, "--resolved", "--context", "ci"])
        .ok();
    assert!(context.contains("\nallow = []\n"), "{context}");
    case.write("work/again.toml", &text);
    assert_eq!(case.cli(["check", "again.toml"]).ok(), "ok: again.toml\n");
    assert_eq!(
        case.cli(["profiles", "show", PROFILE, "--context", "ci"]).code,
        Some(125)
    );
}
