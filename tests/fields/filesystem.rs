//! `filesystem.mounts` with `path`, `at`, `access`, `create`; `path_args`; `tmp`.

use std::os::unix::fs::{MetadataExt, symlink};

use crate::boxed::{Case, PROFILE};

/// A profile with these mounts.
fn mounts(case: &Case, list: &str) {
    case.profile(&format!("[filesystem]\nmounts = [{list}]"));
}

#[test]
fn path_and_at_show_a_folder_somewhere_else() {
    let case = Case::new();
    assert_eq!(case.sh("ls /shown").code, Some(2));
    mounts(
        &case,
        "{ path = \"${profile_dir}/../data\", at = \"/shown/deep\" }",
    );
    assert_eq!(case.sh("cat /shown/deep/file").ok(), "data\n");
    let script = format!("test -e {}", case.text("data"));
    assert_eq!(case.sh(&script).code, Some(1), "not at its own place too");
}

#[test]
fn without_at_it_is_where_it_is() {
    let case = Case::new();
    let script = format!("cat {}/file", case.text("data"));
    case.sh(&script).failed("No such file or directory");
    mounts(&case, &format!("{{ path = \"{}\" }}", case.text("data")));
    assert_eq!(case.sh(&script).ok(), "data\n");
}

#[test]
fn a_single_file_is_shown_alone() {
    let case = Case::new();
    case.write("data/secret", "s");
    mounts(
        &case,
        "{ path = \"${profile_dir}/../data/file\", at = \"/one/file\" }",
    );
    assert_eq!(case.sh("ls -A /one; cat /one/file").ok(), "file\ndata\n");
    case.sh("echo x > /one/file").failed("Read-only file system");
}

#[test]
fn a_symbolic_link_shows_what_it_leads_to() {
    let case = Case::new();
    symlink(case.path("data"), case.path("link")).unwrap();
    mounts(&case, "{ path = \"${profile_dir}/../link\", at = \"/shown\" }");
    assert_eq!(case.sh("cat /shown/file").ok(), "data\n");
}

#[test]
fn read_is_read_only_for_every_kind_of_change() {
    let case = Case::new();
    mounts(&case, "{ path = \"${profile_dir}/../data\", at = \"/d\" }");
    let read = [
        "echo x >/d/new",
        "echo x >>/d/file",
        "rm /d/file",
        "mkdir /d/new",
        "mv /d/file /d/new",
        "ln -s x /d/new",
        "ln /d/file /d/new",
        "chmod 777 /d/file",
        "touch /d/file",
        "truncate -s 0 /d/file",
    ];
    for change in read {
        case.sh(change).failed("Read-only file system");
    }
    assert_eq!(case.read("data/file"), "data\n");
    mounts(
        &case,
        "{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"read\" }",
    );
    case.sh(read[0]).failed("Read-only file system");
    mounts(
        &case,
        "{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\" }",
    );
    for change in read {
        case.write("data/file", "data\n");
        case.sh(change).ok();
        case.sh("rm -rf /d/new").ok();
    }
}

#[test]
fn read_lets_programs_run() {
    let case = Case::new();
    case.program("data/tool", "#!/bin/sh\necho tool\n");
    mounts(&case, "{ path = \"${profile_dir}/../data\", at = \"/d\" }");
    assert_eq!(case.sh("/d/tool").ok(), "tool\n");
}

#[test]
fn write_goes_through_with_the_users_ownership() {
    let case = Case::new();
    mounts(
        &case,
        "{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\" }",
    );
    case.sh("mkdir /d/sub; echo new >/d/sub/file; stat -c %u /d/sub/file >/d/uid")
        .ok();
    assert_eq!(case.read("data/sub/file"), "new\n");
    let own = nix::unistd::geteuid().as_raw();
    assert_eq!(case.path("data/sub/file").metadata().unwrap().uid(), own);
    assert_eq!(case.read("data/uid"), format!("{own}\n"));
}

#[test]
fn an_inner_mount_keeps_its_own_access() {
    let case = Case::new();
    case.write("data/in/file", "in\n");
    let outer = "{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\" }";
    let inner = "{ path = \"${profile_dir}/../data/in\", at = \"/d/in\" }";
    mounts(&case, &format!("{inner}, {outer}"));
    case.sh("echo x >/d/in/file").failed("Read-only file system");
    case.sh("echo x >/d/file").ok();
    mounts(&case, outer);
    case.sh("echo x >/d/in/file").ok();
}

#[test]
fn a_target_inside_another_mount_must_exist() {
    let case = Case::new();
    let outer = "{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\" }";
    let inner = "{ path = \"${profile_dir}\", at = \"/d/conf\" }";
    mounts(&case, &format!("{outer}, {inner}"));
    case.sh("true").refused(&[
        "there is nothing to mount on at \"/d/conf\" of the box",
        "hint: it lies inside another mount",
    ]);
    assert!(!case.exists("data/conf"), "no stub is left on the disk");
    case.folder("data/conf");
    assert_eq!(case.sh("ls /d/conf").ok(), "p.toml\n");
}

#[test]
fn a_folder_goes_on_no_file_of_another_mount() {
    let case = Case::new();
    let outer = "{ path = \"${profile_dir}/../data\", at = \"/d\" }";
    mounts(
        &case,
        &format!("{outer}, {{ path = \"${{profile_dir}}\", at = \"/d/file\" }}"),
    );
    case.sh("true").refused(&[
        "nothing can be put at \"/d/file\" of the box: ",
        "hint: only a folder goes on a folder",
    ]);
    mounts(
        &case,
        &format!("{outer}, {{ path = \"${{profile_dir}}/p.toml\", at = \"/d/file\" }}"),
    );
    assert_eq!(case.sh("head -1 /d/file").ok(), "version = 1\n");
    std::os::unix::fs::symlink("file", case.path("data/link")).unwrap();
    mounts(
        &case,
        &format!("{outer}, {{ path = \"${{profile_dir}}/p.toml\", at = \"/d/link\" }}"),
    );
    case.sh("true")
        .refused(&["nothing can be put at \"/d/link\" of the box: a symbolic link"]);
}

#[test]
fn create_makes_a_private_folder_at_launch_only() {
    let case = Case::new();
    mounts(
        &case,
        "{ path = \"~/out/deep\", at = \"/out\", access = \"write\" }",
    );
    case.sh("true").refused(&[
        "p.toml:3:20: error: ",
        "/home/out/deep\" does not exist",
        "add create = true",
    ]);
    mounts(
        &case,
        "{ path = \"~/out/deep\", at = \"/out\", access = \"write\", create = true }",
    );
    case.check().ok();
    case.cli(["explain", "-p", PROFILE, "--", "true"]).ok();
    case.cli(["run", "-p", PROFILE, "--dry-run", "--", "true"]).ok();
    assert!(!case.exists("home/out"), "nothing is made before the launch");
    case.sh("echo here >/out/file").ok();
    assert_eq!(case.read("home/out/deep/file"), "here\n");
    assert_eq!(
        (case.mode("home/out"), case.mode("home/out/deep")),
        (0o700, 0o700)
    );
    case.sh("echo again >>/out/file").ok();
    assert_eq!(
        case.read("home/out/deep/file"),
        "here\nagain\n",
        "what exists is kept"
    );
}

#[test]
fn create_leaves_the_mode_of_what_exists() {
    let case = Case::new();
    mounts(
        &case,
        "{ path = \"${profile_dir}/../data\", at = \"/out\", access = \"write\", create = true }",
    );
    case.sh("true").ok();
    assert_eq!(case.mode("data") & 0o700, 0o700);
    assert_eq!(case.read("data/file"), "data\n");
}

#[test]
fn create_without_write_is_refused() {
    let case = Case::new();
    mounts(&case, "{ path = \"~/out\", at = \"/out\", create = true }");
    case.sh("true")
        .refused(&["p.toml:3:51: error: \"create\" needs access = \"write\""]);
}

#[test]
fn path_args_decides_what_arguments_show() {
    let case = Case::new();
    let file = case.text("data/file");
    let run = |access: &str, script: &str| {
        case.profile(&format!("[filesystem]\npath_args = \"{access}\""));
        case.cli([
            "run", "-q", "-p", PROFILE, "--", "/bin/sh", "-c", script, "sh", &file,
        ])
    };
    let (read, write) = ("cat \"$1\"", "echo more >>\"$1\"");
    run("none", read).failed("No such file or directory");
    assert_eq!(run("read", read).ok(), "data\n");
    run("read", write).failed("Read-only file system");
    assert_eq!(case.read("data/file"), "data\n");
    run("write", write).ok();
    assert_eq!(case.read("data/file"), "data\nmore\n");
}

#[test]
fn path_args_shows_no_more_than_the_argument() {
    let case = Case::new();
    case.write("data/other", "secret");
    case.profile("[filesystem]\npath_args = \"read\"");
    let script = "ls $(dirname \"$1\")";
    let run = [
        "run",
        "-q",
        "-p",
        PROFILE,
        "--",
        "/bin/sh",
        "-c",
        script,
        "sh",
        "../data/file",
    ];
    let words = run.map(|word| word.replace("../data", &case.text("data")));
    assert_eq!(case.cli(words).ok(), "file\n");
}

#[test]
fn an_argument_that_is_not_shown_is_told() {
    let case = Case::new();
    let said = case.cli(["run", "--", "/bin/ls", &case.text("data")]);
    assert_eq!(said.code, Some(2));
    said.says(&["/data\" is not visible in the box; add --read or --write to show it"]);
}

#[test]
fn tmp_ends_at_its_size() {
    let case = Case::new();
    case.profile("[filesystem]\ntmp = \"1MB\"");
    assert_eq!(
        case.sh("head -c 900000 /dev/zero >/tmp/x; stat -c %s /tmp/x")
            .ok(),
        "900000\n"
    );
    case.sh("head -c 1100000 /dev/zero >/tmp/x")
        .failed("No space left on device");
    case.profile("");
    case.sh("head -c 1100000 /dev/zero >/tmp/x").ok();
    for (size, why) in [
        ("\"1\"", "is not a size"),
        ("\"1 foot\"", "is not a size"),
        ("\"-1MB\"", "is not a size"),
    ] {
        case.profile(&format!("[filesystem]\ntmp = {size}"));
        case.sh("true")
            .refused(&["p.toml:3:7: error: ", why, "such as \"256MB\""]);
    }
}

#[test]
fn tmp_is_private() {
    let case = Case::new();
    let name = case.path("").file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        case.sh(&format!("echo x >/tmp/of-{name}; ls /var/tmp"))
            .ok()
            .lines()
            .last()
            .unwrap()
            .len(),
        3 + name.len()
    );
    assert!(!std::path::Path::new(&format!("/tmp/of-{name}")).exists());
    assert_eq!(
        case.sh("ls /tmp").ok().matches("of-").count(),
        0,
        "gone with the box"
    );
}

#[test]
fn a_folder_below_var_tmp_is_shown_where_it_is() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::write(folder.path().join("file"), "there\n").unwrap();
    let (case, place) = (Case::new(), folder.path().to_str().unwrap());
    mounts(&case, &format!("{{ path = \"{place}\" }}"));
    assert_eq!(case.sh(&format!("cat {place}/file")).ok(), "there\n");
}

/// npm and others make folders and what is in them from several threads: each must find a folder made, or missing.
#[test]
fn folders_are_made_by_threads_at_once() {
    let case = Case::new();
    mounts(
        &case,
        "{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\" }",
    );
    let script = r#"
import os, threading
errors = set()
def make(at, start):
    start.wait()
    for path in (f"/d/{at}/in", f"/d/{at}", f"/d/{at}/in"):
        try:
            os.mkdir(path)
        except OSError as error:
            errors.add(error.strerror)
for at in range(150):
    start = threading.Barrier(4)
    threads = [threading.Thread(target=make, args=(at, start)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print(sorted(errors))
"#;
    assert_eq!(
        case.python(script).ok(),
        "['File exists', 'No such file or directory']\n"
    );
}
