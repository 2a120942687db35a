//! Files that a hostile server or project puts in the way: what they name is not shown, what they are is not read.

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::super::{elf, file};
use super::*;
use crate::error::Kind;

/// An ELF program that asks for this loader and these libraries.
fn program(loader: &str, needed: &[&str], runpath: &str) -> Vec<u8> {
    let mut strings = vec![0];
    let mut entries: Vec<(u64, u64)> = Vec::new();
    let names = needed.iter().map(|name| (1, *name)).chain([(29, runpath)]);
    for (tag, text) in names {
        entries.push((tag, strings.len() as u64));
        strings.extend(text.bytes().chain([0]));
    }
    let headers = 64 + 3 * 56;
    let dynamic = 16 * (entries.len() as u64 + 2);
    let strings_at = headers + dynamic;
    let loader_at = strings_at + strings.len() as u64;
    entries.extend([(5, strings_at), (0, 0)]);
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(64, 0);
    (file[32], file[54], file[56]) = (64, 56, 3);
    for (kind, offset, size) in [
        (1, 0, loader_at + loader.len() as u64),
        (2, headers, dynamic),
        (3, loader_at, loader.len() as u64),
    ] {
        let words: [u64; 7] = [kind, offset, offset, 0, size, size, 0];
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    let words = entries.iter().flat_map(|(tag, value)| [*tag, *value]);
    file.extend(words.flat_map(u64::to_le_bytes));
    file.extend(strings);
    file.extend(loader.bytes());
    file
}

fn fifo(disk: &Disk, path: &str) -> PathBuf {
    let path = disk.at(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    path
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn only_small_regular_files_are_read() {
    let disk = Disk::new();
    let small = disk.file("small", "x");
    assert_eq!(file::text(&disk.link("to-small", &small)).unwrap(), "x");
    assert_eq!(
        file::read(&disk.file("full", vec![0; 1 << 20])).unwrap().len(),
        1 << 20
    );
    let over = disk.file("over", vec![0; (1 << 20) + 1]);
    for path in [
        &over,
        &disk.link("zero", "/dev/zero"),
        &fifo(&disk, "fifo"),
        &disk.dir("dir"),
    ] {
        assert!(file::read(path).is_err(), "{path:?}");
    }
    assert!(file::text(&disk.file("bytes", b"\xff")).is_err());
}

#[test]
fn a_venv_whose_config_is_a_device_or_a_pipe_is_none() {
    let disk = Disk::new();
    let script = disk.script("envs/a/bin/server", "#!/bin/sh\n");
    disk.link("envs/a/pyvenv.cfg", "/dev/zero");
    assert_eq!(places(&disk.run(&[path(&script)])), [script.as_path()]);
    fs::remove_file(disk.at("envs/a/pyvenv.cfg")).unwrap();
    fifo(&disk, "envs/a/pyvenv.cfg");
    assert_eq!(places(&disk.run(&[path(&script)])), [script.as_path()]);
    // A control: a file makes it one.
    fs::remove_file(disk.at("envs/a/pyvenv.cfg")).unwrap();
    disk.file("envs/a/pyvenv.cfg", "home = /usr/bin\n");
    assert_eq!(places(&disk.run(&[path(&script)])), [disk.at("envs/a")]);
}

#[test]
fn a_pipe_among_the_files_of_version_managers_is_passed_by() {
    let mut disk = Disk::new();
    disk.node(".asdf/installs/nodejs/20.1.0");
    disk.script(
        ".asdf/shims/npx",
        "#!/bin/sh\n# asdf-plugin: nodejs 20.1.0\nexec asdf exec npx\n",
    );
    disk.script(
        ".asdf/shims/node",
        "#!/bin/sh\n# asdf-plugin: nodejs 20.1.0\nexec asdf exec node\n",
    );
    disk.on_path(".asdf/shims");
    disk.file(".tool-versions", "nodejs 20.1.0\n");
    fifo(&disk, "work/project/.tool-versions");
    assert_eq!(
        places(&disk.run(&["npx"])),
        [disk.at(".asdf/installs/nodejs/20.1.0")]
    );
}

#[test]
fn libraries_are_elf_files_and_found_by_name() {
    let disk = Disk::new();
    let secret = disk.file("private/key", "secret");
    let tool = disk.elf("private/tool");
    let program = disk.script(
        "dev/server",
        program(
            path(&secret),
            &[path(&tool), path(&secret), "key", "good.so"],
            path(&disk.at("private")),
        ),
    );
    let good = disk.elf("private/good.so");
    assert_eq!(places(&disk.run(&[path(&program)])), [program.as_path(), &good]);
}

#[test]
fn a_loader_is_taken_from_the_program_and_not_from_its_libraries() {
    let disk = Disk::new();
    let (own, other) = (disk.elf("dev/ld.so"), disk.elf("private/ld.so"));
    let library = disk.script("dev/lib.so", program(path(&other), &[], ""));
    let server = disk.script("dev/server", program(path(&own), &["lib.so"], "$ORIGIN"));
    assert_eq!(
        places(&disk.run(&[path(&server)])),
        [own.as_path(), library.as_path(), server.as_path()]
    );
}

#[test]
fn what_a_program_asks_for_is_bounded() {
    let disk = Disk::new();
    let names: Vec<String> = (0..900).map(|number| format!("lib{number}.so")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = disk.script("many", program("/x", &names, &"/a:b:".repeat(400)));
    let elf = elf::Elf::read(&many).unwrap();
    assert_eq!(
        (elf.needed.len(), elf.search.len()),
        (elf::MAX_NEEDED, elf::MAX_DIRECTORIES)
    );
    assert!(elf.search.iter().all(|dir| dir.is_absolute()));
}

#[test]
fn the_home_of_a_venv_must_hold_a_python() {
    let disk = Disk::new();
    let secrets = disk.dir(".ssh");
    disk.file(".ssh/id_rsa", "secret");
    let text = disk.script("private/python3", "#!/bin/sh\n");
    let tool = disk.elf("private/tool");
    let venv = disk.at("work/project/.venv");
    let python = disk.elf("work/project/.venv/bin/python3");
    disk.file(
        "work/project/.venv/pyvenv.cfg",
        format!("home = {}\n", disk.at("x").display()),
    );
    for target in [&secrets, &text, &tool] {
        let _ = fs::remove_file(disk.at("x/python3"));
        disk.link("x/python3", target);
        let runtime = disk.run(&[path(&python)]);
        assert_eq!(places(&runtime), [venv.as_path()], "{target:?}");
        assert!(runtime.notes.iter().any(|note| note.contains("no Python")));
    }
    let base = disk.python("py", "3.12");
    fs::remove_file(disk.at("x/python3")).unwrap();
    disk.link("x/python3", base.join("bin/python3"));
    assert!(places(&disk.run(&[path(&python)])).contains(&base.as_path()));
}

/// Another project's tools, of each kind that has surroundings.
fn others(disk: &Disk) -> [PathBuf; 4] {
    disk.dir("other/conda/conda-meta");
    disk.dir("other/dotnet/host/fxr");
    disk.node("other/node");
    disk.python("other/py", "3.12");
    [
        disk.elf("other/conda/bin/tool"),
        disk.elf("other/dotnet/dotnet"),
        disk.at("other/node/bin/node"),
        disk.at("other/py/bin/python3.12"),
    ]
}

#[test]
fn a_script_that_names_a_program_elsewhere_gets_its_file_alone() {
    let mut disk = Disk::new();
    for target in others(&disk) {
        let dir = target.parent().unwrap().to_owned();
        let script = disk.at("work/project/server");
        for text in [
            format!("#!{}\n", target.display()),
            format!("#!/usr/bin/env {}\n", target.display()),
            format!("#!/bin/sh\nexec {}\n", target.display()),
            format!(
                "#!/usr/bin/env -S PATH={} {}\n",
                dir.display(),
                target.file_name().unwrap().display()
            ),
        ] {
            disk.script("work/project/server", &text);
            let runtime = disk.run(&[path(&script)]);
            assert_eq!(places(&runtime), [target.as_path(), script.as_path()], "{text}");
            assert!(runtime.notes.iter().any(|note| note.contains("--read")));
        }
        // A control: where the user put it on PATH, it comes with its installation.
        let old = disk.host.path.clone();
        disk.on_path(dir.strip_prefix(&disk.host.home).unwrap().to_str().unwrap());
        let around = disk.run(&[path(&script)]);
        assert!(!places(&around).contains(&target.as_path()), "{around:?}");
        disk.host.path = old;
    }
}

#[test]
fn a_link_in_the_project_reaches_no_further_than_a_path() {
    let disk = Disk::new();
    for target in others(&disk) {
        let _ = fs::remove_file(disk.at("work/project/x"));
        let link = disk.link("work/project/x", &target);
        let script = disk.script("work/project/server", format!("#!{}\n", link.display()));
        assert_eq!(
            places(&disk.run(&[path(&script)])),
            [target.as_path(), script.as_path()]
        );
    }
}

#[test]
fn a_script_elsewhere_is_not_shown() {
    let disk = Disk::new();
    let deploy = disk.script("private/deploy.sh", "#!/bin/sh\n");
    let script = disk.script(
        "work/project/server",
        format!("#!/bin/sh\nexec {}\n", deploy.display()),
    );
    let runtime = disk.run(&[path(&script)]);
    assert_eq!(places(&runtime), [script.as_path()]);
    let hint = format!("--read {}", deploy.display());
    assert!(runtime.notes.iter().any(|note| note.contains(&hint)));
    disk.script("work/project/server", format!("#!{}\n", deploy.display()));
    let error = disk.fail(&[path(&script)]);
    assert_eq!(error.kind, Kind::NotExecutable);
    assert!(error.to_string().contains(path(&deploy)) && error.to_string().contains("--read"));
    // A control: one of its own is.
    let own = disk.script("work/project/run/deploy.sh", "#!/bin/sh\n");
    disk.script("work/project/server", format!("#!{}\n", own.display()));
    assert!(places(&disk.run(&[path(&script)])).contains(&own.as_path()));
}

#[test]
fn a_script_in_the_home_itself_has_no_claim_to_the_home() {
    let disk = Disk::new();
    let [conda, ..] = others(&disk);
    let script = disk.script("server", format!("#!{}\n", conda.display()));
    assert_eq!(places(&disk.run(&[path(&script)])), [conda.as_path(), &script]);
}

#[test]
fn what_a_project_brings_itself_is_shown_whole() {
    let disk = Disk::new();
    let node = disk.node("work/project/tools/node");
    let script = disk.script("work/project/server", format!("#!{}/bin/node\n", node.display()));
    assert_eq!(
        places(&disk.run(&[path(&script)])),
        [script.as_path(), node.as_path()]
    );
}

#[test]
fn wrappers_stay_in_their_own_tree() {
    let mut disk = Disk::new();
    let node = disk.node("node");
    disk.on_path("node/bin");
    disk.file("other/node_modules/x/cli.js", "");
    disk.link("work/project/x", disk.at("other/node_modules/x"));
    for target in ["../../other/node_modules/x/cli.js", "x/cli.js"] {
        let script = disk.script(
            "work/project/server",
            format!("#!/bin/sh\nexec node \"$basedir/{target}\" \"$@\"\n"),
        );
        let runtime = disk.run(&[path(&script)]);
        assert_eq!(places(&runtime), [node.as_path(), &script], "{target}");
        assert!(runtime.notes.iter().any(|note| note.contains("--read")));
    }
    // A control: pnpm's wrappers lie in the tree they name.
    disk.file("app/node_modules/s/cli.js", "");
    let wrapper = disk.script(
        "app/node_modules/.bin/s",
        "#!/bin/sh\nexec node \"$basedir/../s/cli.js\" \"$@\"\n",
    );
    assert_eq!(
        places(&disk.run(&[path(&wrapper)])),
        [disk.at("app/node_modules"), node]
    );
}

#[test]
fn a_shim_of_ones_own_making_leads_to_a_file_alone() {
    let mut disk = Disk::new();
    let [conda, ..] = others(&disk);
    disk.link("work/project/installs/x/1/bin/s", &conda);
    disk.file("work/project/.tool-versions", "x 1\n");
    let asdf = disk.script("work/project/shims/s", "#!/bin/sh\n# asdf-plugin: x 1\nexec x\n");
    assert_eq!(places(&disk.run(&[path(&asdf)])), [conda.as_path()]);
    // Beside a link to mise lie the versions it would take.
    disk.elf(".local/bin/mise");
    disk.on_path(".local/bin");
    fs::remove_file(&asdf).unwrap();
    let mise = disk.link("work/project/shims/s", disk.at(".local/bin/mise"));
    assert_eq!(places(&disk.run(&[path(&mise)])), [conda.as_path()]);
}

#[test]
fn names_below_proc_are_left_to_the_box() {
    let disk = Disk::new();
    let script = disk.script("work/project/server", "#!/proc/self/root/bin/sh\n");
    let runtime = disk.run(&[path(&script)]);
    assert_eq!(places(&runtime), [script.as_path()]);
    assert_eq!(runtime.links, []);
}
