//! Read-only mounts: no call changes a file, its name, owner, mode, times or attributes.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::common::{Host, NO_FLAGS, answer, hosts, root_hosts, words};

/// Each act with a fresh pair of files; the words `FILE`, `OTHER` and `NEW` stand for paths in the folder.
const ACTS: [&[&str]; 17] = [
    &["write", "FILE"],
    &["append", "FILE"],
    &["truncate", "FILE"],
    &["create-new", "NEW"],
    &["make-folder", "NEW"],
    &["remove", "FILE"],
    &["rename", "FILE", "NEW"],
    &["rename", "FILE", "OTHER"],
    &["exchange", "FILE", "OTHER"],
    &["hard-link", "FILE", "NEW"],
    &["symlink", "FILE", "NEW"],
    &["unnamed-file", "FOLDER", "NEW"],
    &["chmod", "FILE", "448"],
    &["chown", "FILE", "OWNER"],
    &["set-times", "FILE"],
    &["set-attribute", "FILE", "user.probe"],
    &["pipe-node", "NEW"],
];

fn act(host: &Host, folder: &Path, act: &[&str]) -> Vec<String> {
    let _ = std::fs::remove_dir_all(folder);
    host.directory("files");
    host.file("files/file", "content");
    host.file("files/other", "content");
    let owner = host.bare(&["identity"]).done();
    let owner = owner.split(' ').nth(1).expect("Uid: N").to_owned();
    let path = |name: &str| folder.join(name).display().to_string();
    act.iter()
        .map(|word| match *word {
            "FILE" => path("file"),
            "OTHER" => path("other"),
            "NEW" => path("new"),
            "FOLDER" => folder.display().to_string(),
            "OWNER" => owner.clone(),
            other => other.to_owned(),
        })
        .collect()
}

#[test]
fn nothing_on_a_read_only_mount_can_be_changed() {
    for host in hosts() {
        let folder = host.folder().join("files");
        for words_of_act in ACTS {
            for (flag, expected) in [("--read", "EROFS"), ("--write", "")] {
                let attack = act(&host, &folder, words_of_act);
                let attack: Vec<&str> = attack.iter().map(String::as_str).collect();
                let answer = host.boxed(words([&flag, &folder]), &attack);
                match expected {
                    "" => drop(answer.done()),
                    errno => answer.stopped(errno),
                }
            }
        }
    }
}

/// The system's folders are root's, and root in the box is still not root of the host.
#[test]
fn the_systems_folders_cannot_be_changed() {
    for host in hosts() {
        host.boxed(NO_FLAGS, &["create-new", "/usr/bin/probe"])
            .stopped("EROFS");
        host.boxed(NO_FLAGS, &["create-new", "/etc/probe"])
            .stopped("EROFS");
        host.boxed(NO_FLAGS, &["create-new", "/probe"]).stopped("EROFS");
        host.boxed(NO_FLAGS, &["chmod", "/usr/bin", "511"])
            .stopped("EROFS");
    }
}

/// The device nodes in the box are the host's own: their mode and times must not be the server's to change.
#[test]
fn the_hosts_device_nodes_cannot_be_changed() {
    for host in hosts() {
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let path = format!("/dev/{name}");
            host.boxed(NO_FLAGS, &["chmod", &path, "438"]).stopped("EROFS");
            host.boxed(NO_FLAGS, &["set-times", &path]).stopped("EROFS");
        }
        // Still devices: what is written goes nowhere, and what is read is zeroes.
        host.boxed(NO_FLAGS, &["write", "/dev/null"]).done();
        host.boxed(NO_FLAGS, &["open", "/dev/zero", "2"]).done();
    }
    for host in root_hosts() {
        host.bare(&["chmod", "/dev/null", "438"]).done();
    }
}

#[test]
fn device_nodes_cannot_be_made() {
    for host in hosts() {
        let folder = host.directory("writable");
        let path = folder.join("node").display().to_string();
        // The kernel's memory.
        host.boxed(words([&"--write", &folder]), &["device", &path, "1", "1"])
            .stopped("EPERM");
        host.boxed(NO_FLAGS, &["device", "/tmp/node", "1", "1"])
            .stopped("EPERM");
    }
    for host in root_hosts() {
        let path = host.folder().join("node").display().to_string();
        // /dev/null again: harmless.
        host.bare(&["device", &path, "1", "3"]).done();
    }
}

/// A folder with `tools/hooks/pre-commit` in it. Not `.git`: those are protected without a mount of their own.
fn repository(host: &Host) -> PathBuf {
    let _ = std::fs::remove_dir_all(host.folder().join("repo"));
    for folder in ["repo", "repo/tools", "repo/tools/hooks"] {
        host.directory(folder);
    }
    host.file("repo/tools/hooks/pre-commit", "the user's own");
    host.folder().join("repo")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Renaming a mount point is EBUSY (rename(2)); so must be renaming any folder on the way to it, or the server puts its
/// own in place of what was read-only.
#[test]
fn no_folder_around_a_read_only_mount_can_be_renamed() {
    for host in hosts() {
        for (guard, errno) in [(Some("tools/hooks"), "EBUSY"), (None, "")] {
            for name in ["tools", "tools/hooks"] {
                let repo = repository(&host);
                let mut flags = words([&"--write", &repo]);
                flags.extend(
                    guard
                        .iter()
                        .flat_map(|inner| words([&"--read", &repo.join(inner)])),
                );
                let from = repo.join(name);
                let (from, to) = (text(&from), text(&from.with_file_name("old")));
                let answer = host.boxed(&flags, &["rename", &from, &to]);
                match errno {
                    "" => drop(answer.done()),
                    errno => answer.stopped(errno),
                }
                if guard.is_some() {
                    host.boxed(&flags, &["make-folder", &to]).done();
                    host.boxed(&flags, &["exchange", &from, &to]).stopped("EBUSY");
                }
            }
        }
        // All else stays writable, on the way too.
        let repo = repository(&host);
        let flags = words([&"--write", &repo, &"--read", &repo.join("tools/hooks")]);
        host.boxed(&flags, &["create-new", &text(&repo.join("tools/index"))])
            .done();
        host.boxed(&flags, &["write", &text(&repo.join("tools/hooks/pre-commit"))])
            .stopped("EROFS");
        let kept = std::fs::read_to_string(repo.join("tools/hooks/pre-commit"));
        assert_eq!(kept.expect("a file"), "the user's own");
    }
}

#[test]
fn a_read_only_mount_is_read_only_by_every_name() {
    for host in hosts() {
        let repo = repository(&host);
        let hooks = repo.join("tools/hooks");
        let alias = format!("{}:/alias", repo.display());
        let attack = ["write", "/alias/tools/hooks/pre-commit"];
        let guarded = words([&"--write", &repo, &"--write", &alias, &"--read", &hooks]);
        host.boxed(&guarded, &attack).stopped("EROFS");
        host.boxed(&guarded, &["rename", "/alias/tools", "/alias/old"])
            .stopped("EBUSY");
        host.boxed(words([&"--write", &alias, &"--read", &hooks]), &attack)
            .stopped("EROFS");
        host.boxed(&guarded, &["create-new", "/alias/tools/index"]).done();
        host.boxed(words([&"--write", &repo, &"--write", &alias]), &attack)
            .done();
    }
}

/// The script of an interpreter, below folders that arguments make writable.
#[test]
fn the_script_stays_as_it_is_by_every_name() {
    // Paths that are no arguments, which would be mounted themselves.
    const SCRIPT: &str = "import os, sys\n\
        sys.argv = [word.replace('|', '/') for word in sys.argv]\n\
        try:\n    \
            if sys.argv[1] == 'write': open(sys.argv[2], 'a').close()\n    \
            else: os.rename(sys.argv[2], sys.argv[3])\n    \
            print('act done: ')\n\
        except OSError as error: print('act stopped:', __import__('errno').errorcode[error.errno])\n";
    for host in hosts() {
        let profile = host.file("write.toml", "version = 1\n[filesystem]\npath_args = \"write\"\n");
        host.directory("project");
        let sub = host.directory("project/sub");
        let script = host.file("project/sub/s.py", SCRIPT);
        host.file("project/sub/other.py", "");
        let (alias, file) = (host.folder().join("alias"), host.folder().join("alias.py"));
        symlink(host.folder().join("project"), &alias).expect("a link");
        symlink(&script, &file).expect("a link");
        let run_as = |written: &str, cwd: &Path, act: &[&str]| {
            let mut command = host.run(words([&"--profile", &profile]));
            command
                .current_dir(cwd)
                .args(["python3", written])
                .args(act.iter().map(|word| word.replace('/', "|")))
                .args([&alias, &file]);
            answer(command)
        };
        let run = |act: &[&str]| run_as("project/sub/s.py", host.folder(), act);
        for name in [&script, &alias.join("sub/s.py"), &file] {
            run(&["write", &text(name)]).stopped("EROFS");
            run_as("s.py", &sub, &["write", &text(name)]).stopped("EROFS");
        }
        for name in [&sub, &alias.join("sub")] {
            run(&["rename", &text(name), &text(&name.with_file_name("old"))]).stopped("EBUSY");
        }
        for name in [&sub, &alias.join("sub")] {
            run(&["write", &text(&name.join("other.py"))]).done();
        }
        host.directory("project/free");
        let free = alias.join("free");
        run(&["rename", &text(&free), &text(&alias.join("old"))]).done();
    }
}
