//! Flags over the profile.

use crate::boxed::{Case, PROFILE, said};

/// A script in the default box with these flags.
fn with(case: &Case, flags: &[&str], script: &str) -> crate::boxed::Said {
    let (run, server) = (["run", "-q"], ["--", "/bin/sh", "-c", script]);
    case.cli(run.iter().chain(flags).chain(&server))
}

#[test]
fn profile_by_name_and_by_file() {
    let case = Case::new();
    let text = "[process.env]\nset = { FROM = \"it\" }";
    case.named_profile("mine", text);
    case.profile(text);
    case.write("work/here.toml", &format!("version = 1\n{text}"));
    let absolute = case.text("conf/p.toml");
    for flags in [
        ["-p", "mine"],
        ["--profile", "mine"],
        ["-p", PROFILE],
        ["-p", "here.toml"],
        ["-p", &absolute],
    ] {
        assert_eq!(with(&case, &flags, "echo $FROM").ok(), "it\n", "{flags:?}");
    }
    assert_eq!(with(&case, &["-p", "default"], "echo $FROM").ok(), "\n");
}

#[test]
fn a_profile_that_is_not_there_is_refused_with_the_nearest_name() {
    let case = Case::new();
    with(&case, &["-p", "memroy"], "true").refused(&[
        "error: there is no profile \"memroy\"",
        "hint: did you mean \"memory\"?",
    ]);
    with(&case, &["-p", "./none.toml"], "true")
        .refused(&["cannot read the profile \"./none.toml\": it does not exist"]);
    with(&case, &["-p", "../conf/"], "true")
        .refused(&["cannot read the profile \"../conf/\": it is a folder"]);
}

#[test]
fn read_shows_a_path_at_its_place_or_another() {
    let case = Case::new();
    let file = case.text("data/file");
    let cat = format!("cat {file}");
    with(&case, &[], &cat).failed("No such file or directory");
    assert_eq!(with(&case, &["--read", "../data"], &cat).ok(), "data\n");
    assert_eq!(with(&case, &["--read", &file], &cat).ok(), "data\n");
    assert_eq!(
        with(&case, &["--read", "../data:/d"], "cat /d/file").ok(),
        "data\n"
    );
    with(&case, &["--read", "../data:/d"], "echo x >/d/new").failed("Read-only file system");
    case.write("work/a:b", "colon\n");
    assert_eq!(with(&case, &["--read", "a:b:/d"], "cat /d").ok(), "colon\n");
}

#[test]
fn write_shows_a_path_writable() {
    let case = Case::new();
    with(
        &case,
        &["--write", "../data"],
        &format!("echo x >{}", case.text("data/new")),
    )
    .ok();
    assert_eq!(case.read("data/new"), "x\n");
    with(&case, &["--write", "../data:/d"], "rm /d/new").ok();
    assert!(!case.exists("data/new"));
}

#[test]
fn several_of_each_add_up() {
    let case = Case::new();
    let flags = ["--read", "../data:/a", "--read", "../conf:/b", "--write", ".:/c"];
    assert_eq!(
        with(&case, &flags, "ls /a /b; touch /c/new").ok(),
        "/a:\nfile\n\n/b:\np.toml\n"
    );
    assert!(case.exists("work/new"));
}

#[test]
fn flags_get_no_more_than_profiles() {
    let case = Case::new();
    case.folder("home/.config/gh");
    for (path, why) in [
        ("/", "it is the whole disk"),
        ("../home", "it is your whole home"),
        ("../", "your home lies in it"),
        ("../home/.config", "it holds "),
        ("/proc", "is the kernel's"),
    ] {
        with(&case, &["--read", path], "true").refused(&["--read: error: ", "cannot be mounted: ", why]);
    }
    with(&case, &["--read", "none"], "true").refused(&["--read: error: \"", "/work/none\" does not exist"]);
    with(&case, &["--write", "none"], "true").refused(&["--write: error: ", "make it first"]);
    with(&case, &["--read", "../data:/etc/x"], "true").refused(&[
        "nothing can be mounted at \"/etc/x\"",
        "hint: choose another place, as in PATH:/workspace",
    ]);
    with(&case, &["--read", "../data:place"], "true").refused(&[
        "/data:place\" does not exist",
        "in PATH:AT the place in the box starts with /",
    ]);
    with(&case, &["--read", ".:/x", "--read", "../data:/x"], "true")
        .refused(&["\"/x\" is the target of two mounts"]);
}

#[test]
fn a_flag_wins_over_the_profile_at_the_same_place() {
    let case = Case::new();
    case.profile("[filesystem]\nmounts = [{ path = \"${profile_dir}\", at = \"/x\", access = \"write\" }]");
    assert_eq!(case.sh_with(&["--read", "../data:/x"], "ls /x").ok(), "file\n");
    case.sh_with(&["--read", "../conf:/x"], "echo x >/x/new")
        .failed("Read-only file system");
}

#[test]
fn env_passes_and_sets() {
    let case = Case::new();
    let seen = |flags: &[&str]| {
        let (run, server) = (["run", "-q"], ["--", "/bin/sh", "-c", "echo \"$OURS|$SET\""]);
        let mut command = case.command(run.iter().chain(flags).chain(&server));
        said(command.env("OURS", "ours").output().unwrap())
    };
    assert_eq!(seen(&[]).ok(), "|\n");
    assert_eq!(seen(&["--env", "OURS"]).ok(), "ours|\n");
    assert_eq!(
        seen(&["--env", "SET=a=b c", "--env=OURS=mine"]).ok(),
        "mine|a=b c\n"
    );
    assert_eq!(seen(&["--env", "SET="]).ok(), "|\n");
    assert_eq!(seen(&["--env", "NOT_THERE"]).ok(), "|\n");
    seen(&["--env", "=x"]).refused(&["\"\" is not the name of an environment variable: it is empty"]);
    seen(&["--env", "A B=x"]).refused(&["--env: error: \"A B\" is not the name"]);
}

#[test]
fn cwd_is_where_the_server_starts() {
    let case = Case::new();
    assert_eq!(
        with(&case, &["--cwd", "/tmp"], "pwd; echo $PWD").ok(),
        "/tmp\n/tmp\n"
    );
    assert_eq!(
        with(&case, &["--cwd", "/d", "--read", "../data:/d"], "pwd").ok(),
        "/d\n"
    );
    assert_eq!(
        with(&case, &["--cwd", ".", "--read", "."], "pwd").ok(),
        format!("{}\n", case.text("work"))
    );
    with(&case, &["--cwd", "."], "pwd").refused(&[
        "--cwd: error: the working directory \"",
        "/work\" is not in the box",
    ]);
    case.profile("[command]\ncwd = \"/tmp\"");
    assert_eq!(case.sh_with(&["--cwd", "/"], "pwd").ok(), "/\n", "the flag wins");
}

#[test]
fn quiet_adds_nothing_and_a_warning_stays() {
    let case = Case::new();
    let script = "echo out; echo err >&2";
    let quiet = with(&case, &[], script);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("out\n", "err\n"));
    let loud = case.cli(["run", "--", "/bin/sh", "-c", script]);
    assert_eq!(loud.out, "out\n", "stdout is the server's");
    assert_eq!(loud.err.lines().count(), 2, "{}", loud.err);
    loud.says(&[
        "mcp-sandbox: profile \"default\", tier namespaces: none of your files, home in memory, no network",
    ]);
    case.write("home/.ssh/id", "key");
    with(&case, &["--read", "../home/.ssh:/ssh"], "true").says(&["--read: warning: the server gets "]);
}

#[test]
fn the_status_line_counts_what_the_user_gives() {
    let case = Case::new();
    case.profile(
        "[filesystem]\nhome = \"persistent\"\nmounts = [{ path = \"${profile_dir}\", at = \"/x\" }]",
    );
    let said = case.cli(["run", "-p", PROFILE, "--write", ".", "--", "true"]);
    said.says(&["1 of your paths writable, 1 read-only, home kept for the profile"]);
}

#[test]
fn verbose_says_how_the_command_was_followed() {
    let case = Case::new();
    case.program("data/server", "#!/usr/bin/env sh\necho ran\n");
    let said = case.cli(["run", "-v", "--", "../data/server"]);
    said.says(&["mcp-sandbox: ", "/data/server", "/usr/bin/env"]);
    assert_eq!(said.ok(), "ran\n");
    let plain = case.cli(["run", "--", "../data/server"]);
    assert_eq!(plain.err.lines().count(), 1, "{}", plain.err);
}

#[test]
fn a_dry_run_shows_everything_and_starts_and_makes_nothing() {
    let case = Case::new();
    case.profile("[filesystem]\nhome = \"persistent\"\nmounts = [{ path = \"~/out\", at = \"/out\", access = \"write\", create = true }]");
    let flags = ["--write", "../data:/d", "--env", "TOKEN=s3cret", "--dry-run"];
    let said = case.sh_with(&flags, "echo ran >/d/ran");
    assert!(!case.exists("data/ran") && !case.exists("home/out") && !case.exists("home/.local"));
    let text = said.ok();
    assert!(!text.contains("s3cret"), "{text}");
    for part in [
        "Sees\n",
        "/out",
        "Plan\n  1 supervisor leave",
        "bind \"",
        "at \"/d\", writable",
        "execute \"/",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn a_dry_run_and_explain_show_one_plan() {
    let case = Case::new();
    let flags = ["-p", PROFILE, "--read", "../data:/d"];
    let dry = case
        .cli(["run", "--dry-run"].iter().chain(&flags).chain(&["--", "true"]))
        .ok();
    let json = case
        .cli(["explain", "--json"].iter().chain(&flags).chain(&["--", "true"]))
        .ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let (_, plan) = dry.split_once("\nPlan\n").unwrap();
    let lines: Vec<&str> = json["plan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    assert_eq!(plan.lines().collect::<Vec<_>>(), lines);
    let text = case
        .cli(["explain"].iter().chain(&flags).chain(&["--", "true"]))
        .ok();
    assert!(dry.starts_with(&text), "a dry run starts with what explain says");
}

#[test]
fn the_status_file_says_how_it_ended() {
    let case = Case::new();
    let status = || -> serde_json::Value { serde_json::from_str(&case.read("work/status")).unwrap() };
    assert_eq!(with(&case, &["--status-file", "status"], "exit 3").code, Some(3));
    assert_eq!(
        (&status()["outcome"], &status()["server_exit_code"]),
        (&"exited".into(), &3.into())
    );
    let said = case.cli(["run", "-q", "--status-file", "status", "--", "no-such-command"]);
    assert_eq!(said.code, Some(127));
    assert_eq!(
        (&status()["outcome"], &status()["exit_code"]),
        (&"not-found".into(), &127.into())
    );
    with(&case, &["--status-file", "/no/such/folder/x"], "echo ran")
        .refused(&["cannot write the status file \"/no/such/folder/x\"", "hint: "]);
}

#[test]
fn allow_is_counted_in_the_status_line_and_refused_where_it_is_no_host() {
    let case = Case::new();
    let status = |flags: &[&str]| {
        let server = ["--", "/bin/sh", "-c", "echo ran"];
        let said = case.cli(["run"].iter().chain(flags).chain(&server));
        assert_eq!(said.out, "ran\n", "{said:?}");
        said.err
    };
    assert!(status(&[]).contains(", no network, "));
    assert!(status(&["--allow", "a.example"]).contains(", network: 1 host, "));
    let two = [
        "--allow",
        "a.example",
        "--allow",
        "A.example:22",
        "--allow",
        "localhost:5432",
    ];
    assert!(status(&two).contains(", network: 2 hosts, "));
    with(
        &case,
        &["--allow", "http://a.example/", "--allow", "*"],
        "echo ran",
    )
    .refused(&[
        "--allow: error: \"http://a.example/\" is not a host: it is a URL\n  hint: ",
        "--allow: error: \"*\" is not a host: * alone would be every host",
    ]);
}
