//! Mounts that are refused or loudly flagged, each beside one that is allowed.

use std::os::unix::net::UnixListener;

use crate::boxed::{Case, PROFILE, said};

fn refused(case: &Case, list: &str, parts: &[&str]) {
    case.profile(&format!("[filesystem]\nmounts = [{list}]"));
    case.sh("true").refused(parts);
    case.check().refused(parts);
}

fn allowed(case: &Case, list: &str) {
    case.profile(&format!("[filesystem]\nmounts = [{list}]"));
    let said = case.sh("true");
    assert_eq!(said.err, "", "no warning");
    said.ok();
    assert_eq!(case.check().err, "");
}

#[test]
fn two_mounts_at_one_place() {
    let case = Case::new();
    let both = "{ path = \"${profile_dir}\", at = \"/x\" }, { path = \"~/../data\", at = \"/x/\" }";
    refused(
        &case,
        both,
        &[
            "p.toml:3:60: error: \"/x\" is the target of two mounts, here and at ",
            "p.toml:3",
            "hint: drop one",
        ],
    );
    allowed(&case, &both.replace("/x/", "/y"));
}

#[test]
fn the_whole_disk() {
    let case = Case::new();
    refused(
        &case,
        "{ path = \"/\", at = \"/x\" }",
        &["p.toml:3:20: error: \"/\" cannot be mounted: it is the whole disk"],
    );
    refused(
        &case,
        "{ path = \"/../\", at = \"/x\" }",
        &["it is the whole disk"],
    );
}

#[test]
fn the_whole_home_and_what_holds_it() {
    let case = Case::new();
    for path in ["~", "~/", "${home}", "~/../home"] {
        let mount = format!("{{ path = \"{path}\", at = \"/x\" }}");
        refused(
            &case,
            &mount,
            &[
                "cannot be mounted: it is your whole home",
                "hint: mount the folder that is needed",
            ],
        );
    }
    refused(
        &case,
        "{ path = \"~/..\", at = \"/x\" }",
        &["cannot be mounted: your home lies in it"],
    );
    refused(
        &case,
        "{ path = \"/home\", at = \"/x\" }",
        &["cannot be mounted: "],
    );
    case.folder("home/project");
    allowed(&case, "{ path = \"~/project\", at = \"/x\" }");
}

#[test]
fn what_the_kernel_makes_and_the_box_has_itself() {
    let case = Case::new();
    for path in ["/proc", "/sys/kernel", "/dev"] {
        refused(
            &case,
            &format!("{{ path = \"{path}\", at = \"/x\" }}"),
            &["is the kernel's, not files"],
        );
    }
    for at in [
        "/", "/etc", "/etc/x", "/proc/x", "/dev/shm", "/sys", "/usr", "/bin", "/lib64",
    ] {
        let mount = format!("{{ path = \"~/../data\", at = \"{at}\" }}");
        refused(
            &case,
            &mount,
            &[
                "p.toml:3:38: error: nothing can be mounted at ",
                "hint: choose another place with at",
            ],
        );
    }
    allowed(&case, "{ path = \"~/../data\", at = \"/usr/local/x\" }");
    refused(
        &case,
        "{ path = \"~/../data\", at = \"/x/../y\" }",
        &["holds \"..\""],
    );
    refused(
        &case,
        "{ path = \"~/../data\", at = \"x\" }",
        &["\"x\" is not an absolute path"],
    );
}

#[test]
fn a_folder_of_credentials_is_flagged_and_what_holds_one_is_refused() {
    let case = Case::new();
    case.write("home/.ssh/id", "key");
    case.write("home/.config/gh/hosts.yml", "token");
    case.write("home/.config/plain/file", "x");
    let named = "[filesystem]\nmounts = [{ path = \"~/.ssh\", at = \"/ssh\" }]";
    case.profile(named);
    let expected = [
        "p.toml:3:20: warning: the server gets \"",
        "/.ssh\": SSH keys and the list of hosts they open\n  hint: ",
    ];
    let said = case.sh("cat /ssh/id");
    said.says(&expected);
    assert_eq!(said.ok(), "key");
    let checked = case.check();
    checked.says(&expected);
    assert_eq!(checked.ok(), "ok: ../conf/p.toml\n");
    let holder = "{ path = \"~/.config\", at = \"/x\" }";
    refused(
        &case,
        holder,
        &[
            "/.config\" cannot be mounted: it holds \"",
            "/.config/gh\" (GitHub tokens)\n  hint: mount the folders beside ",
        ],
    );
    allowed(&case, "{ path = \"~/.config/plain\", at = \"/x\" }");
}

#[test]
fn a_folder_that_holds_a_control_socket() {
    let case = Case::new();
    let _agent = UnixListener::bind(case.path("data/agent.sock")).unwrap();
    let mount = "{ path = \"~/../data\", at = \"/x\" }";
    allowed(&case, mount);
    let mut command = case.command(["run", "-q", "-p", PROFILE, "--", "true"]);
    command.env("SSH_AUTH_SOCK", case.path("data/agent.sock"));
    said(command.output().unwrap()).refused(&[
        "cannot be mounted: it holds \"",
        "(the SSH agent's socket: use of every key in it)",
    ]);
}

#[test]
fn our_own_profiles_and_homes() {
    let case = Case::new();
    case.named_profile("mine", "");
    refused(
        &case,
        "{ path = \"~/.config\", at = \"/x\" }",
        &["it holds \"", "the profiles that say what servers may do"],
    );
    case.write("home/.local/state/mcp-sandbox/homes/x/file", "");
    refused(
        &case,
        "{ path = \"~/.local\", at = \"/x\" }",
        &["it holds \"", "the private homes of other servers"],
    );
}

#[test]
fn a_profile_that_its_own_server_can_write() {
    let case = Case::new();
    case.profile("[filesystem]\nmounts = [{ path = \"${profile_dir}\", at = \"/x\", access = \"write\" }]");
    let said = case.sh("true");
    said.says(&[
        "warning: the server can write \"",
        "/conf/p.toml\": this profile",
        "hint: keep the profile outside",
    ]);
    allowed(&case, "{ path = \"${profile_dir}\", at = \"/x\" }");
}

#[test]
fn what_does_not_exist_or_cannot_be_entered() {
    let case = Case::new();
    refused(
        &case,
        "{ path = \"~/none/deep\" }",
        &[
            "p.toml:3:20: error: \"",
            "/home/none/deep\" does not exist",
            "hint: the nearest folder that exists is \"",
        ],
    );
    refused(
        &case,
        "{ path = \"~/../data/file/x\" }",
        &[
            "p.toml:3:20: error: cannot follow \"",
            "a part of it is a file, not a folder\n",
        ],
    );
    std::os::unix::fs::symlink("loop", case.path("home/loop")).unwrap();
    refused(
        &case,
        "{ path = \"~/loop\" }",
        &["p.toml:3:20: error: cannot follow \"", "too many symbolic links"],
    );
}

#[test]
fn every_refusal_is_told_at_once() {
    let case = Case::new();
    refused(
        &case,
        "\n{ path = \"/\", at = \"/x\" },\n{ path = \"~\", at = \"/y\" },\n{ path = \"none\" },\n{ path = \"~/../data\", at = \"/etc/x\" }",
        &[
            "p.toml:4:10: error: ",
            "p.toml:5:10: error: ",
            "p.toml:6:10: error: ",
            "p.toml:7:28: error: ",
        ],
    );
}
