//! `exclude` of a mount, and `writable_sensitive`: each with what it changes, and programs that must not notice.

use serde_json::Value;

use crate::boxed::{Case, PROFILE};

fn mount(case: &Case, access: &str, more: &str, rest: &str) {
    case.profile(&format!(
        "[filesystem]\nmounts = [{{ path = \"${{profile_dir}}/../data\", at = \"/d\", access = \"{access}\"{more} }}]\n{rest}"
    ));
}

#[test]
fn exclude_takes_files_out_of_a_mount() {
    let case = Case::new();
    case.write("data/.env", "secret\n");
    case.write("data/sub/.env", "secret\n");
    case.write("data/sub/a.env", "plain\n");
    mount(&case, "read", "", "");
    assert_eq!(case.sh("cat /d/.env /d/sub/.env").ok(), "secret\nsecret\n");
    mount(&case, "read", ", exclude = [\".env\"]", "");
    case.sh("cat /d/.env").failed("Permission denied");
    case.sh("cat /d/sub/.env").failed("Permission denied");
    assert_eq!(
        case.sh("cd /d/sub && cat ../file a.env; ls -A /d").ok(),
        "data\nplain\n.env\nfile\nsub\n"
    );
    mount(&case, "read", ", exclude = []", "");
    assert_eq!(case.sh("cat /d/.env").ok(), "secret\n");
}

#[test]
fn exclude_holds_for_what_appears_later() {
    let case = Case::new();
    mount(&case, "read", ", exclude = [\".env\", \"later/\"]", "");
    let mut command = case.command([
        "run",
        "--quiet",
        "-p",
        PROFILE,
        "--",
        "/bin/sh",
        "-c",
        "echo ready; read line; cat /d/.env; cat /d/later/x; cat /d/moved; cat /d/file",
    ]);
    command.stdin(std::process::Stdio::piped());
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    case.write("data/.env", "secret\n");
    case.write("data/later/x", "secret\n");
    case.write("data/other", "moved\n");
    std::fs::rename(case.path("data/other"), case.path("data/moved")).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "moved\ndata\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("Permission denied").count(), 2, "{said}");
}

#[test]
fn exclude_holds_by_every_name_of_the_folder() {
    let case = Case::new();
    case.write("data/sub/.env", "secret\n");
    let data = case.text("data");
    case.profile(&format!(
        "[filesystem]\nmounts = [{{ path = \"{data}\", at = \"/d\", exclude = [\".env\"] }}, \
         {{ path = \"{data}/sub\", at = \"/s\" }}, {{ path = \"{data}\", at = \"/e\" }}]"
    ));
    for path in ["/d/sub/.env", "/s/.env", "/e/sub/.env"] {
        case.sh(&format!("cat {path}")).failed("Permission denied");
    }
    case.sh_with(&["--read", &format!("{data}:/d")], "cat /d/sub/.env")
        .failed("Permission denied");
    case.sh_with(&["--read", &format!("{data}/sub/.env:/f")], "cat /f")
        .refused(&["/sub/.env\" is excluded: \".env\" (", "p.toml:3)"]);
}

#[test]
fn a_file_can_be_mounted_inside_a_folder_with_exclusions() {
    let case = Case::new();
    case.write("data/inner", "inner\n");
    case.write("data/.env", "secret\n");
    case.profile(&format!(
        "[filesystem]\nmounts = [\n{{ path = {0:?}, access = \"write\", exclude = [\".env\"] }},\n{{ path = \"{0}/inner\" }},\n]",
        case.text("data")
    ));
    let inside = format!(
        "cd {:?}; cat inner file; echo new > made; echo x > inner",
        case.text("data")
    );
    let said = case.sh(&inside);
    said.says(&["Read-only file system"]);
    assert_eq!(said.out, "inner\ndata\n");
    assert_eq!(
        (case.read("data/made").as_str(), case.read("data/inner").as_str()),
        ("new\n", "inner\n")
    );
    case.sh(&format!("cat {:?}", case.text("data/.env")))
        .failed("Permission denied");
}

#[test]
fn patterns_that_do_nothing_are_refused() {
    let case = Case::new();
    for (pattern, why) in [
        ("", "matches nothing"),
        ("# x", "matches nothing"),
        ("a/../b", "matches nothing"),
    ] {
        mount(&case, "read", &format!(", exclude = [\"{pattern}\"]"), "");
        case.sh("true")
            .refused(&["p.toml:3:", why, "hint: a line of .gitignore"]);
    }
    case.profile("[filesystem]\nmounts = [{ path = \"${profile_dir}/../data/file\", exclude = [\"a\"] }]");
    case.sh("true")
        .refused(&["is a file, and \"exclude\" is for folders"]);
}

#[test]
fn writable_sensitive_gives_back_what_is_protected() {
    let case = Case::new();
    case.write("data/.envrc", "old\n");
    let script = "cat /d/.envrc; echo new >/d/.envrc";
    mount(&case, "write", "", "");
    case.sh(script).failed("Permission denied");
    assert_eq!(case.read("data/.envrc"), "old\n");
    for name in [
        ".mcp.json",
        ".vscode/tasks.json",
        ".github/workflows/x.yml",
        "sub/.git/hooks/x",
    ] {
        let script = format!("mkdir -p $(dirname /d/{name}) && echo x >/d/{name}");
        assert_ne!(case.sh(&script).code, Some(0), "{name}");
        assert!(!case.exists(&format!("data/{name}")));
    }
    mount(&case, "write", "", "writable_sensitive = [\".envrc\"]");
    assert_eq!(case.sh(script).ok(), "old\n");
    assert_eq!(case.read("data/.envrc"), "new\n");
    case.sh("echo x >/d/.mcp.json").failed("Permission denied");
    mount(&case, "write", "", "writable_sensitive = [\".envr\"]");
    case.sh("true").refused(&[
        "p.toml:4:",
        "\".envr\" is no file that is protected",
        "did you mean \".envrc\"?",
    ]);
}

#[test]
fn what_was_refused_is_told_once_and_counted() {
    let case = Case::new();
    case.write("data/.env", "secret\n");
    mount(&case, "read", ", exclude = [\".env\"]", "");
    let status = case.text("work/status.json");
    let said = case.sh_with(&["--status-file", &status], "cat /d/.env /d/.env; cat /d/file");
    assert_eq!(said.out, "data\n");
    let line = "mcp-sandbox: blocked: /d/.env: \".env\" in exclude (../conf/p.toml:3); to allow it, ";
    assert_eq!(said.err.matches(line).count(), 1, "{}", said.err);
    let json: Value = serde_json::from_str(&case.read("work/status.json")).unwrap();
    assert_eq!(
        json["blocked_files"],
        serde_json::json!([{"path": "/d/.env", "count": 2}])
    );
}

/// A repository whose settings and hooks are protected.
#[test]
fn git_works_in_a_writable_repository() {
    let case = Case::new();
    let outside = "git init -q -b main . && git config user.name n && git config user.email e@x && git add . && git commit -qm one";
    let made = case.command(["--version"]).get_current_dir().map(|_| {
        std::process::Command::new("/bin/sh")
            .args(["-c", outside])
            .current_dir(case.path("data"))
            .env("HOME", case.path("home"))
            .status()
            .unwrap()
    });
    assert!(made.is_some_and(|status| status.success()));
    mount(&case, "write", ", exclude = [\"*.key\"]", "");
    let script = "set -e; cd /d; git status --short; echo a >a; git add a; git commit -qm two; git checkout -q -b other; \
        mkdir sub; echo b >sub/b; echo c >>file; git add .; git commit -qm three; git checkout -q main; \
        git merge -q other; git branch -q -d other; echo d >>a; git stash -q; git stash pop -q; git reset -q --hard; \
        git tag t; git gc -q; git fsck --no-dangling; git log --format=%s; git status --short";
    assert_eq!(case.sh(script).ok(), "three\ntwo\none\n");
    for script in [
        "git -C /d config core.pager x",
        "echo x >/d/.git/hooks/pre-commit",
        "mv /d/.git /d/git2",
        "mkdir -p /d/n/hooks; echo x >/d/n/HEAD",
    ] {
        assert_ne!(case.sh(script).code, Some(0), "{script}");
    }
}

/// Journals, shared memory and temporary files beside a database; a file that is replaced while it is read.
#[test]
fn databases_and_replaced_files_work() {
    let case = Case::new();
    mount(&case, "write", ", exclude = [\".env\"]", "");
    let script = "
import mmap, os, sqlite3, tempfile
for mode in ['delete', 'wal']:
    base = sqlite3.connect('/d/base-' + mode)
    assert base.execute('pragma journal_mode=' + mode).fetchone()[0] == mode
    base.execute('create table t (x)')
    with base: base.executemany('insert into t values (?)', [(i,) for i in range(1000)])
    base.execute('vacuum')
    print(base.execute('select count(*) from t').fetchone()[0])
with tempfile.NamedTemporaryFile(dir='/d', delete=False) as file: file.write(b'whole')
os.replace(file.name, '/d/file')
with open('/d/file', 'r+b') as file:
    with mmap.mmap(file.fileno(), 5) as memory: memory[0:1] = b'W'
os.chdir('/d'); os.makedirs('x/y/z'); open('x/y/z/f', 'w').write('f'); os.rename('x/y', 'x/w')
print(open('x/w/z/f').read(), open('/d/file').read(), os.stat('/d/file').st_size)
os.truncate('/d/file', 2); print(open('/d/file').read())
import shutil; shutil.rmtree('x'); print(sorted(os.listdir('/d')))
";
    let said = case.python(script).ok();
    assert_eq!(
        said,
        "1000\n1000\nf Whole 5\nWh\n['base-delete', 'base-wal', 'base-wal-shm', 'base-wal-wal', 'file']\n"
    );
}

#[test]
fn the_mode_of_new_files_is_the_servers() {
    let case = Case::new();
    mount(&case, "write", "", "");
    let script = "cd /d; umask 022; echo >a; mkdir b; umask 077; echo >c; mkdir d; stat -c '%a %n' a b c d";
    assert_eq!(case.sh(script).ok(), "644 a\n755 b\n600 c\n700 d\n");
}

#[test]
fn a_file_is_cut_to_no_more_than_its_limit() {
    let case = Case::new();
    let script = "import os; os.truncate('/d/file', 900_000); os.truncate('/d/file', 2_000_000)";
    mount(&case, "write", "", "");
    case.python(script).ok();
    mount(&case, "write", "", "[resources]\nfile_size = \"1MB\"");
    case.python(script).failed("File too large");
    assert_eq!(std::fs::metadata(case.path("data/file")).unwrap().len(), 900_000);
}

#[test]
fn node_and_its_modules_work_beside_what_is_excluded() {
    let case = Case::new();
    case.write("data/package.json", "{\"type\": \"module\"}");
    case.write("data/lib/one.js", "export const one = 1;");
    case.write(
        "data/main.js",
        "import { one } from './lib/one.js'; import fs from 'node:fs'; console.log(one);\n\
        try { fs.readFileSync('/d/.env') } catch (error) { console.log(error.code) }",
    );
    case.write("data/.env", "secret");
    mount(&case, "read", ", exclude = [\".env\"]", "");
    let said = case.cli(["run", "--quiet", "-p", PROFILE, "--", "node", "/d/main.js"]);
    assert_eq!(said.ok(), "1\nEACCES\n");
}
