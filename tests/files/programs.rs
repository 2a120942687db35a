//! Programs that run in the box.

use crate::common::{hosts, ordinary_host};
use crate::folder::{Folder, said, same};

/// The script fails at the first command that does.
fn shell(script: &str) -> [&str; 4] {
    ["sh", "-e", "-c", script]
}

const REPOSITORY: &str = "
git init -q -b main .
git config user.name A; git config user.email a@b.c
echo one >file; git add file; git commit -qm one
";

/// The repository is made outside: what git init writes is what the mount protects.
#[test]
fn git_works_in_a_repository_that_is_shared_for_writing() {
    let work = "
echo two >>file; git commit -qam two
git checkout -q -b side HEAD~1; echo side >other; git add other; git commit -qm side
git checkout -q main; git merge -q -m merged side
echo three >>file; git stash -q; git stash pop -q; git checkout -q -- file
git mv other moved; git commit -qm moved; git rm -q moved; git commit -qm removed
git tag v1; git gc -q; git fsck --no-dangling 2>&1; git status --short --branch; git log --topo-order --format=%s; git diff HEAD~2 --stat
git grep -n two; git show HEAD:file; git reset -q --hard HEAD~1; ls
";
    for host in hosts() {
        let [boxed, bare] = ["boxed", "bare"].map(|name| {
            let folder = Folder::new(&host, name);
            said(folder.bare(&shell(REPOSITORY)).output().expect("git"));
            std::fs::write(folder.path.join(".git/info/exclude"), ".env\n").expect("a repository");
            folder
        });
        let inside = said(boxed.boxed(&shell(work)).output().expect("the sandbox"));
        assert_eq!(inside, said(bare.bare(&shell(work)).output().expect("git")));
        assert!(inside.contains("moved"), "{inside}");
        // Protected all the while.
        let plant =
            "echo evil >.git/hooks/post-checkout || echo refused; git config core.pager evil || echo refused";
        let plant = ["sh", "-c", plant];
        assert_eq!(
            said(boxed.boxed(&plant).output().expect("the sandbox")),
            "refused\nrefused\n"
        );
        assert_eq!(said(bare.bare(&plant).output().expect("git")), "");
    }
}

#[test]
fn sqlite_with_a_write_ahead_log_is_shared_by_processes() {
    let script = "
import multiprocessing, os, sqlite3
def connect():
    base = sqlite3.connect('base.db', timeout=60)
    base.execute('pragma journal_mode=wal')
    return base
def work(number):
    base = connect()
    for i in range(50):
        with base:
            base.execute('insert into t values (?)', (number * 1000 + i,))
base = connect()
base.execute('create table t (n)')
base.commit()
workers = [multiprocessing.Process(target=work, args=(n,)) for n in range(4)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
print(base.execute('select count(*), sum(n) from t').fetchone(), sorted(os.listdir()))
base.execute('vacuum')
base.close()
print(sorted(os.listdir()))
";
    for host in hosts() {
        let said = same(&host, &["python3", "-c", script]);
        assert!(said.contains("base.db-shm") && said.contains("(200, "), "{said}");
    }
}

#[test]
fn packages_are_installed_into_the_folder() {
    let wheel = "
import zipfile
with zipfile.ZipFile('small-1.0-py3-none-any.whl', 'w') as wheel:
    info = 'small-1.0.dist-info/'
    wheel.writestr('small.py', 'word = \"from a wheel\"')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: small\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
";
    let pip = format!(
        "python3 -c '{}'\npython3 -m venv --without-pip venv\n\
         python3 -m pip -q --disable-pip-version-check install --no-index --target site ./small-1.0-py3-none-any.whl\n\
         PYTHONPATH=site venv/bin/python -c 'import small; print(small.word)'\n",
        wheel.replace('\'', "'\\''")
    );
    let npm = "
mkdir dep
echo '{\"name\": \"dep\", \"version\": \"1.0.0\", \"main\": \"a.js\"}' >dep/package.json
echo 'module.exports = \"from a package\"' >dep/a.js
echo '{\"name\": \"top\", \"version\": \"1.0.0\"}' >package.json
npm pack -s ./dep
npm install -s --offline --no-audit --no-fund ./dep-1.0.0.tgz
node -p 'require(\"dep\")'
find node_modules package-lock.json -type f | sort
";
    for host in hosts() {
        // Nothing in a folder with exclusions is executed by the kernel, which is said: the interpreter reads it.
        let pip = pip.replace("venv/bin/python", "python3");
        assert!(same(&host, &shell(&pip)).contains("from a wheel"));
        assert!(same(&host, &shell(npm)).contains("from a package"));
    }
}

#[test]
fn searching_a_tree_finds_all_but_what_is_excluded() {
    let make = "
import os
for folder in range(500):
    os.mkdir(f'd{folder}')
    for file in range(100):
        open(f'd{folder}/f{file}', 'w').write(f'{folder} {file}')
    open(f'd{folder}/x.key', 'w').write('secret')
";
    let search = "
import os
texts, refused = 0, 0
for folder, _, files in os.walk('.'):
    for file in files:
        try:
            texts += open(os.path.join(folder, file)).read() != 'secret'
        except PermissionError:
            refused += 1
print(texts, refused)
";
    // One user is enough for so many files.
    let host = ordinary_host();
    let folder = Folder::new(&host, "tree");
    said(folder.bare(&["python3", "-c", make]).output().expect("python3"));
    let run = |program: &[&str]| said(folder.boxed(program).output().expect("the sandbox"));
    assert_eq!(run(&["python3", "-c", search]), "50000 501\n");
    let grep = [
        "sh",
        "-c",
        "grep -rl '^77 7' . 2>/dev/null | wc -l; find . -type f | wc -l",
    ];
    assert_eq!(run(&grep), "11\n50501\n");
}

#[test]
fn files_are_mapped_and_may_be_larger_than_four_gigabytes() {
    let script = "
import mmap, os
with open('big', 'w+b') as big:
    big.truncate(5 << 30)
    big.seek((5 << 30) - 4)
    big.write(b'last')
os.truncate('big', (5 << 30) - 2)
with open('big', 'r+b') as big:
    with mmap.mmap(big.fileno(), 0) as mapped:
        print(len(mapped), mapped[-2:])
        mapped[:5] = b'first'
print(open('big', 'rb').read(5), os.stat('big').st_size)
with open('code', 'wb') as code:
    code.write(b'x' * 4096)
with open('code', 'rb') as code:
    print(mmap.mmap(code.fileno(), 0, prot=mmap.PROT_READ)[:1])
os.unlink('big')
";
    for host in hosts() {
        same(&host, &["python3", "-c", script]);
    }
}
