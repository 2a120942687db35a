//! `process.env.pass`, `process.env.set`, and which wins.

use crate::boxed::{Case, PROFILE, said};

/// What a program of the client's environment `SECRET=s PLAIN=p` sees of it.
fn seen(case: &Case, flags: &[&str]) -> String {
    let script = "echo \"$SECRET|$PLAIN\"";
    let (run, server) = (["run", "-q", "-p", PROFILE], ["--", "/bin/sh", "-c", script]);
    let mut command = case.command(run.iter().chain(flags).chain(&server));
    said(command.env("SECRET", "s").env("PLAIN", "p").output().unwrap()).ok()
}

#[test]
fn pass_gives_the_clients_value_and_nothing_else() {
    let case = Case::new();
    assert_eq!(seen(&case, &[]), "|\n");
    case.profile("[process.env]\npass = [\"PLAIN\", \"NOT_SET\"]");
    assert_eq!(seen(&case, &[]), "|p\n");
    assert!(!case.sh("env").ok().contains("NOT_SET"));
}

#[test]
fn set_gives_its_own_value() {
    let case = Case::new();
    case.profile("[process.env]\nset = { PLAIN = \"a=b ${home} \\n$x\", EMPTY = \"\" }");
    assert_eq!(
        seen(&case, &[]),
        "|a=b ${home} \n$x\n",
        "values are taken as they are"
    );
    assert!(case.sh("env").ok().lines().any(|line| line == "EMPTY="));
}

#[test]
fn flags_win_over_both() {
    let case = Case::new();
    case.profile("[process.env]\npass = [\"SECRET\"]\nset = { PLAIN = \"set\" }");
    assert_eq!(seen(&case, &[]), "s|set\n");
    assert_eq!(seen(&case, &["--env", "PLAIN"]), "s|p\n");
    assert_eq!(
        seen(&case, &["--env", "PLAIN=flag", "--env", "SECRET=mine"]),
        "mine|flag\n"
    );
}

#[test]
fn set_wins_over_what_every_box_has() {
    let case = Case::new();
    assert_eq!(case.sh("echo $HOME").ok(), format!("{}\n", case.text("home")));
    case.profile("[process.env]\nset = { HOME = \"/tmp\", PATH = \"/usr/bin:/mine\" }");
    assert_eq!(case.sh("echo $HOME $PATH").ok(), "/tmp /usr/bin:/mine\n");
}

#[test]
fn a_name_in_both_is_refused() {
    let case = Case::new();
    case.profile("[process.env]\npass = [\"A\"]\nset = { A = \"1\" }");
    case.sh("env")
        .refused(&["p.toml:3:9: error: \"A\" is both passed and set"]);
}

#[test]
fn pass_and_set_are_inherited_and_emptied() {
    let case = Case::new();
    case.write(
        "conf/base.toml",
        "version = 1\n[process.env]\npass = [\"SECRET\"]",
    );
    case.profile("extends = [\"base.toml\"]\n[process.env]\npass = [\"PLAIN\"]");
    assert_eq!(seen(&case, &[]), "s|p\n");
    case.profile("extends = [\"base.toml\"]\n[process.env]\npass = []");
    assert_eq!(seen(&case, &[]), "|\n", "an empty list means nothing");
}
