//! When something goes wrong the user's file is whole, old or new, and the message says which.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::boxed::{Case, is_root, said, set_mode};
use crate::config::{CURSOR, OWN, cursor, json, server};

/// A configuration of about this many bytes, with servers at its end.
fn large(bytes: usize) -> String {
    let mut text = String::from("{\n  \"projects\": {\n");
    let mut index = 0;
    while text.len() < bytes {
        index += 1;
        text += &format!(
            "    \"/home/alice/{index}\": {{ \"history\": [\"{}\"], \"mcpServers\": {{}} }},\n",
            "x".repeat(200)
        );
    }
    let entry = server("uvx", &["mcp-server-time"]);
    text + &format!(
        "    \"/last\": {{}}\n  }},\n  \"mcpServers\": {{ \"a\": {entry}, \"b\": {entry} }}\n}}\n"
    )
}

/// `mcp-sandbox wrap cursor --yes` in a mount namespace where `setup` was done first; `setup` is a line of shell.
fn in_namespace(case: &Case, setup: &str, after: &str) -> crate::boxed::Said {
    let script = format!("{setup}\n{OWN} wrap cursor --yes\ncode=$?\n{after}\nexit $code");
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", case.path("home"))
        .env("FOLDER", case.path("home/.cursor"))
        .env("STATE", case.path("home/.local/state"))
        .env("OLD", case.path("data/old.json"))
        .current_dir(case.path("work"))
        .stdin(Stdio::null());
    said(command.output().unwrap())
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let case = Case::new();
    case.folder("home/.cursor");
    case.write("data/old.json", &large(40_000));
    // The old file fits, a second one does not.
    let setup =
        |size: &str| format!("mount -t tmpfs -o size={size} none $FOLDER && cp $OLD $FOLDER/mcp.json");
    let after = "cmp $OLD $FOLDER/mcp.json && echo same; ls -A $FOLDER";
    let full = in_namespace(&case, &setup("64k"), after);
    full.says(&["cannot write a new file beside", "is whole and as it was"]);
    assert_eq!(full.code, Some(125));
    assert!(full.out.ends_with("same\nmcp.json\n"), "{full:?}");
    // The control: with room it is written.
    let room = in_namespace(&case, &setup("1M"), after);
    assert_eq!(room.code, Some(0), "{room:?}");
    assert!(!room.out.contains("same\n"), "{room:?}");
}

#[test]
fn a_full_disk_for_the_copy_leaves_the_old_file() {
    let case = Case::new();
    case.write(CURSOR, &large(40_000));
    case.folder("home/.local/state");
    let full = in_namespace(&case, "mount -t tmpfs -o size=24k none $STATE", "true");
    full.says(&["cannot write", "backups", "is whole and as it was"]);
    assert_eq!(full.code, Some(125));
    assert_eq!(case.read(CURSOR), large(40_000));
}

#[test]
fn a_folder_that_cannot_be_written_to_leaves_the_old_file() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    let setup = "mount --bind $FOLDER $FOLDER && mount -o remount,bind,ro $FOLDER";
    let said = in_namespace(&case, setup, "true");
    said.says(&["cannot make a new file beside", "is whole and as it was"]);
    assert_eq!((said.code, case.read(CURSOR)), (Some(125), old));
}

#[test]
fn a_read_only_file_stays_as_it_is() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    set_mode(&case.path(CURSOR), 0o444);
    let said = case.cli(["wrap", "cursor", "--yes"]);
    said.says(&["is read-only", "chmod u+w", "is whole and as it was"]);
    assert_eq!((said.code, case.read(CURSOR)), (Some(125), old));
    set_mode(&case.path(CURSOR), 0o644);
    case.cli(["wrap", "cursor", "--yes"]).ok();
}

#[test]
fn what_is_no_file_is_left() {
    let case = Case::new();
    case.folder(CURSOR);
    case.cli(["wrap", "cursor", "--yes"])
        .says(&["mcp.json\" is a folder"]);
    let other = Case::new();
    other.folder("home/.cursor");
    nix::unistd::mkfifo(&other.path(CURSOR), nix::sys::stat::Mode::S_IRWXU).unwrap();
    other
        .cli(["wrap", "cursor", "--yes"])
        .says(&["mcp.json\" is no ordinary file"]);
    // Others are boxed all the same, and the exit code tells.
    let text = format!(
        "{{\"mcpServers\": {{\"a\": {}}}}}",
        server("uvx", &["mcp-server-time"])
    );
    case.write("home/.gemini/settings.json", &text);
    let said = case.cli(["wrap", "--all", "--yes"]);
    assert_eq!(said.code, Some(125));
    assert!(case.read("home/.gemini/settings.json").contains(OWN));
    // A link that leads nowhere is no configuration.
    let third = Case::new();
    third.folder("home/.cursor");
    std::os::unix::fs::symlink("nowhere", third.path("home/.cursor").join("mcp.json")).unwrap();
    third
        .cli(["wrap", "--all", "--yes"])
        .says(&["no MCP client has a configuration here"]);
    assert!(!third.exists("home/.cursor/nowhere"));
}

#[test]
fn a_file_that_does_not_parse_is_refused() {
    let case = Case::new();
    for text in [
        "",
        "{\"mcpServers\": {\"a\": {\"command\": \"uvx\"}}",
        "not json",
        "\u{0}",
    ] {
        case.write(CURSOR, text);
        let said = case.cli(["wrap", "cursor", "--yes"]);
        let fine = text.is_empty();
        assert_eq!(said.code, Some(if fine { 0 } else { 125 }), "{text:?}: {said:?}");
        assert!(fine || said.err.contains("it does not parse"), "{said:?}");
        assert_eq!(case.read(CURSOR), text);
    }
}

/// Runs us under strace, stopped after each call of `step`; `meanwhile` is done once, at the first stop that finds it `there`.
fn held_up(
    case: &Case,
    step: &str,
    there: impl Fn() -> bool,
    meanwhile: impl FnOnce(),
) -> crate::boxed::Said {
    let came = Cell::new(false);
    let said = held_up_if(case, step, there, || {
        came.set(true);
        meanwhile();
    });
    assert!(came.get(), "it never came there");
    said
}

/// The same, where it need not come there.
fn held_up_if(
    case: &Case,
    step: &str,
    there: impl Fn() -> bool,
    meanwhile: impl FnOnce(),
) -> crate::boxed::Said {
    let trace = case.path("data/trace");
    // The stops of an earlier run would be taken for its own, and each answered before it comes.
    let _ = fs::remove_file(&trace);
    let mut command = Command::new("strace");
    command
        .args(["-qq", "-e", &format!("inject={step}:signal=STOP"), "-o"])
        .arg(&trace)
        .args([OWN, "wrap", "cursor", "--yes"])
        .env_clear()
        .env("HOME", case.path("home"))
        .current_dir(case.path("work"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let (mut stops, mut meanwhile) = (0, Some(meanwhile));
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        let text = fs::read_to_string(&trace).unwrap_or_default();
        let now = text.matches("--- stopped by SIGSTOP").count();
        if now == stops {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        }
        stops = now;
        if there()
            && let Some(act) = meanwhile.take()
        {
            act();
        }
        // The last stop may be over already.
        if let Ok(ours) = fs::read_to_string(&children).unwrap_or_default().trim().parse() {
            let _ = kill(Pid::from_raw(ours), Signal::SIGCONT);
        }
    }
    said(child.wait_with_output().unwrap())
}

/// The new file lies beside the old one.
fn half_done(case: &Case) -> bool {
    fs::read_dir(case.path("home/.cursor")).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().starts_with(".mcp.json.mcp-sandbox-")
    })
}

#[test]
fn a_file_that_changes_meanwhile_is_not_overwritten() {
    let case = Case::new();
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    let theirs = "{\"mcpServers\": {}, \"theirs\": true}";
    let said = held_up(
        &case,
        "fsync",
        || half_done(&case),
        || drop(case.write(CURSOR, theirs)),
    );
    said.says(&[
        "changed after it was read",
        "close the client",
        "is whole and as it was",
    ]);
    assert_eq!((said.code, case.read(CURSOR).as_str()), (Some(125), theirs));
    assert!(!half_done(&case));
    // The control: it is written when nobody writes.
    cursor(&case, &server("uvx", &["mcp-server-time"]));
    let said = held_up(&case, "fsync", || half_done(&case), || {});
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(case.read(CURSOR).contains(OWN));
}

/// A client puts a file of its own there, at any moment: what it wrote is what is there in the end.
#[test]
fn what_another_program_puts_there_is_never_lost() {
    let theirs = "{\"theirs\": true}\n";
    let (mut told, mut later) = (0, 0);
    for turn in 0.. {
        let case = Case::new();
        cursor(&case, &server("uvx", &["mcp-server-time"]));
        let (seen, came) = (Cell::new(0), Cell::new(false));
        let at_turn = || {
            let past = half_done(&case);
            seen.set(seen.get() + usize::from(past));
            came.set(came.get() || past && seen.get() > turn);
            past && seen.get() > turn
        };
        let said = held_up_if(&case, "read,close,fsync", at_turn, || {
            let new = case.write("home/.cursor/new", theirs);
            fs::rename(new, case.path(CURSOR)).unwrap();
        });
        if !came.get() {
            break;
        }
        assert_eq!(case.read(CURSOR), theirs, "at {turn}: {said:?}");
        match said.code {
            Some(125) => told += 1,
            _ => later += 1,
        }
        assert!(!half_done(&case) && !case.exists("home/.cursor/new"));
    }
    assert!(told >= 3 && later >= 1, "{told} told, {later} after it was done");
}

/// A client has the old file open and writes into it at the moment of the change: the change is taken back.
#[test]
fn a_write_at_the_same_moment_is_kept() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    let mut open = File::options().append(true).open(case.path(CURSOR)).unwrap();
    let number = open.metadata().unwrap().ino();
    let replaced = || fs::metadata(case.path(CURSOR)).unwrap().ino() != number;
    let said = held_up(&case, "?rename,?renameat,renameat2", replaced, || {
        open.write_all(b"// theirs\n").unwrap();
    });
    said.says(&["changed after it was read", "is whole"]);
    assert_eq!(
        (said.code, case.read(CURSOR)),
        (Some(125), format!("{old}// theirs\n"))
    );
    assert!(!half_done(&case));
}

/// The same after the change: what it wrote went into a file without a name, and is kept.
#[test]
fn a_write_that_comes_too_late_is_kept() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    let mut open = File::options().append(true).open(case.path(CURSOR)).unwrap();
    let number = open.metadata().unwrap().ino();
    let done = || fs::metadata(case.path(CURSOR)).unwrap().ino() != number && !half_done(&case);
    let said = held_up(&case, "fsync", done, || open.write_all(b"// theirs\n").unwrap());
    said.says(&[
        "was written by somebody else at the same moment",
        "what they wrote is in",
        "holds the new text",
    ]);
    assert_eq!(said.code, Some(125));
    assert_eq!(json(&case)["mcpServers"]["a"]["command"], OWN);
    let kept = said
        .err
        .split('"')
        .find(|part| part.contains("/backups/"))
        .unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), format!("{old}// theirs\n"));
}

/// A client that rewrites its file all the time, as some do: whoever reads finds a whole file, and we say how it ended.
#[test]
fn a_client_that_runs_and_writes() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    let path = case.path(CURSOR);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // In place, byte by byte, as careless programs do.
                let mut file = File::create(&path).unwrap();
                old.bytes().for_each(|byte| file.write_all(&[byte]).unwrap());
                drop(file);
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        for _ in 0..10 {
            let said = case.cli(["wrap", "cursor", "--yes"]);
            match said.code {
                Some(0) => {}
                Some(125) => assert!(
                    [
                        "changed after",
                        "does not parse",
                        "all the time",
                        "at the same moment"
                    ]
                    .iter()
                    .any(|part| said.err.contains(part)),
                    "{said:?}"
                ),
                _ => panic!("{said:?}"),
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let text = case.read(CURSOR);
    assert!(
        text == old || json(&case)["mcpServers"]["a"]["command"] == OWN,
        "{text}"
    );
    case.cli(["wrap", "cursor", "--yes"]).ok();
    case.cli(["unwrap", "cursor", "--yes"]).ok();
    assert_eq!(case.read(CURSOR), old);
}

#[test]
fn many_at_once_do_it_once() {
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    for (words, done) in [("wrap", true), ("unwrap", false)] {
        let children: Vec<_> = (0..6)
            .map(|_| {
                let mut command = case.command([words, "cursor", "--yes"]);
                command.stdout(Stdio::null()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        let all: Vec<_> = children
            .into_iter()
            .map(|child| child.wait_with_output().unwrap())
            .collect();
        assert!(all.iter().all(|output| output.status.success()), "{all:?}");
        let wrote = all
            .iter()
            .filter(|output| String::from_utf8_lossy(&output.stderr).contains("boxed servers in"))
            .count();
        assert_eq!(wrote, 1, "{all:?}");
        assert_eq!(case.read(CURSOR) != old, done);
    }
    assert_eq!(case.read(CURSOR), old);
}

#[test]
fn five_megabytes_are_no_matter() {
    let case = Case::new();
    let old = large(5_000_000);
    case.write("home/.claude.json", &old);
    let start = Instant::now();
    case.cli(["wrap", "claude-code", "--yes"]).ok();
    let new = case.read("home/.claude.json");
    assert!(new.contains(OWN) && new.len() < old.len() + 1000);
    case.cli(["unwrap", "claude-code", "--yes"]).ok();
    assert_eq!(case.read("home/.claude.json"), old);
    // Far more than it takes, even unoptimized on a busy machine.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let case = Case::new();
    case.folder("home/.cursor");
    File::create(case.path(CURSOR))
        .unwrap()
        .set_len(65 << 20)
        .unwrap();
    case.cli(["wrap", "cursor", "--yes"])
        .says(&["is longer than 64 MiB"]);
}

#[test]
fn for_root_a_file_whose_owner_cannot_be_kept_is_left() {
    if !is_root() {
        return;
    }
    // Another user's file in a folder of ours: renamed over, it would become ours.
    let case = Case::new();
    let old = cursor(&case, &server("uvx", &["mcp-server-time"]));
    std::os::unix::fs::chown(case.path("home"), Some(65534), Some(65534)).unwrap();
    std::os::unix::fs::chown(case.path("home/.cursor"), Some(65534), Some(65534)).unwrap();
    // The checkout may be out of that user's reach.
    let program = case.path("data/mcp-sandbox");
    fs::copy(OWN, &program).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&program)
        .args(["wrap", "cursor", "--yes"])
        .env_clear()
        .env("HOME", case.path("home"))
        .current_dir("/");
    let said = said(command.output().unwrap());
    said.says(&["owner and rights", "is whole and as it was"]);
    assert_eq!(case.read(CURSOR), old);
    assert_eq!(fs::metadata(case.path(CURSOR)).unwrap().uid(), 0);
}
