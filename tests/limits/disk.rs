//! `resources.disk`: private folders by their size, what is mounted writable by its growth.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::common::{Host, hosts, is_root, ordinary_host};
use crate::loads::{Outcome, shell};

/// Fills a folder of the host that is mounted at /w.
fn fill(host: &Host, disk: &str, script: &str) -> Outcome {
    let name = crate::common::unique("folder");
    let folder = host.directory(&name);
    fs::write(folder.join("old"), vec![1; 3_000_000]).expect("a file");
    host.give(&folder.join("old"));
    let mount = format!("{}:/w", folder.display());
    let outcome = shell(host, &format!("disk = \"{disk}\""), &["--write", &mount], script);
    fs::remove_dir_all(folder).expect("the folder is ours");
    outcome
}

/// The box is ended while the script waits.
fn ended(host: &Host, script: &str) {
    let script = format!("{script}; sleep 100; echo still here");
    let outcome = fill(host, "20MB", &script);
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(137), ""),
        "{outcome:#?}"
    );
    outcome.reached("disk", "20MB");
}

const SETTLE: &str = "sleep 2.5; echo still here";

#[test]
fn one_large_file() {
    let write = "head -c 60000000 /dev/zero >/w/new";
    for host in hosts() {
        fill(&host, "200MB", &format!("{write}; {SETTLE}")).done("still here\n");
        ended(&host, write);
    }
}

#[test]
fn space_that_is_only_reserved() {
    let reserve = "fallocate -l 60000000 /w/new";
    for host in hosts() {
        fill(&host, "200MB", &format!("{reserve}; {SETTLE}")).done("still here\n");
        ended(&host, reserve);
    }
}

#[test]
fn many_small_files() {
    let write = "python3 -c 'for i in range(12000): open(f\"/w/{i}\", \"w\")'";
    for host in hosts() {
        fill(&host, "200MB", &format!("{write}; {SETTLE}")).done("still here\n");
        ended(&host, write);
    }
}

/// What a walk over names does not meet, or cannot enter.
#[test]
fn files_that_are_hard_to_find() {
    let held = "print(\"held\", flush=True); time.sleep(100)";
    let ways = [
        ("no name", "f = open(\"f\", \"wb\"); os.unlink(\"f\")"),
        (
            "never a name",
            "f = open(os.open(\".\", os.O_TMPFILE | os.O_WRONLY, 0o600), \"wb\")",
        ),
        (
            "a closed folder",
            "os.mkdir(\"d\"); f = open(\"d/f\", \"wb\"); os.chmod(\"d\", 0)",
        ),
        (
            "a folder that can be listed",
            "os.mkdir(\"d\"); f = open(\"d/f\", \"wb\"); os.chmod(\"d\", 0o444)",
        ),
        (
            "a deep folder",
            "[(os.mkdir(\"d\"), os.chdir(\"d\")) for i in range(600)]; f = open(\"f\", \"wb\")",
        ),
    ];
    for host in hosts() {
        for (way, make) in ways {
            let write = format!(
                "python3 -c 'import os, time; os.chdir(\"/w\"); {make}; f.write(bytes(60_000_000)); f.flush(); {held}'"
            );
            let free = write.replace("time.sleep(100)", "time.sleep(1.2)");
            let open = "chmod -f 700 /w/d; true";
            let outcome = fill(&host, "200MB", &format!("{free}; {open}"));
            assert_eq!(outcome.out, "held\n", "{way}: {outcome:#?}");
            outcome.done("held\n");
            let outcome = fill(&host, "20MB", &write);
            assert_eq!(outcome.code, Some(137), "{way}: {outcome:#?}");
            outcome.reached("disk", "20MB");
        }
    }
}

/// A folder that somebody else has closed, and writes to: the box cannot.
#[test]
fn what_others_do_behind_closed_doors_is_theirs() {
    if is_root() {
        let ordinary = ordinary_host();
        let folder = ordinary.directory("shared");
        let closed = folder.join("closed");
        fs::create_dir(&closed).expect("a folder");
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).expect("ours");
        let mount = format!("{}:/w", folder.display());
        let theirs = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(700));
            fs::write(closed.join("theirs"), vec![1; 60_000_000]).expect("room");
        });
        let script = "sleep 3; echo still here";
        shell(&ordinary, "disk = \"20MB\"", &["--write", &mount], script).done("still here\n");
        theirs.join().expect("they can write");
    }
}

/// Nobody waits for these processes, and each is gone before anybody looks.
#[test]
fn processes_that_end_at_once() {
    let write = "python3 -c '
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for i in range(60):
    if os.fork() == 0:
        open(f\"/w/{i}\", \"wb\").write(b\"x\" * 1_000_000)
        os._exit(0)'";
    for host in hosts() {
        fill(&host, "200MB", &format!("{write}; {SETTLE}")).done("still here\n");
        ended(&host, write);
    }
}

/// Neither what was there before, nor holes, nor what is written again and again.
#[test]
fn what_takes_no_space_is_free() {
    let harmless = "truncate -s 1G /w/hole; touch /w/old; for i in 1 2 3 4 5 6 7 8; do head -c 10000000 /dev/zero >/w/same; done";
    for host in hosts() {
        fill(&host, "20MB", &format!("{harmless}; {SETTLE}")).done("still here\n");
    }
}

#[test]
fn private_folders_are_full_at_their_size() {
    let script =
        "for place in ~ /tmp; do head -c 30000000 /dev/zero >$place/x 2>/dev/null; stat -c %s $place/x; done";
    for host in hosts() {
        shell(&host, "disk = \"100MB\"", &[], script).done("30000000\n30000000\n");
        // Whole pages of 4 KiB; the server sees ENOSPC.
        shell(&host, "disk = \"8MiB\"", &[], script).done("8388608\n8388608\n");
        let many = "cd ~; i=0; while [ $i -lt 3000 ] && true >$i; do i=$((i+1)); done 2>/dev/null; [ $i -lt 3000 ] && echo full || echo all";
        shell(&host, "disk = \"100MB\"", &[], many).done("all\n");
        shell(&host, "disk = \"8MiB\"", &[], many).done("full\n");
    }
}
