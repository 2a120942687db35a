//! `contexts.NAME`: laid over the profile only when asked for.

use crate::boxed::Case;

const TEXT: &str = r#"
[filesystem]
mounts = [{ path = "${profile_dir}/../data", at = "/data" }]
tmp = "8MB"
[process.env]
set = { STAGE = "plain", KEPT = "kept" }
[contexts.live.filesystem]
mounts = [{ path = "${profile_dir}", at = "/conf" }]
tmp = "1MB"
[contexts.live.process]
spawn = false
[contexts.live.process.env]
set = { STAGE = "live" }
[contexts.none.filesystem]
mounts = []
"#;

const SHOW: &str = "echo $STAGE $KEPT; echo /data/* /conf/*";

#[test]
fn nothing_of_a_context_holds_until_it_is_asked_for() {
    let case = Case::new();
    case.profile(TEXT);
    assert_eq!(case.sh(SHOW).ok(), "plain kept\n/data/file /conf/*\n");
    assert_eq!(
        case.sh("true; $(true); head -c 2000000 /dev/zero >/tmp/x").ok(),
        ""
    );
}

#[test]
fn lists_and_scalars_replace_and_set_merges() {
    let case = Case::new();
    case.profile(TEXT);
    let said = case.sh_with(&["--context", "live"], SHOW);
    assert_eq!(said.ok(), "live kept\n/data/* /conf/p.toml\n");
    case.sh_with(&["--context", "live"], "exec head -c 2000000 /dev/zero >/tmp/x")
        .failed("No space left on device");
    case.sh_with(&["--context", "live"], "true | true")
        .failed("Cannot fork");
}

#[test]
fn an_empty_list_means_nothing() {
    let case = Case::new();
    case.profile(TEXT);
    assert_eq!(
        case.sh_with(&["--context", "none"], SHOW).ok(),
        "plain kept\n/data/* /conf/*\n"
    );
}

#[test]
fn an_unknown_context_is_refused() {
    let case = Case::new();
    case.profile(TEXT);
    case.sh_with(&["--context", "lvie"], SHOW).refused(&[
        " has no context \"lvie\"",
        "hint: did you mean \"live\"? known contexts: \"live\", \"none\"",
    ]);
    case.profile("");
    case.sh_with(&["--context", "live"], SHOW)
        .refused(&["it has no contexts"]);
}

#[test]
fn flags_lie_over_a_context() {
    let case = Case::new();
    case.profile(TEXT);
    let flags = [
        "--context",
        "live",
        "--env",
        "STAGE=flag",
        "--read",
        "../data:/data",
    ];
    assert_eq!(
        case.sh_with(&flags, SHOW).ok(),
        "flag kept\n/data/file /conf/p.toml\n"
    );
}
