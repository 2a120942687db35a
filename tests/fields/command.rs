//! `command.match`, `command.run`, `command.cwd`.

use crate::boxed::{Case, PROFILE};

/// A server by a name of its own, and a profile for it.
fn with_server() -> Case {
    let case = Case::new();
    case.program("data/weather-server", "#!/bin/sh\necho $MINE\n");
    case.program("data/other-server", "#!/bin/sh\necho $MINE\n");
    case.named_profile(
        "mine",
        "[command]\nmatch = [\"weather-server\"]\n[process.env]\nset = { MINE = \"yes\" }",
    );
    case
}

#[test]
fn match_picks_the_profile_and_the_status_line_names_it() {
    let case = with_server();
    let said = case.cli(["run", "--", "../data/weather-server"]);
    said.says(&["mcp-sandbox: profile \"mine\" (it fits the command), tier namespaces: "]);
    assert_eq!(said.ok(), "yes\n");
}

#[test]
fn match_leaves_other_commands_alone() {
    let case = with_server();
    let said = case.cli(["run", "--", "../data/other-server"]);
    said.says(&["mcp-sandbox: profile \"default\", tier namespaces: "]);
    assert_eq!(said.ok(), "\n");
    let said = case.cli(["run", "-p", "default", "--", "../data/weather-server"]);
    said.says(&["profile \"default\", "]);
    assert_eq!(said.ok(), "\n", "the profile that is named wins");
}

#[test]
fn two_profiles_of_the_user_that_match_are_refused() {
    let case = with_server();
    case.named_profile("too", "[command]\nmatch = [\"weather-server\"]");
    case.cli(["run", "--", "../data/weather-server"]).refused(&[
        "profiles \"mine\" and \"too\" both fit \"weather-server\"",
        "hint: choose one with -p",
    ]);
}

#[test]
fn run_is_used_when_nothing_follows() {
    let case = Case::new();
    case.profile("[command]\nrun = [\"/bin/sh\", \"-c\", \"echo $0 $1\", \"a b\", \"${home}\"]");
    let said = case.cli(["run", "-q", "-p", PROFILE]);
    assert_eq!(said.ok(), format!("a b {}\n", case.text("home")));
    let said = case.cli(["run", "-q", "-p", PROFILE, "--", "/bin/echo", "mine"]);
    assert_eq!(said.ok(), "mine\n", "what is typed wins");
    case.profile("");
    case.cli(["run", "-q", "-p", PROFILE])
        .refused(&["there is no command to run"]);
}

#[test]
fn cwd_is_where_the_server_starts() {
    let case = Case::new();
    let mount = "[filesystem]\nmounts = [{ path = \"${profile_dir}/../data\", at = \"/shown\" }]";
    case.profile(mount);
    assert_eq!(
        case.sh("pwd; echo $PWD").ok(),
        format!("{0}\n{0}\n", case.text("home"))
    );
    case.profile(&format!("{mount}\n[command]\ncwd = \"/shown\""));
    assert_eq!(case.sh("pwd; echo $PWD; cat file").ok(), "/shown\n/shown\ndata\n");
    case.profile(&format!("{mount}\n[command]\ncwd = \"/hidden\""));
    case.sh("pwd").refused(&[
        "p.toml:5:7: error: the working directory \"/hidden\" is not in the box",
        "hint: mount it",
    ]);
}

#[test]
fn cwd_that_does_not_exist_below_a_mount_is_told() {
    let case = Case::new();
    case.profile("[filesystem]\nmounts = [{ path = \"${profile_dir}\", at = \"/shown\" }]\n[command]\ncwd = \"/shown/none\"");
    case.sh("pwd")
        .refused(&["cannot work in \"/shown/none\" of the box: "]);
}

#[test]
fn cwd_may_be_any_folder_that_the_box_has() {
    let case = Case::new();
    let mount = "[filesystem]\nmounts = [{ path = \"~/../data\", at = \"/a/b/c\" }]";
    let home = case.text("home");
    for cwd in ["/", "/tmp", "/a", "/a/b/c", &home] {
        case.profile(&format!("{mount}\n[command]\ncwd = \"{cwd}\""));
        assert_eq!(case.sh("pwd").ok(), format!("{cwd}\n"));
    }
    for cwd in ["/tmp/none", "~/none", "/a/none", "/none"] {
        case.profile(&format!("{mount}\n[command]\ncwd = \"{cwd}\""));
        case.sh("pwd")
            .refused(&["p.toml:5:7: error: the working directory "]);
    }
    let kept = "[filesystem]\nhome = \"persistent\"";
    case.profile(kept);
    case.sh("mkdir ~/sub").ok();
    case.profile(&format!("{kept}\n[command]\ncwd = \"~/sub\""));
    assert_eq!(case.sh("pwd").ok(), format!("{home}/sub\n"));
}

#[test]
fn without_cwd_the_own_folder_is_kept_where_it_is_shown() {
    let case = Case::new();
    case.profile("[filesystem]\nmounts = [{ path = \"${cwd}\", at = \"/workspace\" }]");
    assert_eq!(case.sh("pwd").ok(), "/workspace\n");
}
