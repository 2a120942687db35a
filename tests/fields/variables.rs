//! `${cwd}`, `${home}`, `${profile_dir}` and `~`, in each field that takes them.

use crate::boxed::{Case, PROFILE};

#[test]
fn paths_of_mounts_take_each() {
    let case = Case::new();
    for (variable, place) in [
        ("${cwd}/seen", "work/seen"),
        ("${home}/seen", "home/seen"),
        ("~/seen", "home/seen"),
        ("${profile_dir}/seen", "conf/seen"),
    ] {
        case.write(&format!("{place}/name"), place);
        case.profile(&format!(
            "[filesystem]\nmounts = [{{ path = \"{variable}\", at = \"/seen\" }}]"
        ));
        assert_eq!(case.sh("cat /seen/name").ok(), place, "{variable}");
    }
}

#[test]
fn the_command_and_its_folder_take_them() {
    let case = Case::new();
    case.profile(
        "[command]\nrun = [\"/bin/sh\", \"-c\", \"pwd; echo $0 $1 $2\", \"${cwd}\", \"--x=${profile_dir}/y\", \"~/z\"]\ncwd = \"~\"",
    );
    let home = case.text("home");
    let expected = format!(
        "{home}\n{} --x={}/y {home}/z\n",
        case.text("work"),
        case.text("conf")
    );
    assert_eq!(case.cli(["run", "-q", "-p", PROFILE]).ok(), expected);
}

#[test]
fn targets_take_them() {
    let case = Case::new();
    case.profile("[filesystem]\nmounts = [{ path = \"${profile_dir}\", at = \"${home}/of/profile\" }]");
    assert_eq!(case.sh("ls ~/of/profile").ok(), "p.toml\n");
}

#[test]
fn nothing_else_expands() {
    let case = Case::new();
    case.profile("[filesystem]\nmounts = [{ path = \"${HOME}\" }]");
    case.sh("true").refused(&[
        "p.toml:3:21: error: unknown variable \"${HOME}\"",
        "did you mean \"home\"?",
    ]);
    case.profile("[filesystem]\nmounts = [{ path = \"${home\" }]");
    case.sh("true")
        .refused(&["p.toml:3:21: error: a variable is not closed"]);
    case.profile("[filesystem]\nmounts = [{ path = \"$HOME/x\" }]");
    case.sh("true").refused(&[
        "p.toml:3:20: error: \"$HOME/x\" is not an absolute path",
        "hint: start it with ",
    ]);
    case.folder("work/$(id)");
    case.profile("[filesystem]\nmounts = [{ path = \"${cwd}/$(id)\", at = \"/x\" }]");
    assert_eq!(case.sh("ls -d /x").ok(), "/x\n", "a name is a name");
}

#[test]
fn a_built_in_profile_has_no_folder() {
    let case = Case::new();
    case.named_profile(
        "mine",
        "[filesystem]\nmounts = [{ path = \"${profile_dir}\", at = \"/x\" }]",
    );
    let said = case.cli(["run", "-q", "-p", "mine", "--", "/bin/sh", "-c", "ls /x"]);
    said.says(&["warning: the server gets "]);
    assert_eq!(said.ok(), "mine.toml\n");
}
