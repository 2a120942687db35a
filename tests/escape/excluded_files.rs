//! Files that a mount shows and the server does not get, and files that it may read and not change: every call, every
//! other name, and races.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::common::{Host, answer, binaries, hosts, is_root, slowness, words};

/// What a folder needs to be excluded and protected in.
struct Ground<'h> {
    host: &'h Host,
    folder: PathBuf,
    /// Nothing is excluded, all may be changed.
    open: PathBuf,
    shut: PathBuf,
    /// Whether the controls are made: once is enough.
    controls: bool,
}

const WRITABLE: &str = "writable_sensitive = [\".git\", \"HEAD\", \".envrc\", \".vscode\"]";

fn ground(host: &Host) -> Ground<'_> {
    let folder = host.folder().join("ground");
    let profile = |name: &str, exclude: &str, more: &str| {
        let mount = format!(
            "{{ path = \"{}\", access = \"write\"{exclude} }}",
            folder.display()
        );
        host.file(
            name,
            &format!("version = 1\n[filesystem]\nmounts = [{mount}]\n{more}\n"),
        )
    };
    let open = profile("open.toml", "", WRITABLE);
    let exclude = ", exclude = [\".env\", \"/secrets/\", \"a/b/key\", \"*.pem\", \"!public.pem\"]";
    let shut = profile("shut.toml", exclude, "");
    let ground = Ground {
        host,
        folder,
        open,
        shut,
        controls: is_root() == host.is_root(),
    };
    ground.refill();
    ground
}

impl Ground<'_> {
    /// The same files again, whatever was done to them.
    fn refill(&self) {
        let _ = fs::remove_dir_all(&self.folder);
        for folder in [
            "",
            "secrets",
            "public",
            "a",
            "a/b",
            "free",
            ".git",
            ".git/hooks",
            ".git/modules/lib",
            "held",
        ] {
            self.host.directory(&format!("ground/{folder}"));
        }
        for (name, content) in [
            (".env", "secret"),
            ("secrets/file", "secret"),
            ("a/b/key", "secret"),
            ("some.pem", "secret"),
            ("public.pem", "plain"),
            ("public/file", "plain"),
            ("open", "plain"),
            ("free..", "free"),
            (".envrc", "kept"),
            (".git/config", "kept"),
            (".git/hooks/pre-commit", "kept"),
            (".git/index", "free"),
        ] {
            self.host.file(&format!("ground/{name}"), content);
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn attack(&self, profile: &Path, attack: &[&str]) -> crate::common::Answer {
        self.host.boxed(words([&"--profile", &profile]), attack)
    }

    /// Each attack succeeds where nothing is excluded or protected, and none of them here.
    #[track_caller]
    fn only_open(&self, attacks: &[Vec<String>]) {
        let words = |attack: &[String]| -> Vec<String> {
            let word = |word: &String| match word.strip_prefix('@') {
                Some(name) => self.path(name),
                None => word.clone(),
            };
            attack.iter().map(word).collect()
        };
        for attack in attacks.iter().filter(|_| self.controls) {
            self.refill();
            let words = words(attack);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.attack(&self.open, &words).done();
        }
        self.refill();
        let all: Vec<Vec<String>> = attacks.iter().map(|attack| words(attack)).collect();
        let all = all.join(&",".to_owned());
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let answer = self.attack(&self.shut, &all);
        assert_eq!(answer.all().count(), attacks.len());
        for ((_, line), attack) in answer.all().zip(attacks) {
            assert_eq!(line, "stopped: EACCES", "{attack:?}");
        }
        self.unchanged();
    }

    #[track_caller]
    fn unchanged(&self) {
        for name in [".env", "secrets/file", "a/b/key", "some.pem"] {
            assert_eq!(
                fs::read_to_string(self.folder.join(name)).expect("a file"),
                "secret",
                "{name}"
            );
        }
        for name in [".envrc", ".git/config", ".git/hooks/pre-commit"] {
            assert_eq!(
                fs::read_to_string(self.folder.join(name)).expect("a file"),
                "kept",
                "{name}"
            );
        }
    }
}

fn attack(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn what_is_excluded_is_not_read_and_all_else_is() {
    for host in hosts() {
        let ground = ground(&host);
        let names = ["@.env", "@secrets/file", "@a/b/key", "@some.pem", "@free/../.env"];
        ground.only_open(&names.map(|name| attack(&["read", name])));
        for name in ["open", "public/file", "public.pem", ".envrc"] {
            ground.attack(&ground.shut, &["read", &ground.path(name)]).done();
        }
        // Names may be seen.
        let names = ground
            .attack(&ground.shut, &["list", &ground.path("secrets")])
            .done();
        assert_eq!(names, "file");
    }
}

#[test]
fn no_call_changes_what_is_excluded_or_protected() {
    let truncating = libc::O_TRUNC.to_string();
    for host in hosts() {
        let ground = ground(&host);
        let mut attacks = Vec::new();
        for name in ["@.env", "@.envrc", "@.git/config", "@.git/hooks/pre-commit"] {
            let acts = ["write", "append", "truncate", "create", "remove"];
            attacks.extend(acts.map(|act| attack(&[act, name])));
            attacks.push(attack(&["rename", name, "@new"]));
            attacks.push(attack(&["hard-link", name, "@new"]));
            attacks.push(attack(&["rename", "@open", name]));
            attacks.push(attack(&["exchange", name, "@open"]));
            attacks.push(attack(&["exchange", "@open", name]));
            // Without a right to write.
            attacks.push(attack(&["open", name, &truncating]));
        }
        ground.only_open(&attacks);
    }
}

#[test]
fn nothing_new_gets_such_a_name() {
    for host in hosts() {
        let ground = ground(&host);
        let mut attacks = Vec::new();
        for name in [
            "@free/.env",
            "@free/.ENV",
            "@secrets/new",
            "@free/.envrc",
            // A folder's name.
            "@free/.vscode",
            "@.git/hooks/new",
            "@.git/modules/lib/commondir",
            "@.git/modules/lib/hooks",
        ] {
            let acts = ["create-new", "make-folder", "pipe-node"];
            attacks.extend(acts.map(|act| attack(&[act, name])));
            let acts = ["symlink", "hard-link", "rename"];
            attacks.extend(acts.map(|act| attack(&[act, "@open", name])));
            attacks.push(attack(&["unnamed-file", "@free", name]));
        }
        attacks.push(attack(&["unnamed-file", "@secrets", "@free/new"]));
        ground.only_open(&attacks);
    }
}

#[test]
fn no_folder_moves_away_from_its_pattern_or_under_one() {
    for host in hosts() {
        let ground = ground(&host);
        let renames = [
            ("@secrets", "@free/x"),
            ("@a", "@free/x"),
            ("@a/b", "@free/x"),
            ("@.git", "@free/x"),
            ("@.git/hooks", "@free/x"),
            ("@public", "@free/.git"),
        ];
        let mut attacks: Vec<_> = renames
            .iter()
            .map(|(from, to)| attack(&["rename", from, to]))
            .collect();
        for (one, two) in [("@a", "@public"), ("@public", "@.git")] {
            attacks.push(attack(&["exchange", one, two]));
        }
        // What would stand for a repository without being one that patterns lead into.
        attacks.push(attack(&["symlink", "@public", "@free/.git"]));
        attacks.push(attack(&["create-new", "@free/.git"]));
        ground.only_open(&attacks);
        let (free, other) = (ground.path("free"), ground.path("other"));
        ground.attack(&ground.shut, &["rename", &free, &other]).done();
    }
}

/// The server's own memory lies around a mount in its home: a folder on the way to the mount must stay where it is.
#[test]
fn what_lies_around_a_mount_stays_where_it_is() {
    for host in hosts() {
        let source = host.directory("outside");
        host.file("outside/.env", "secret");
        let at = host.home().join("way/to/mount");
        let moved = host.home().join(".cache/moved");
        for access in ["read", "write"] {
            let mount = format!(
                "{{ path = \"{}\", at = \"{}\", access = \"{access}\", exclude = [\".env\"] }}",
                source.display(),
                at.display()
            );
            let text = format!("version = 1\n[filesystem]\nmounts = [{mount}]\n");
            let profile = host.file("held.toml", &text);
            let boxed = |attack: &[&str]| host.boxed(words([&"--profile", &profile]), attack);
            let path = |path: &Path| path.display().to_string();
            let way = path(&host.home().join("way"));
            for from in [way.clone(), format!("{way}/to"), path(&at)] {
                for to in [format!("{way}2"), path(&moved)] {
                    let read = format!("{to}/to/mount/.env");
                    let answer = boxed(&["rename", &from, &to, ",", "read", &read]);
                    answer.all_stopped();
                }
            }
            boxed(&["read", &path(&at.join(".env"))]).stopped("EACCES");
            let own = path(&host.home().join("own"));
            let renamed = format!("{own}2");
            let answer = boxed(&["make-folder", &own, ",", "rename", &own, &renamed]);
            assert!(answer.all().all(|(_, line)| line == "done: done"), "{answer:?}");
        }
    }
}

#[test]
fn other_names_lead_to_the_same_answer() {
    for host in hosts() {
        let ground = ground(&host);
        let link = |name: &str, to: &str| {
            let path = ground.folder.join(name);
            std::os::unix::fs::symlink(to, path).expect("a link");
        };
        let shut = |attack: &[&str]| ground.attack(&ground.shut, attack);
        link("free/link", "../.env");
        link("free/absolute", &ground.path(".env"));
        link("free/folder", "../secrets");
        link("free/nowhere", "../.git/hooks/post-commit");
        for name in ["free/link", "free/absolute", "free/folder/file"] {
            shut(&["read", &ground.path(name)]).stopped("EACCES");
            ground.attack(&ground.open, &["read", &ground.path(name)]).done();
        }
        shut(&["create", &ground.path("free/nowhere")]).stopped("EACCES");
        assert!(!ground.folder.join(".git/hooks/post-commit").exists());
        for way in [
            "/proc/self/root",
            "/proc/self/cwd/../../../../../..",
            "/proc/thread-self/root",
        ] {
            shut(&["read", &format!("{way}{}", ground.path(".env"))]).stopped("EACCES");
        }
        // Hard links that the user has made, before and after others were asked about.
        for (from, to) in [
            (".env", "twin-of-env"),
            ("open", "twin-of-open"),
            (".git/config", "twin-of-config"),
        ] {
            fs::hard_link(ground.folder.join(from), ground.folder.join(to)).expect("a hard link");
        }
        shut(&["read", &ground.path("twin-of-env")]).stopped("EACCES");
        shut(&["read", &ground.path("twin-of-open")]).done();
        shut(&["write", &ground.path("twin-of-config")]).stopped("EACCES");
        shut(&["write", &ground.path("twin-of-open")]).done();
        ground.unchanged();
    }
}

/// A folder that rules are about stays where it is, also for who is shown what lies around it.
#[test]
fn a_mount_in_a_mount_is_not_moved_away_from_its_rules() {
    for host in hosts() {
        let outer = host.directory("outer");
        host.directory("outer/way/inner");
        let profile = |name: &str, exclude: &str| {
            let folder = outer.display();
            let mounts = format!(
                "{{ path = \"{folder}\", at = \"/t\", access = \"write\" }}, \
                 {{ path = \"{folder}/way/inner\", at = \"/s\", access = \"write\"{exclude} }}"
            );
            host.file(name, &format!("version = 1\n[filesystem]\nmounts = [{mounts}]\n"))
        };
        let (open, shut) = (
            profile("open.toml", ""),
            profile("shut.toml", ", exclude = [\"/key\"]"),
        );
        let attack = |profile: &Path, attack: &[&str]| host.boxed(words([&"-p", &profile]), attack);
        host.file("outer/way/inner/key", "secret");
        for path in ["/s/key", "/t/way/inner/key"] {
            attack(&shut, &["read", path]).stopped("EACCES");
            attack(&open, &["read", path]).done();
        }
        for from in ["/t/way", "/t/way/inner"] {
            attack(&shut, &["rename", from, "/t/moved"]).stopped("EBUSY");
        }
        assert!(outer.join("way/inner/key").exists());
    }
}

/// A folder that another box may open comes with a name that means something else here.
#[test]
fn a_folder_of_another_box_gives_nothing() {
    const GIVE: &str = "
import array, os, socket, time
outer = socket.socket(socket.AF_UNIX)
while outer.connect_ex('/share/socket'):
    time.sleep(0.01)
folder = os.open('/tmp/ground/secrets', os.O_RDONLY | os.O_DIRECTORY)
rights = array.array('i', [folder])
outer.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
outer.recv(1)
";
    const TAKE: &str = "
import array, os, socket
inner = socket.socket(socket.AF_UNIX)
inner.bind('/tmp/share/socket')
inner.listen()
peer, _ = inner.accept()
_, rights, _, _ = peer.recvmsg(10, 100)
folder, = array.array('i', rights[0][2])
def attempt(name, open_it):
    try:
        print(name, open_it())
    except OSError as error:
        print(name, 'refused')
attempt('read', lambda: os.read(os.open('file', os.O_RDONLY, dir_fd=folder), 9))
attempt('make', lambda: os.mkdir('made', dir_fd=folder))
attempt('link', lambda: os.link('file', '/tmp/share/twin', src_dir_fd=folder))
os.fchdir(folder)
attempt('read here', lambda: open('file').read())
attempt('own', lambda: open('/tmp/share/own').read())
";
    for host in hosts() {
        let ground = ground(&host);
        let share = host.directory("share");
        host.file("share/own", "own");
        let profile = |name: &str, mounts: &str| {
            let text = format!("version = 1\n[filesystem]\nmounts = [{mounts}]\n");
            host.file(name, &text)
        };
        let giver = profile(
            "giver.toml",
            &format!(
                "{{ path = \"{}\", at = \"/share\", access = \"write\" }}, \
                 {{ path = \"{}\", at = \"/tmp/ground\", access = \"write\" }}",
                share.display(),
                ground.folder.display()
            ),
        );
        let taker = |exclude: &str| {
            let mount = format!(
                "{{ path = \"{}\", at = \"/tmp/share\", access = \"write\"{exclude} }}",
                share.display()
            );
            profile("taker.toml", &mount)
        };
        for exclude in ["", ", exclude = [\"nothing\"]"] {
            let _ = fs::remove_file(share.join("socket"));
            let run = |profile: &Path, script: &str| {
                let mut command = host.run(words([&"--profile", &profile]));
                command.args(["python3", "-c", script]);
                command.stdout(Stdio::piped()).spawn().expect("the sandbox")
            };
            let taking = run(&taker(exclude), TAKE);
            let mut giving = run(&giver, GIVE);
            let output = taking.wait_with_output().expect("the taker");
            assert!(giving.wait().expect("the giver").success());
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let expected = "read refused\nmake refused\nlink refused\nread here refused\nown own\n";
            assert_eq!(said, expected, "{exclude}");
            assert!(!ground.folder.join("secrets/made").exists());
        }
    }
}

/// The other names of a file are looked for in folders that the server may have closed.
#[test]
fn a_folder_that_is_closed_hides_no_twin() {
    for host in hosts() {
        let ground = ground(&host);
        fs::hard_link(
            ground.folder.join("secrets/file"),
            ground.folder.join("free/twin"),
        )
        .expect("a link");
        let script = format!(
            "cd {}; cat free/twin; chmod 000 secrets; chmod 600 free/twin; cat free/twin",
            ground.folder.display()
        );
        let run = |profile: &Path| {
            let mut command = host.run(words([&"--profile", &profile]));
            command.args(["/bin/sh", "-c", &script]);
            let output = command.output().expect("the sandbox");
            fs::set_permissions(ground.folder.join("secrets"), fs::Permissions::from_mode(0o755))
                .expect("ours");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert_eq!(run(&ground.shut), "");
        assert_eq!(run(&ground.open), "secretsecret");
    }
}

/// Nothing that lies where files are excluded is executed by the kernel, whatever its name is by then.
#[test]
fn what_is_excluded_is_not_executed() {
    for host in hosts() {
        let ground = ground(&host);
        let program = ground.folder.join("some.pem");
        fs::copy("/bin/true", &program).expect("a program");
        let run = |profile: &Path| {
            let script = format!("exec {}", program.display());
            let mut command = host.run(words([&"--profile", &profile]));
            command.args(["/bin/sh", "-c", &script]);
            command.status().expect("it is started").code()
        };
        assert_eq!(run(&ground.shut), Some(126));
        assert_eq!(run(&ground.open), Some(0));
    }
}

#[test]
fn a_pipe_without_its_other_side_keeps_nobody_waiting() {
    for host in hosts() {
        let ground = ground(&host);
        let pipe = ground.path("free/pipe");
        let (nothing, other) = (["read", &pipe], ["read", &ground.path("open")]);
        let made = [
            "pipe-node",
            &pipe,
            ",",
            nothing[0],
            nothing[1],
            ",",
            other[0],
            other[1],
        ];
        let answer = ground.attack(&ground.shut, &made);
        let answers: Vec<&str> = answer.all().map(|(_, line)| line).collect();
        assert_eq!(answers, ["done: made", "done: ", "done: plain"]);
    }
}

#[test]
fn races_are_lost() {
    /// Of each of two; one box after the other.
    const SECONDS: &str = "12";
    let few_seconds = (2 * slowness()).to_string();
    for host in hosts() {
        let ground = ground(&host);
        let folder = ground.folder.display().to_string();
        host.file("ground/secrets/file", "secret");
        let run = |profile: &Path, race: &str, seconds: &str| {
            let mut command = host.run(words([&"--profile", &profile]));
            command.arg(&binaries().probe).args([race, &folder, seconds]);
            answer(command).done()
        };
        let counts = |said: &str| -> Vec<(u64, u64)> {
            let number = |text: &str, key: &str| -> u64 {
                let after = text.split(key).nth(1).expect("a count");
                after
                    .split_whitespace()
                    .next()
                    .and_then(|number| number.parse().ok())
                    .expect("a number")
            };
            said.split(';')
                .map(|race| (number(race, "right "), number(race, "wrong ")))
                .collect()
        };
        // Where nothing is excluded each race is won: it is one.
        let said = run(&ground.open, "race-reads", &few_seconds);
        assert!(counts(&said).iter().all(|(_, wrong)| *wrong > 0), "{said}");
        let said = run(&ground.shut, "race-reads", SECONDS);
        assert!(
            counts(&said)
                .iter()
                .all(|(right, wrong)| *right > 0 && *wrong == 0),
            "{said}"
        );
        let said = run(&ground.shut, "race-writes", SECONDS);
        assert!(counts(&said).iter().all(|(right, _)| *right > 0), "{said}");
        ground.unchanged();
        run(&ground.open, "race-writes", &few_seconds);
        let kept = fs::read_to_string(ground.folder.join(".envrc"));
        assert!(kept.is_ok_and(|text| text != "kept"), "the race is one");
    }
}
