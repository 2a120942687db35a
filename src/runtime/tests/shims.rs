//! Shims of every version manager.

use super::*;
use crate::error::Kind;

const PYENV: &str = r#"#!/usr/bin/env bash
set -e
[ -n "$PYENV_DEBUG" ] && set -x

program="${0##*/}"

export PYENV_ROOT="ROOT"
SHIM_PATH=${0%/*}
if [[ $SHIM_PATH != "ROOT/shims" ]]; then
  export _PYENV_SHIM_PATH="$SHIM_PATH"
fi
exec "ROOT/libexec/pyenv" exec "$program" "$@"
"#;

/// pyenv with three versions, shims of which come first on PATH.
fn pyenv() -> Disk {
    let mut disk = Disk::new();
    for (version, minor) in [
        ("3.11.7", "3.11"),
        ("3.11.10", "3.11"),
        ("3.12.1", "3.12"),
        ("3.13-dev", "3.13"),
    ] {
        disk.python(&format!(".pyenv/versions/{version}"), minor);
    }
    let text = PYENV.replace("ROOT", disk.at(".pyenv").to_str().unwrap());
    for name in ["python", "python3", "python3.12", "server"] {
        disk.script(&format!(".pyenv/shims/{name}"), &text);
    }
    disk.on_path(".pyenv/shims");
    disk
}

#[test]
fn pyenv_takes_the_variable_then_the_project_then_the_global_version() {
    let mut disk = pyenv();
    let prefix = |disk: &Disk, version: &str| disk.at(".pyenv/versions").join(version);
    disk.file(".pyenv/version", "3.12.1\n");
    assert_eq!(places(&disk.run(&["python3", "x"])), [prefix(&disk, "3.12.1")]);
    disk.file("work/.python-version", "# ours\n3.11.7\n");
    assert_eq!(places(&disk.run(&["python3", "x"])), [prefix(&disk, "3.11.7")]);
    // The first version that has the program.
    disk.env("PYENV_VERSION", "3.11.7:3.12.1");
    let runtime = disk.run(&["python3.12", "x"]);
    assert_eq!(places(&runtime), [prefix(&disk, "3.12.1")]);
    assert_eq!(runtime.program, prefix(&disk, "3.12.1").join("bin/python3.12"));
    assert_eq!(runtime.argv, [runtime.program.as_os_str(), "x".as_ref()]);
}

#[test]
fn pyenv_takes_the_newest_version_of_a_prefix() {
    let mut disk = pyenv();
    for (wanted, version) in [
        ("3.11", "3.11.10"),
        ("3", "3.12.1"),
        ("python-3.12.1", "3.12.1"),
        ("3.13-dev", "3.13-dev"),
    ] {
        disk.env("PYENV_VERSION", wanted);
        assert_eq!(
            places(&disk.run(&["python", "x"])),
            [disk.at(".pyenv/versions").join(version)],
            "{wanted}"
        );
    }
}

#[test]
fn pyenv_system_is_the_rest_of_path() {
    let mut disk = pyenv();
    disk.elf("sys/python3");
    let path = std::env::join_paths([disk.at(".pyenv/shims"), disk.at("sys")]).unwrap();
    disk.host.path = Some(path);
    assert_eq!(disk.run(&["python3"]).program, disk.at("sys/python3"));
    disk.env("PYENV_VERSION", "system");
    assert_eq!(disk.run(&["python3"]).program, disk.at("sys/python3"));
}

#[test]
fn pyenv_virtualenvs_are_versions_by_name() {
    let mut disk = pyenv();
    let base = disk.at(".pyenv/versions/3.12.1");
    let venv = disk.venv(".pyenv/versions/3.12.1/envs/mcp", &base);
    let text = format!("#!{}/bin/python\n", disk.at(".pyenv/versions/mcp").display());
    disk.script(".pyenv/versions/3.12.1/envs/mcp/bin/server", text);
    let alias = disk.link(".pyenv/versions/mcp", &venv);
    disk.env("PYENV_VERSION", "mcp");
    let runtime = disk.run(&["server"]);
    assert_eq!(
        in_box(&runtime, &alias.join("bin/python")),
        Some(base.join("bin/python3.12"))
    );
    assert_eq!(in_box(&runtime, &runtime.program), Some(venv.join("bin/server")));
    assert_eq!(disk.run(&["python", "-m", "x"]).program, venv.join("bin/python"));
}

#[test]
fn scripts_whose_interpreter_is_a_shim_get_the_interpreter_itself() {
    let mut disk = pyenv();
    disk.env("PYENV_VERSION", "3.12.1");
    let prefix = disk.at(".pyenv/versions/3.12.1");
    let python = prefix.join("bin/python");
    let absolute = disk.script(
        "a",
        format!("#!{} -u\n", disk.at(".pyenv/shims/python").display()),
    );
    let runtime = disk.run(&[absolute.to_str().unwrap(), "x"]);
    assert_eq!(runtime.program, python);
    assert_eq!(
        runtime.argv,
        [
            python.as_os_str(),
            "-u".as_ref(),
            absolute.as_os_str(),
            "x".as_ref()
        ]
    );
    // By name, the directory on PATH is enough.
    let by_name = disk.script("b", "#!/usr/bin/env python\n");
    let runtime = disk.run(&[by_name.to_str().unwrap()]);
    assert_eq!(
        (runtime.program, runtime.path[0].clone()),
        (by_name, prefix.join("bin"))
    );
}

#[test]
fn a_shim_that_leads_nowhere_says_what_was_looked_up() {
    let mut disk = pyenv();
    disk.file("work/project/.python-version", "3.9.1\n");
    let error = disk.fail(&["python3"]);
    assert_eq!(error.kind, Kind::NotFound);
    let text = error.to_string();
    for word in [
        ".pyenv/shims/python3",
        "3.9.1",
        ".python-version",
        "full path",
        "\"3.12.1\"",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // A project's file is not a way to other directories.
    disk.python("elsewhere", "3.12");
    disk.env("PYENV_VERSION", "../../elsewhere");
    assert!(disk.try_run(&["python3.12"]).is_err());
}

#[test]
fn the_family_of_pyenv() {
    let cases = [
        (
            "rbenv",
            "ruby",
            ".ruby-version",
            "3.3.0",
            "lib/ruby",
            "ruby prefix",
        ),
        (
            "nodenv",
            "node",
            ".node-version",
            "20.1.0",
            "include/node",
            "node prefix",
        ),
        ("goenv", "go", ".go-version", "1.22.1", "pkg/tool", "go prefix"),
        (
            "jenv",
            "java",
            ".java-version",
            "21",
            "lib/modules",
            "java prefix",
        ),
        (
            "plenv",
            "perl",
            ".perl-version",
            "5.38",
            "lib/perl5",
            "perl prefix",
        ),
    ];
    for (manager, name, file, version, marker, reason) in cases {
        let mut disk = Disk::new();
        let root = disk.at(&format!(".{manager}"));
        let text = format!(
            "#!/usr/bin/env bash\nset -e\nprogram=\"${{0##*/}}\"\nexport {}_ROOT=\"{root}\"\nexec \"{root}/libexec/{manager}\" exec \"$program\" \"$@\"\n",
            manager.to_uppercase(),
            root = root.display()
        );
        disk.script(&format!(".{manager}/shims/{name}"), text);
        disk.elf(&format!(".{manager}/versions/{version}/bin/{name}"));
        disk.dir(&format!(".{manager}/versions/{version}/{marker}"));
        disk.file(&format!("work/{file}"), version);
        disk.on_path(&format!(".{manager}/shims"));
        let runtime = disk.run(&[name]);
        assert_eq!(
            places(&runtime),
            [root.join("versions").join(version)],
            "{manager}"
        );
        assert_eq!(runtime.mounts[0].reason, format!("runtime: {reason}"));
    }
}

/// asdf's shim: of the releases in bash, then in Go.
const ASDF: [&str; 2] = [
    "#!/usr/bin/env bash\n# asdf-plugin: nodejs 18.2.0\n# asdf-plugin: nodejs 20.1.0\nexec /opt/asdf-vm/bin/asdf exec \"npx\" \"$@\" # asdf_allow: ' asdf '\n",
    "#!/usr/bin/env bash\n# asdf-plugin: nodejs 18.2.0\n# asdf-plugin: nodejs 20.1.0\nexec asdf exec \"npx\" \"$@\"\n",
];

#[test]
fn asdf_takes_the_variable_then_tool_versions_upward_then_the_one_at_home() {
    for text in ASDF {
        let mut disk = Disk::new();
        let old = disk.node(".asdf/installs/nodejs/18.2.0");
        let new = disk.node(".asdf/installs/nodejs/20.1.0");
        disk.script(".asdf/shims/npx", text);
        disk.script(".asdf/shims/node", text.replace("npx", "node"));
        disk.on_path(".asdf/shims");
        let error = disk.fail(&["npx"]).to_string();
        assert!(error.contains("no .tool-versions"), "{error}");
        disk.file(".tool-versions", "python 3.12.1\nnodejs 18.2.0\n");
        assert_eq!(places(&disk.run(&["npx"])), [old.as_path()]);
        disk.file(
            "work/.tool-versions",
            "nodejs 99.0.0 20.1.0 # first that is there\n",
        );
        let runtime = disk.run(&["npx", "x"]);
        assert_eq!(
            (places(&runtime), runtime.program.clone()),
            (vec![new.as_path()], new.join("bin/npx"))
        );
        disk.env("ASDF_NODEJS_VERSION", "18.2.0");
        assert_eq!(places(&disk.run(&["npx"])), [old.as_path()]);
    }
}

#[test]
fn mise_links_to_itself() {
    let mut disk = Disk::new();
    let mise = disk.elf(".local/bin/mise");
    let node = disk.node(".local/share/mise/installs/node/20.11.0");
    let old = disk.node(".local/share/mise/installs/node/18.2.0");
    disk.link(".local/share/mise/installs/node/20", "./20.11.0");
    let tool = disk.elf(".local/share/mise/installs/ubi-x-tool/1.2.3/tool");
    for name in ["node", "npx", "tool"] {
        disk.link(&format!(".local/share/mise/shims/{name}"), &mise);
    }
    disk.on_path(".local/share/mise/shims");
    assert!(disk.fail(&["npx"]).to_string().contains("mise"));
    disk.file(
        ".config/mise/config.toml",
        "[tools]\nnode = [\"20\", \"18\"]\n\"ubi:x/tool\" = \"latest\"\n",
    );
    let runtime = disk.run(&["npx", "x"]);
    assert_eq!(
        in_box(&runtime, &runtime.program),
        Some(node.join("lib/node_modules/npm/bin/npx-cli.js"))
    );
    assert!(
        places(&runtime)
            .iter()
            .all(|at| at.starts_with(disk.at(".local/share/mise/installs/node")))
    );
    assert_eq!(disk.run(&["tool"]).program, tool);
    disk.file(
        "work/project/mise.toml",
        "[tools]\nnode = { version = \"18.2\" }\n",
    );
    assert_eq!(places(&disk.run(&["npx"])), [old.as_path()]);
    fs::remove_file(disk.at("work/project/mise.toml")).unwrap();
    disk.file("work/.tool-versions", "nodejs 18.2.0\n");
    assert_eq!(places(&disk.run(&["npx"])), [old.as_path()]);
    disk.env("MISE_NODE_VERSION", "latest");
    assert_eq!(places(&disk.run(&["npx"])), [node.as_path()]);
    // mise itself is a program like any other.
    assert_eq!(disk.run(&[mise.to_str().unwrap()]).program, mise);
}

/// Volta with two versions of node.
fn volta() -> (Disk, PathBuf, PathBuf) {
    let mut disk = Disk::new();
    disk.elf(".volta/bin/volta-shim");
    for name in ["node", "npm", "npx", "server"] {
        disk.link(&format!(".volta/bin/{name}"), "volta-shim");
    }
    let old = disk.node(".volta/tools/image/node/18.2.0");
    let new = disk.node(".volta/tools/image/node/20.1.0");
    disk.on_path(".volta/bin");
    (disk, old, new)
}

#[test]
fn volta_takes_the_projects_pin_then_the_users_default() {
    let (disk, old, new) = volta();
    assert!(disk.fail(&["npx"]).to_string().contains("no package.json"));
    disk.file(
        ".volta/tools/user/platform.json",
        r#"{"node":{"runtime":"20.1.0","npm":null},"yarn":null}"#,
    );
    let runtime = disk.run(&["npx", "x"]);
    assert_eq!(
        (places(&runtime), runtime.program.clone()),
        (vec![new.as_path()], new.join("bin/npx"))
    );
    disk.file("work/package.json", r#"{"volta":{"extends":"./base.json"}}"#);
    disk.file("work/base.json", r#"{"volta":{"node":"18.2.0"}}"#);
    assert_eq!(places(&disk.run(&["npx", "x"])), [old.as_path()]);
    disk.file("work/base.json", r#"{"volta":{"node":"16.0.0"}}"#);
    let error = disk.fail(&["node"]).to_string();
    assert!(
        error.contains("16.0.0") && error.contains("package.json"),
        "{error}"
    );
}

#[test]
fn volta_runs_a_package_with_the_node_it_was_installed_for() {
    let (disk, old, _) = volta();
    disk.file(
        ".volta/tools/user/platform.json",
        r#"{"node":{"runtime":"20.1.0","npm":null}}"#,
    );
    disk.file(
        ".volta/tools/user/bins/server.json",
        r#"{"name":"server","package":"@x/server","version":"1.0.0","platform":{"node":"18.2.0","npm":null},"manager":"Npm"}"#,
    );
    let modules = ".volta/tools/image/packages/@x/server/lib/node_modules";
    disk.script(&format!("{modules}/@x/server/cli.js"), "#!/usr/bin/env node\n");
    disk.link(
        ".volta/tools/image/packages/@x/server/bin/server",
        "../lib/node_modules/@x/server/cli.js",
    );
    let runtime = disk.run(&["server"]);
    assert_eq!(places(&runtime), [old.as_path(), &disk.at(modules)]);
    assert_eq!(runtime.path[0], old.join("bin"));
}

#[test]
fn fnm_links_a_directory_for_each_shell() {
    let mut disk = Disk::new();
    let node = disk.node(".local/share/fnm/node-versions/v20.11.0/installation");
    disk.link(".local/share/fnm/aliases/default", &node);
    disk.link(
        ".local/state/fnm_multishells/12_34",
        disk.at(".local/share/fnm/aliases/default"),
    );
    disk.on_path(".local/state/fnm_multishells/12_34/bin");
    let runtime = disk.run(&["npx", "x"]);
    assert_eq!(places(&runtime), [node.as_path()]);
    assert_eq!(
        (runtime.program, runtime.path[0].clone()),
        (node.join("bin/npx"), node.join("bin"))
    );
}

/// rustup with two toolchains, its proxies as links.
fn rustup() -> (Disk, PathBuf, PathBuf) {
    let mut disk = Disk::new();
    let rustup = disk.script(".cargo/bin/rustup", b"\x7fELF\x02\x01\x01\0rustup");
    disk.link(".cargo/bin/cargo", "rustup");
    fs::hard_link(rustup, disk.at(".cargo/bin/rustc")).unwrap();
    let toolchain = |name: &str| {
        for program in ["cargo", "rustc"] {
            disk.elf(&format!(".rustup/toolchains/{name}/bin/{program}"));
        }
        disk.dir(&format!(".rustup/toolchains/{name}/lib/rustlib"));
        disk.at(&format!(".rustup/toolchains/{name}"))
    };
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let (stable, nightly) = (
        toolchain(&format!("stable-{target}")),
        toolchain(&format!("nightly-{target}")),
    );
    disk.on_path(".cargo/bin");
    (disk, stable, nightly)
}

#[test]
fn rustup_proxies_in_the_order_of_its_overrides() {
    let (mut disk, stable, nightly) = rustup();
    assert!(disk.fail(&["cargo"]).to_string().contains("no default toolchain"));
    disk.file(
        ".rustup/settings.toml",
        format!("default_toolchain = {:?}\n", stable.file_name().unwrap()),
    );
    for name in ["cargo", "rustc"] {
        let runtime = disk.run(&[name, "x"]);
        assert_eq!(
            (places(&runtime), runtime.program.clone()),
            (vec![stable.as_path()], stable.join("bin").join(name))
        );
    }
    disk.file("work/rust-toolchain", "nightly\n");
    assert_eq!(places(&disk.run(&["cargo"])), [nightly.as_path()]);
    disk.file(
        "work/project/rust-toolchain.toml",
        "[toolchain]\nchannel = \"stable\"\n",
    );
    assert_eq!(places(&disk.run(&["cargo"])), [stable.as_path()]);
    disk.file(
        ".rustup/settings.toml",
        format!(
            "[overrides]\n{:?} = {:?}\n",
            disk.host.cwd,
            nightly.file_name().unwrap()
        ),
    );
    assert_eq!(places(&disk.run(&["cargo"])), [nightly.as_path()]);
    disk.env("RUSTUP_TOOLCHAIN", "stable");
    assert_eq!(places(&disk.run(&["cargo"])), [stable.as_path()]);
    let runtime = disk.run(&["cargo", "+nightly", "build"]);
    assert_eq!(places(&runtime), [nightly.as_path()]);
    assert_eq!(runtime.argv[1..], ["build"]);
    assert!(disk.fail(&["cargo", "+1.2.3"]).to_string().contains("1.2.3"));
}

#[test]
fn programs_installed_by_cargo_are_their_file() {
    let (disk, ..) = rustup();
    let tool = disk.elf(".cargo/bin/mcp-server");
    assert_eq!(places(&disk.run(&["mcp-server"])), [tool.as_path()]);
}
