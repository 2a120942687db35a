//! `version`, `description`, `extends`, and keys that do not exist.

use crate::boxed::Case;

#[test]
fn version_must_be_one() {
    let case = Case::new();
    assert_eq!(case.sh("echo ran").ok(), "ran\n");
    case.write("conf/p.toml", "description = \"x\"\n");
    case.sh("echo ran").refused(&[
        "../conf/p.toml:1:1: error: a profile has no \"version\"",
        "hint: write version = 1 on the first line",
    ]);
    case.write("conf/p.toml", "description = \"x\"\nversion = 2\n");
    case.sh("echo ran").refused(&[
        "../conf/p.toml:2:11: error: unknown version \"2\"",
        "this program knows version 1",
    ]);
    case.write("conf/p.toml", "version = \"1\"\n");
    case.sh("echo ran")
        .refused(&["p.toml:1:11: error: \"version\" must be the integer 1, found a string"]);
}

#[test]
fn description_is_shown_to_people() {
    let case = Case::new();
    case.named_profile("mine", "description = \"Only my things\"");
    let line = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("mine"))
            .map(str::to_owned)
    };
    let list = case.cli(["profiles", "list"]).ok();
    assert!(line(&list).unwrap().ends_with("Only my things"), "{list}");
    let explained = case.cli(["explain", "-p", "mine", "--", "true"]).ok();
    assert!(explained.contains("Only my things"), "{explained}");
    case.named_profile("mine", "");
    let explained = case.cli(["explain", "-p", "mine", "--", "true"]).ok();
    assert!(!explained.contains("Only my things"), "{explained}");
}

#[test]
fn extends_lays_over_a_built_in_profile() {
    let case = Case::new();
    let value = || {
        let run = [
            "run",
            "-q",
            "-p",
            "../conf/p.toml",
            "--",
            "/bin/sh",
            "-c",
            "echo $MEMORY_FILE_PATH",
        ];
        let mut command = case.command(run);
        command.env("MEMORY_FILE_PATH", "graph.json");
        crate::boxed::said(command.output().unwrap()).ok()
    };
    assert_eq!(value(), "\n");
    case.profile("extends = [\"memory\"]");
    assert_eq!(value(), "graph.json\n");
}

#[test]
fn extends_lays_over_a_file() {
    let case = Case::new();
    case.write(
        "conf/deep/base.toml",
        "version = 1\n[process.env]\nset = { FROM = \"base\", OF = \"base\" }",
    );
    let over = "[process.env]\nset = { FROM = \"p\" }";
    case.profile(over);
    assert_eq!(case.sh("echo $FROM $OF").ok(), "p\n");
    case.profile(&format!("extends = [\"deep/base.toml\"]\n{over}"));
    assert_eq!(case.sh("echo $FROM $OF").ok(), "p base\n");
}

#[test]
fn extends_in_a_circle_is_refused() {
    let case = Case::new();
    case.profile("extends = [\"q.toml\"]");
    case.write("conf/q.toml", "version = 1\nextends = [\"p.toml\"]");
    case.sh("echo ran").refused(&[
        "q.toml:2:12: error: profiles extend each other in a circle: ",
        "hint: drop one of these",
    ]);
    case.write("conf/q.toml", "version = 1");
    assert_eq!(case.sh("echo ran").ok(), "ran\n");
}

#[test]
fn extends_of_nothing_is_refused() {
    let case = Case::new();
    case.profile("extends = [\"memry\", \"none.toml\"]");
    case.sh("echo ran").refused(&[
        "../conf/p.toml:2:12: error: there is no profile \"memry\" to extend",
        "did you mean \"memory\"?",
        "../conf/p.toml:2:21: error: cannot read the base \"none.toml\": it does not exist",
        "relative to the file it stands in",
    ]);
}

#[test]
fn keys_that_do_not_exist_are_refused_at_their_place() {
    let case = Case::new();
    for (text, expected) in [
        (
            "[resources]\nmemroy = \"1GB\"",
            "3:1: error: unknown key \"memroy\" in [resources]\n  hint: did you mean \"memory\"?",
        ),
        ("degrade = []", "2:1: error: unknown key \"degrade\" in a profile"),
        (
            "[filesystem]\nmounts = [{ path = \"${cwd}\", hide = true }]",
            "3:30: error: unknown key \"hide\" in a mount",
        ),
        (
            "[filesystem]\nmount = []",
            "3:1: error: unknown key \"mount\" in [filesystem]\n  hint: did you mean \"mounts\"?",
        ),
        (
            "[command]\nargs = []",
            "3:1: error: unknown key \"args\" in [command]",
        ),
        (
            "[process]\nspwan = false",
            "3:1: error: unknown key \"spwan\" in [process]\n  hint: did you mean \"spawn\"?",
        ),
        (
            "[process.env]\npas = []",
            "3:1: error: unknown key \"pas\" in [process.env]\n  hint: did you mean \"pass\"?",
        ),
        (
            "[contexts.a]\nextends = []",
            "3:1: error: unknown key \"extends\" in [contexts.a]",
        ),
    ] {
        case.profile(text);
        let expected = format!("../conf/p.toml:{expected}");
        case.sh("echo ran").refused(&[&expected, "valid keys: "]);
        case.check().refused(&[&expected]);
    }
}

#[test]
fn keys_in_the_wrong_table_are_sent_to_theirs() {
    let case = Case::new();
    for (text, expected) in [
        (
            "mounts = []",
            "2:1: error: unknown key \"mounts\" in a profile\n  hint: it belongs in [filesystem]; valid keys: ",
        ),
        (
            "env = {}",
            "2:1: error: unknown key \"env\" in a profile\n  hint: it belongs in [process]; ",
        ),
        (
            "[process]\npass = []",
            "3:1: error: unknown key \"pass\" in [process]\n  hint: it belongs in [process.env]; ",
        ),
        (
            "[filesystem]\nat = \"/x\"",
            "3:1: error: unknown key \"at\" in [filesystem]\n  hint: it belongs in a mount; ",
        ),
        (
            "[command]\ncwdd = \"/x\"",
            "3:1: error: unknown key \"cwdd\" in [command]\n  hint: did you mean \"cwd\"? ",
        ),
        (
            "[contexts.a.command]\nmatch = []",
            "3:1: error: unknown key \"match\" in [contexts.a.command]\n  hint: it belongs in [command]; ",
        ),
    ] {
        case.profile(text);
        case.sh("true").refused(&[&format!("../conf/p.toml:{expected}")]);
    }
}

#[test]
fn values_of_the_wrong_type_are_shown_how_to_write() {
    let case = Case::new();
    for (text, expected) in [
        (
            "[command]\nrun = \"npx x\"",
            "3:7: error: \"run\" must be a list, found a string\n  hint: a list is written as [\"one\", \"two\"]",
        ),
        (
            "[process.env]\nset = { PORT = 80 }",
            "3:16: error: \"PORT\" must be a string, found an integer\n  hint: write it in quotes: \"80\"",
        ),
        (
            "[filesystem]\nmounts = [\"~/x\"]",
            "3:11: error: a mount must be a table, found a string\n  hint: a table is written as { key = \"value\" }",
        ),
        (
            "filesystem = 3",
            "2:14: error: [filesystem] must be a table, found an integer",
        ),
    ] {
        case.profile(text);
        case.sh("true").refused(&[&format!("../conf/p.toml:{expected}")]);
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let case = Case::new();
    case.write(
        "conf/p.toml",
        "\u{feff}version = 1\r\n[process.env]\r\nset = { A = \"1\" }\r\n",
    );
    assert_eq!(case.sh("echo $A").ok(), "1\n");
    case.write("conf/p.toml", "\u{feff}versoin = 1\r\n[proces]\r\n");
    case.sh("true").refused(&[
        "p.toml:1:1: error: unknown key \"versoin\"",
        "p.toml:2:2: error: unknown key \"proces\"",
    ]);
}

#[test]
fn check_tells_every_error_at_once() {
    let case = Case::new();
    assert_eq!(case.check().ok(), "ok: ../conf/p.toml\n");
    let text = "[filesystem]\nhome = \"kept\"\ntmp = 5\npath_args = \"rw\"\n\
        mounts = [{ at = \"/x\" }, { path = \"${cwdd}\" }]\n\
        [process]\nspawn = \"no\"\nuser = -1\ncapabilities = [\"SYS_ADMN\"]\n\
        [process.env]\npass = [\"A=B\"]";
    case.profile(text);
    case.check().refused(&[
        "p.toml:3:8: error: unknown value \"kept\" for \"home\"\n  hint: valid values: \"ephemeral\", \"persistent\"",
        "p.toml:4:7: error: \"tmp\" must be a string, found an integer",
        "p.toml:5:13: error: unknown value \"rw\" for \"path_args\"",
        "p.toml:6:11: error: a mount has no \"path\"",
        "p.toml:6:36: error: unknown variable \"${cwdd}\"\n  hint: did you mean \"cwd\"?",
        "p.toml:8:9: error: \"spawn\" must be true or false, found a string",
        "p.toml:9:8: error: \"-1\" is not a user id",
        "p.toml:10:17: error: unknown capability \"SYS_ADMN\"\n  hint: did you mean \"CAP_SYS_ADMIN\"?",
        "p.toml:12:9: error: \"A=B\" is not the name of an environment variable",
    ]);
}
