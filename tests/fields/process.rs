//! `process.spawn`, `process.user`, `process.capabilities`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;

use nix::unistd::{Gid, User, geteuid};

use crate::boxed::{Case, PROFILE, Said, is_root, said, set_mode};

#[test]
fn without_spawn_no_process_is_made() {
    let case = Case::new();
    let fork = "import os\npid = os.fork()\npid or os._exit(0)\nos.wait()\nprint('forked')";
    let spawn =
        "import subprocess\nprint(subprocess.run(['/bin/echo', 'spawned'], capture_output=True).returncode)";
    assert_eq!(case.python(fork).ok(), "forked\n");
    assert_eq!(case.python(spawn).ok(), "0\n");
    case.profile("[process]\nspawn = true");
    assert_eq!(case.python(fork).ok(), "forked\n");
    case.profile("[process]\nspawn = false");
    case.python(fork).failed("Operation not permitted");
    case.python(spawn).failed("Operation not permitted");
    case.sh("/bin/echo x; exit 3").failed("fork");
}

#[test]
fn without_spawn_threads_work() {
    let case = Case::new();
    case.profile("[process]\nspawn = false");
    let script =
        "import threading\nt = threading.Thread(target=lambda: print('thread'))\nt.start()\nt.join()";
    assert_eq!(case.python(script).ok(), "thread\n");
}

#[test]
fn without_spawn_the_server_may_become_another_program() {
    let case = Case::new();
    case.profile("[process]\nspawn = false");
    assert_eq!(case.sh("exec /bin/echo replaced").ok(), "replaced\n");
    case.program("data/server", "#!/usr/bin/env python3\nprint('env')\n");
    let said = case.cli(["run", "-q", "-p", crate::boxed::PROFILE, "--", "../data/server"]);
    assert_eq!(said.ok(), "env\n");
}

#[test]
fn no_capability_is_kept_by_default() {
    let case = Case::new();
    let zero = "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n";
    assert_eq!(case.sh("grep ^Cap /proc/self/status").ok(), zero);
    case.profile("[process]\ncapabilities = []");
    assert_eq!(case.sh("grep ^Cap /proc/self/status").ok(), zero);
}

#[test]
fn capabilities_that_are_kept_are_there_and_no_others() {
    let case = Case::new();
    case.profile("[process]\ncapabilities = [\"net_bind_service\", \"CAP_NET_RAW\"]");
    // Bits 10 and 13 of include/uapi/linux/capability.h.
    let set = "0000000000002400";
    let expected = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|name| format!("{name}:\t{set}\n"));
    assert_eq!(case.sh("grep ^Cap /proc/self/status").ok(), expected.concat());
}

#[test]
fn a_kept_capability_works() {
    let case = Case::new();
    let script = "import socket\nsocket.socket().bind(('127.0.0.1', 80))\nprint('bound')";
    case.python(script).failed("Permission denied");
    case.profile("[process]\ncapabilities = [\"CAP_NET_BIND_SERVICE\"]");
    assert_eq!(case.python(script).ok(), "bound\n");
}

#[test]
fn unknown_capabilities_are_refused() {
    let case = Case::new();
    case.profile("[process]\ncapabilities = [\"CAP_NET_BIND\"]");
    case.sh("true").refused(&[
        "p.toml:3:17: error: unknown capability \"CAP_NET_BIND\"",
        "did you mean \"CAP_NET_BIND_SERVICE\"?",
    ]);
}

#[test]
fn inherit_and_the_own_name_are_the_user_who_started() {
    let case = Case::new();
    let own = User::from_uid(geteuid())
        .unwrap()
        .expect("the tests run as a user with a name");
    let expected = format!("{}:{}:{}\n", own.uid, own.gid, own.name);
    for user in [
        "\"inherit\"".to_owned(),
        format!("\"{}\"", own.name),
        own.uid.to_string(),
    ] {
        case.profile(&format!("[process]\nuser = {user}"));
        assert_eq!(case.sh("echo $(id -u):$(id -g):$USER").ok(), expected, "{user}");
    }
}

#[test]
fn unknown_users_are_refused_at_their_place() {
    let case = Case::new();
    case.profile("[process]\nuser = \"no-such-user\"");
    case.sh("id")
        .refused(&["p.toml:3:8: error: there is no user \"no-such-user\"", "hint: "]);
    case.profile("[process]\nuser = 4294967295");
    case.sh("id")
        .refused(&["p.toml:3:8: error: \"4294967295\" is not a user id"]);
}

#[test]
fn as_ordinary_another_user_is_refused_at_its_place() {
    if is_root() {
        return;
    }
    let case = Case::new();
    case.profile("[process]\nuser = \"root\"");
    case.sh("id").refused(&[
        "p.toml:3:8: error: only root can start a server as another user, \"root\"",
        "hint: remove user, or start as root",
    ]);
}

/// The user that every Unix has beside root.
fn nobody() -> User {
    User::from_name("nobody")
        .unwrap()
        .expect("nobody is a user everywhere")
}

#[test]
fn as_root_the_server_becomes_the_user() {
    if !is_root() {
        return;
    }
    let case = Case::new();
    let nobody = nobody();
    for user in ["\"nobody\"".to_owned(), nobody.uid.to_string()] {
        case.profile(&format!("[process]\nuser = {user}"));
        let ids = case
            .sh("id -u; id -g; id -un; echo $USER; stat -c %u ~; echo x >~/x")
            .ok();
        assert_eq!(
            ids,
            format!("{0}\n{1}\nnobody\nnobody\n{0}\n", nobody.uid, nobody.gid)
        );
        assert_eq!(
            case.sh("grep -E '^(Uid|Groups)' /proc/self/status")
                .ok()
                .split_whitespace()
                .last(),
            Some("Groups:")
        );
    }
}

#[test]
fn as_root_files_belong_to_the_user_and_rights_are_the_users() {
    if !is_root() {
        return;
    }
    let case = Case::new();
    let nobody = nobody();
    nix::unistd::chown(&case.path("data"), Some(nobody.uid), None).unwrap();
    case.write("conf/secret", "root's");
    set_mode(&case.path("conf/secret"), 0o600);
    let mounts = "mounts = [{ path = \"${profile_dir}/../data\", at = \"/d\", access = \"write\" }, { path = \"${profile_dir}\", at = \"/conf\" }]";
    case.profile(&format!("[filesystem]\n{mounts}"));
    assert_eq!(case.sh("cat /conf/secret").ok(), "root's");
    case.profile(&format!("[process]\nuser = \"nobody\"\n[filesystem]\n{mounts}"));
    case.sh("echo x >/d/new").ok();
    assert_eq!(
        fs::metadata(case.path("data/new")).unwrap().uid(),
        nobody.uid.as_raw()
    );
    case.sh("cat /conf/secret").failed("Permission denied");
}

#[test]
fn as_root_no_group_of_root_goes_with_the_user() {
    const GROUP: u32 = 4242;
    if !is_root() {
        return;
    }
    let case = Case::new();
    let file = case.path("data/file");
    let read = || -> Said {
        let words = ["run", "--quiet", "-p", PROFILE, "--", "/bin/cat", "/d/file"];
        let mut command = case.command(words);
        // SAFETY: one system call, which allocates nothing.
        unsafe { command.pre_exec(|| Ok(nix::unistd::setgroups(&[Gid::from_raw(GROUP)])?)) };
        said(command.output().unwrap())
    };
    case.profile("[process]\nuser = \"nobody\"\n[filesystem]\nmounts = [{ path = \"${profile_dir}/../data\", at = \"/d\" }]");
    set_mode(&file, 0o640);
    std::os::unix::fs::chown(&file, None, Some(nobody().gid.as_raw())).unwrap();
    assert_eq!(read().ok(), "data\n");
    std::os::unix::fs::chown(&file, None, Some(GROUP)).unwrap();
    read().failed("Permission denied");
}

#[test]
fn as_root_what_is_made_for_the_user_belongs_to_the_user() {
    if !is_root() {
        return;
    }
    let case = Case::new();
    case.profile(
        "[process]\nuser = \"nobody\"\n[filesystem]\nhome = \"persistent\"\n\
         mounts = [{ path = \"${profile_dir}/../data/new/deep\", at = \"/new\", access = \"write\", create = true }]",
    );
    case.sh("echo kept >~/file; echo out >/new/file").ok();
    assert_eq!(case.sh("cat ~/file /new/file").ok(), "kept\nout\n");
    let uid = nobody().uid.as_raw();
    assert_eq!(fs::metadata(case.path("data/new/deep/file")).unwrap().uid(), uid);
}

#[test]
fn as_root_what_the_profile_gives_need_not_lie_where_the_user_could_walk() {
    if !is_root() {
        return;
    }
    let case = Case::new();
    case.write("home/closed/open/file", "shown\n");
    set_mode(&case.path("home/closed"), 0o700);
    case.profile(
        "[process]\nuser = \"nobody\"\n[filesystem]\nmounts = [{ path = \"~/closed/open\", at = \"/open\" }]",
    );
    assert_eq!(case.sh("cat /open/file").ok(), "shown\n");
    case.profile(
        "[process]\nuser = \"nobody\"\n[filesystem]\nmounts = [{ path = \"~/closed\", at = \"/closed\" }]",
    );
    case.sh("cat /closed/open/file").failed("Permission denied");
}
