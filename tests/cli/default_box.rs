//! What a server gets when nothing is asked for.

use std::fs;

use nix::unistd::{User, getegid, geteuid};

use crate::boxed::{Case, said};

fn own_name() -> String {
    User::from_uid(geteuid())
        .unwrap()
        .expect("the tests run as a user with a name")
        .name
}

#[test]
fn the_current_folder_and_the_home_are_not_visible() {
    let case = Case::new();
    case.write("work/file", "here");
    case.write("home/file", "mine");
    let script = format!("ls -A {} ~; pwd", case.text(""));
    let out = case.default_sh(&script).ok();
    let case_path = case.text("");
    let home = case.text("home");
    assert_eq!(out, format!("{case_path}:\nhome\n\n{home}:\n{home}\n"));
    let shown = case
        .cli(["run", "-q", "--read", ".", "--", "/bin/sh", "-c", "cat file; pwd"])
        .ok();
    assert_eq!(shown, format!("here{}\n", case.text("work")));
}

#[test]
fn the_environment_is_a_dozen_names() {
    let case = Case::new();
    let mut command = case.command(["run", "-q", "--", "/usr/bin/env"]);
    let secrets = [
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "LD_PRELOAD_X",
        "SSH_AUTH_SOCK",
        "PYTHONPATH",
        "NODE_OPTIONS",
        "BASH_ENV",
        "XDG_RUNTIME_DIR",
    ];
    command
        .envs(secrets.map(|name| (name, "/secret")))
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm")
        .env("TZ", "UTC");
    let out = said(command.output().unwrap()).ok();
    let names: Vec<&str> = out
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    let known = [
        "HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, known);
    assert!(!out.contains("secret"), "{out}");
}

#[test]
fn etc_knows_this_user_and_nobody_else() {
    let case = Case::new();
    let (name, uid, gid) = (own_name(), geteuid(), getegid());
    let mut expected = vec![name.clone(), "nobody".to_owned()];
    if !uid.is_root() {
        expected.insert(1, "root".to_owned());
    }
    assert_eq!(
        case.default_sh("cut -d: -f1 /etc/passwd")
            .ok()
            .lines()
            .collect::<Vec<_>>(),
        expected
    );
    let own = case.default_sh("head -1 /etc/passwd; head -1 /etc/group").ok();
    assert_eq!(
        own,
        format!(
            "{name}:x:{uid}:{gid}::{}:/bin/sh\n{name}:x:{gid}:\n",
            case.text("home")
        )
    );
    assert_eq!(
        case.default_sh("id -un; id -u; whoami").ok(),
        format!("{name}\n{uid}\n{name}\n")
    );
}

#[test]
fn etc_has_no_secret_of_the_host() {
    let case = Case::new();
    let gone = "for file in shadow gshadow sudoers ssh ssl/private fstab crontab environment netrc pam.d systemd; do test -e /etc/$file && echo $file; done; true";
    assert_eq!(case.default_sh(gone).ok(), "");
    assert_eq!(case.default_sh("cat /etc/machine-id").ok().trim().len(), 32);
    let host = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    assert_ne!(case.default_sh("cat /etc/machine-id").ok(), host);
    assert_eq!(
        case.default_sh("cat /etc/resolv.conf").ok(),
        "nameserver 127.0.0.1\noptions timeout:6 attempts:2\n"
    );
    assert_eq!(
        case.default_sh("hostname; cat /etc/hostname").ok(),
        "mcp-sandbox\nmcp-sandbox\n"
    );
    case.default_sh("echo x >/etc/passwd")
        .failed("cannot create /etc/passwd");
}

#[test]
fn slash_holds_only_what_the_box_has() {
    let case = Case::new();
    let mut command = case.command([
        "run",
        "-q",
        "--",
        "/bin/sh",
        "-c",
        "ls -A /; ls -A /home; ls -A /home/alice /usr /var",
    ]);
    let out = said(command.env("HOME", "/home/alice").output().unwrap()).ok();
    let (top, rest) = out.split_once("\nalice\n").unwrap();
    let merged = [
        "bin", "dev", "etc", "gnu", "home", "lib", "lib32", "lib64", "libx32", "nix", "proc", "run", "sbin",
        "tmp", "usr", "var",
    ];
    assert!(top.lines().all(|name| merged.contains(&name)), "{top}");
    assert!(rest.starts_with("/home/alice:\n\n"), "{rest}");
    assert!(!rest.contains("\nsrc\n") && !rest.contains("\nlog\n"), "{rest}");
    case.default_sh("echo x >/new").failed("Read-only file system");
    case.default_sh("mkdir /usr/new").failed("Read-only file system");
    case.default_sh("echo x >/usr/bin/new")
        .failed("Read-only file system");
}

#[test]
fn the_time_is_the_hosts() {
    let case = Case::new();
    let date = || {
        std::process::Command::new("date")
            .env_remove("TZ")
            .arg("+%Z %z")
            .output()
            .unwrap()
    };
    assert_eq!(case.default_sh("date '+%Z %z'").ok(), said(date()).ok());
    let zone = "import zoneinfo, datetime\nprint(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')).utcoffset())";
    assert_eq!(case.python(zone).ok(), "2:00:00\n");
    let mut command = case.command(["run", "-q", "--", "date", "-d", "@0", "+%H"]);
    assert_eq!(
        said(command.env("TZ", "Asia/Tokyo").output().unwrap()).ok(),
        "09\n"
    );
}

#[test]
fn certificates_can_be_read() {
    let case = Case::new();
    let count = "import ssl\nprint(len(ssl.create_default_context().get_ca_certs()))";
    let number: usize = case.python(count).ok().trim().parse().unwrap();
    let host = std::process::Command::new("python3")
        .args(["-c", count])
        .env("PATH", crate::boxed::PATH)
        .output()
        .unwrap();
    assert_eq!(number, said(host).ok().trim().parse::<usize>().unwrap());
    assert!(number > 10, "{number}");
}

#[test]
fn no_process_and_no_network_of_the_host_is_seen() {
    let case = Case::new();
    let processes = case.default_sh("for p in /proc/[0-9]*; do echo x; done").ok();
    assert_eq!(processes.lines().count(), 2, "init and the server");
    assert_eq!(
        case.default_sh("tail -n +3 /proc/net/dev | cut -d: -f1")
            .ok()
            .trim(),
        "lo"
    );
    let connect = "import socket\ns = socket.socket()\ns.settimeout(5)\ns.connect(('192.0.2.1', 80))";
    let said = case.python(connect);
    assert_eq!(said.code, Some(1));
    said.says(&["Error: [Errno "]);
}
