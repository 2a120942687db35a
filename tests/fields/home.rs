//! `filesystem.home`: in memory, or kept for the profile; never the user's own.

use std::os::unix::fs::symlink;

use nix::unistd::{User, geteuid};

use crate::boxed::{Case, PROFILE, Said, said};

const KEPT: &str = "[filesystem]\nhome = \"persistent\"";
const HOMES: &str = "home/.local/state/mcp-sandbox/homes";

/// The folder in which the home of [`PROFILE`] is kept.
fn kept(case: &Case) -> String {
    format!("{HOMES}/{}", case.text("conf/p.toml").replace('/', "%2F"))
}

#[test]
fn ephemeral_is_empty_writable_and_gone() {
    let case = Case::new();
    case.write("home/own", "the user's");
    for text in ["", "[filesystem]\nhome = \"ephemeral\""] {
        case.profile(text);
        for _ in 0..2 {
            assert_eq!(
                case.sh("ls -A ~; echo x >~/new; cat ~/new; stat -c %a ~").ok(),
                "x\n700\n"
            );
        }
    }
    assert!(!case.exists("home/new") && !case.exists(HOMES));
}

#[test]
fn persistent_is_kept_private_and_not_the_users() {
    let case = Case::new();
    case.write("home/own", "the user's");
    case.profile(KEPT);
    assert_eq!(case.sh("ls -A ~; echo first >~/new; stat -c %a ~").ok(), "700\n");
    assert_eq!(case.sh("cat ~/new").ok(), "first\n", "a second run");
    assert_eq!(case.read(&format!("{}/new", kept(&case))), "first\n");
    assert_eq!((case.mode(HOMES), case.mode(&kept(&case))), (0o700, 0o700));
    assert!(!case.exists("home/new"));
}

#[test]
fn persistent_is_made_at_launch_only() {
    let case = Case::new();
    case.profile(KEPT);
    case.check().ok();
    case.cli(["explain", "-p", PROFILE, "--", "true"]).ok();
    case.cli(["run", "-p", PROFILE, "--dry-run", "--", "true"]).ok();
    assert!(!case.exists("home/.local"));
    case.sh("true").ok();
    assert!(case.exists(&kept(&case)));
}

#[test]
fn every_profile_has_its_own() {
    let case = Case::new();
    case.profile(KEPT);
    case.write("conf/q.toml", &format!("version = 1\n{KEPT}\n"));
    case.sh("echo secret >~/of-p").ok();
    let other = |profile: &str| {
        case.cli([
            "run",
            "-q",
            "-p",
            profile,
            "--",
            "/bin/ls",
            "-A",
            &case.text("home"),
        ])
        .ok()
    };
    assert_eq!(other("../conf/q.toml"), "");
    assert_eq!(
        other("../work/../conf/p.toml"),
        "of-p\n",
        "one file has one home, however it is named"
    );
}

#[test]
fn nothing_that_a_server_plants_is_followed() {
    let case = Case::new();
    case.profile(KEPT);
    case.program("home/tools/tool", "#!/bin/sh\necho tool\n");
    let run = || {
        case.cli([
            "run",
            "-q",
            "-p",
            PROFILE,
            "--",
            "/bin/sh",
            "-c",
            "~/tools/tool; ls -A ~/tools",
        ])
    };
    let mounted = format!("{KEPT}\nmounts = [{{ path = \"~/tools\" }}]");
    case.profile(&mounted);
    assert_eq!(run().ok(), "tool\ntool\n");
    assert_eq!(
        run().ok(),
        "tool\ntool\n",
        "what the first run made is no obstacle"
    );
    // The server's own run, in which it can put anything where the next run mounts.
    case.profile(KEPT);
    for target in [
        case.text("data"),
        "/tmp".to_owned(),
        "../../../../../../../../data".to_owned(),
    ] {
        case.sh(&format!("rmdir ~/tools || rm ~/tools; ln -s {target} ~/tools"))
            .ok();
        case.profile(&mounted);
        run().refused(&["/home/tools", "symbolic link"]);
        assert_eq!(
            case.cli(["run", "-q", "-p", PROFILE, "--dry-run", "--", "true"])
                .code,
            Some(0)
        );
        case.profile(KEPT);
    }
    assert_eq!(
        std::fs::read_dir(case.path("data")).unwrap().count(),
        1,
        "nothing was made behind the link"
    );
}

#[test]
fn links_in_the_home_are_laid_anew() {
    let case = Case::new();
    case.profile(KEPT);
    case.folder("home/bin");
    let shell = case.path("home/bin/shell");
    symlink("/bin/sh", &shell).unwrap();
    case.program("data/server", &format!("#!{}\necho here\n", shell.display()));
    let run = || case.cli(["run", "-q", "-p", PROFILE, "--", "../data/server"]);
    assert_eq!(run().ok(), "here\n");
    assert_eq!(run().ok(), "here\n", "what the first run made is no obstacle");
    case.sh("ln -sf /bin/false ~/bin/shell").ok();
    assert_eq!(run().ok(), "here\n", "another link is replaced");
    case.sh("rm ~/bin/shell; echo mine >~/bin/shell").ok();
    run().refused(&["/home/bin/shell\" of the box: a symbolic link or a file is in the way"]);
    assert_eq!(
        case.sh("cat ~/bin/shell").ok(),
        "mine\n",
        "a file of the server's is left alone"
    );
}

/// What a box says when the user's home is said to be at `home`.
fn with_home(case: &Case, home: &str, script: &str) -> Said {
    let mut command = case.command(["run", "-q", "--", "/bin/sh", "-c", script]);
    said(command.env("HOME", home).output().unwrap())
}

#[test]
fn it_lies_where_the_users_lies() {
    let case = Case::new();
    for home in ["/home/alice", "/srv/of/alice", "/var/tmp/alice", "/var/tmp"] {
        let script = "echo $HOME; echo x >~/x; ls -A ~";
        assert_eq!(with_home(&case, home, script).ok(), format!("{home}\nx\n"));
    }
    assert_eq!(
        with_home(&case, "/home/alice", "ls /home; ls -A /home/alice").ok(),
        "alice\n"
    );
}

#[test]
fn it_is_never_a_folder_of_the_system_or_no_path() {
    let case = Case::new();
    let own = User::from_uid(geteuid()).unwrap().unwrap().name;
    let expected = format!("/home/{own}\nx\n");
    for home in [
        "/",
        "/etc",
        "/proc/self",
        "/usr/share/misc",
        "/usr/bin",
        "/tmp",
        "/home/a/../b",
    ] {
        let script = "echo $HOME; echo x >~/x; ls -A ~; mkdir /tmp/other";
        assert_eq!(with_home(&case, home, script).ok(), expected, "{home}");
    }
}

#[test]
fn nothing_is_mounted_over_it() {
    let case = Case::new();
    let home = case.text("home");
    for (at, why) in [
        (home.clone(), "it is the server's private home"),
        (case.text(""), "the server's private home lies in it"),
        ("/tmp".to_owned(), "the box has its own /tmp"),
        ("/bin/mine".to_owned(), "\"/bin\" is a link to \"usr/bin\""),
    ] {
        let at = at.trim_end_matches('/');
        case.profile(&format!(
            "[filesystem]\nmounts = [{{ path = \"~/../data\", at = \"{at}\" }}]"
        ));
        case.sh("true").refused(&[
            "p.toml:3",
            &format!("nothing can be mounted at \"{at}\": "),
            why,
            "hint: choose another place",
        ]);
    }
    case.profile(&format!(
        "[filesystem]\nmounts = [{{ path = \"~/../data\", at = \"{home}/in\" }}]"
    ));
    assert_eq!(case.sh("cat ~/in/file; echo x >~/x").ok(), "data\n");
}
