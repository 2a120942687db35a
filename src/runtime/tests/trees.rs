//! Runtimes by where they are installed: prefixes, virtual environments, packages, single files.

use super::*;

#[test]
fn node_in_a_home_is_its_prefix() {
    let mut disk = Disk::new();
    let prefix = disk.node(".nvm/versions/node/v20.11.0");
    disk.on_path(".nvm/versions/node/v20.11.0/bin");
    let runtime = disk.run(&["npx", "-y", "server"]);
    assert_eq!(places(&runtime), [prefix.as_path()]);
    assert_eq!(runtime.mounts[0].reason, "runtime: node prefix");
    assert_eq!(runtime.program, prefix.join("bin/npx"));
    assert_eq!(runtime.argv, ["npx", "-y", "server"]);
    assert_eq!(runtime.path[0], prefix.join("bin"));
}

#[test]
fn node_in_a_shared_directory_is_its_file_and_modules() {
    let mut disk = Disk::new();
    disk.node(".local");
    disk.file(".local/share/secrets/key", "");
    disk.on_path(".local/bin");
    let runtime = disk.run(&["npx", "x"]);
    assert_eq!(
        places(&runtime),
        [disk.at(".local/bin/node"), disk.at(".local/lib/node_modules")]
    );
    // `npm` beside it is a link, as on the host.
    let npm = disk.at(".local/lib/node_modules/npm/bin/npm-cli.js");
    assert_eq!(in_box(&runtime, &disk.at(".local/bin/npm")), Some(npm));
    assert_eq!(in_box(&runtime, &disk.at(".local/share/secrets/key")), None);
}

#[test]
fn broad_directories_are_never_a_prefix() {
    let disk = Disk::new();
    let project = disk.host.cwd.clone();
    fs::create_dir_all(disk.at("dev/app/.git")).unwrap();
    let broad = |dir: &Path| super::super::prefix::is_broad(dir, &disk.host);
    for dir in ["/", "/usr", "/usr/local", "/opt", "/home", "/root"] {
        assert!(broad(Path::new(dir)), "{dir}");
    }
    for dir in [
        "",
        ".local",
        ".cargo",
        ".config",
        ".local/share",
        "bin",
        "dev/app",
    ] {
        assert!(broad(&disk.at(dir)), "{dir}");
    }
    assert!(broad(&project) && broad(project.parent().unwrap()) && broad(&disk.root));
    assert!(!broad(&disk.at(".pyenv/versions/3.12.1")) && !broad(Path::new("/opt/node")));
}

#[test]
fn an_unknown_program_is_only_its_file() {
    let disk = Disk::new();
    let program = disk.elf("dev/app/target/server");
    disk.file("dev/app/target/secret", "");
    let runtime = disk.run(&[program.to_str().unwrap()]);
    assert_eq!(places(&runtime), [program.as_path()]);
    assert_eq!(runtime.path[0], program.parent().unwrap());
}

#[test]
fn libraries_that_a_program_brings_are_shown_one_by_one() {
    let disk = Disk::new();
    let program = disk.script(
        "dev/bin/server",
        super::super::elf::tests::program("liba.so", "$ORIGIN/../lib"),
    );
    let real = disk.elf("dev/lib/liba.so.1.2");
    let name = disk.link("dev/lib/liba.so", "liba.so.1.2");
    disk.file("dev/lib/other", "");
    let runtime = disk.run(&[program.to_str().unwrap()]);
    assert_eq!(places(&runtime), [program.as_path(), real.as_path()]);
    assert_eq!(in_box(&runtime, &name), Some(real));
}

#[test]
fn a_linked_program_keeps_the_name_it_was_called_by() {
    let mut disk = Disk::new();
    let busybox = disk.elf("tools/busybox");
    disk.link("bin/ls", &busybox);
    disk.on_path("bin");
    let runtime = disk.run(&["ls", "-l"]);
    assert_eq!(
        (runtime.program, runtime.argv),
        (busybox.clone(), vec!["ls".into(), "-l".into()])
    );
    let path = disk.at("bin/ls");
    assert_eq!(disk.run(&[path.to_str().unwrap()]).argv[0], path);
}

#[test]
fn a_virtual_environment_and_its_base() {
    let disk = Disk::new();
    let base = disk.python(".pyenv/versions/3.12.1", "3.12");
    let venv = disk.venv("envs/mcp", &base);
    let script = disk.script(
        "envs/mcp/bin/server",
        format!("#!{}\n", venv.join("bin/python").display()),
    );
    let runtime = disk.run(&[script.to_str().unwrap()]);
    assert_eq!(places(&runtime), [base.as_path(), venv.as_path()]);
    assert_eq!(runtime.program, script);

    let python = disk.run(&[venv.join("bin/python").to_str().unwrap(), "-m", "server"]);
    assert_eq!(python.program, venv.join("bin/python"));
    assert_eq!(python.argv[0], venv.join("bin/python"));
    assert_eq!(
        in_box(&python, &venv.join("bin/python")),
        Some(base.join("bin/python3.12"))
    );
}

#[test]
fn a_virtual_environment_by_a_bare_name_names_its_python_in_full() {
    let mut disk = Disk::new();
    let base = disk.python(".pyenv/versions/3.12.1", "3.12");
    let venv = disk.venv("envs/mcp", &base);
    disk.on_path("envs/mcp/bin");
    let runtime = disk.run(&["python3", "-m", "server"]);
    assert_eq!(runtime.argv[0], venv.join("bin/python3"));
    assert_eq!(runtime.path[0], venv.join("bin"));
}

#[test]
fn a_virtual_environment_in_the_project_shows_nothing_else_of_it() {
    let disk = Disk::new();
    let base = disk.python(".pyenv/versions/3.12.1", "3.12");
    let venv = disk.venv("work/project", &base);
    disk.file("work/project/.env", "SECRET=1");
    let runtime = disk.run(&["./bin/python", "-m", "server"]);
    assert_eq!(
        in_box(&runtime, &venv.join("bin/python")),
        Some(base.join("bin/python3.12"))
    );
    assert!(in_box(&runtime, &venv.join("pyvenv.cfg")).is_some());
    assert_eq!(in_box(&runtime, &venv.join(".env")), None);
}

#[test]
fn uv_tools_and_managed_pythons_whose_directory_is_a_link() {
    let mut disk = Disk::new();
    let real = disk.python(".local/share/uv/python/cpython-3.12.5-linux-x86_64-gnu", "3.12");
    let minor = disk.link(".local/share/uv/python/cpython-3.12-linux-x86_64-gnu", &real);
    let venv = disk.venv(".local/share/uv/tools/server", &minor);
    let script = format!("#!{}\n", venv.join("bin/python3").display());
    let script = disk.script(".local/share/uv/tools/server/bin/server", script);
    disk.link(".local/bin/server", &script);
    disk.on_path(".local/bin");
    let runtime = disk.run(&["server"]);
    assert_eq!(runtime.program, script);
    assert_eq!(
        in_box(&runtime, &venv.join("bin/python3")),
        Some(real.join("bin/python3.12"))
    );
    assert_eq!(
        in_box(&runtime, &minor.join("lib/python3.12/os.py")),
        Some(real.join("lib/python3.12/os.py"))
    );
    assert_eq!(in_box(&runtime, &disk.at(".local/share/uv/tools/other")), None);
}

#[test]
fn pipx_runs_a_script_of_a_virtual_environment_over_the_systems_python() {
    let mut disk = Disk::new();
    let venv = disk.at(".local/share/pipx/venvs/server");
    disk.link(".local/share/pipx/venvs/server/bin/python", "/usr/bin/python3");
    disk.file(".local/share/pipx/venvs/server/pyvenv.cfg", "home = /usr/bin\n");
    let text = format!("#!{}/bin/python\n", venv.display());
    let script = disk.script(".local/share/pipx/venvs/server/bin/server", text);
    disk.link(".local/bin/server", &script);
    disk.on_path(".local/bin");
    let runtime = disk.run(&["server"]);
    assert_eq!(places(&runtime), [venv.as_path()]);
    assert_eq!(runtime.path[0], venv.join("bin"));
}

#[test]
fn pip_and_uv_write_shell_scripts_for_long_paths() {
    let disk = Disk::new();
    let base = disk.python(".pyenv/versions/3.12.1", "3.12");
    let venv = disk.venv("envs/with space", &base);
    let python = venv.join("bin/python");
    let texts = [
        format!(
            "#!/bin/sh\n'''exec' \"{}\" \"$0\" \"$@\"\n' '''\nimport re\n",
            python.display()
        ),
        "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n"
            .into(),
        format!("#!/bin/sh\n\"exec\" '{}' \"$0\" \"$@\"\n", python.display()),
    ];
    for text in texts {
        let script = disk.script("envs/with space/bin/server", &text);
        let runtime = disk.run(&[script.to_str().unwrap()]);
        assert_eq!(places(&runtime), [base.as_path(), venv.as_path()], "{text}");
        assert_eq!(runtime.program, script);
    }
}

#[test]
fn pip_user_scripts_get_the_users_packages_of_their_python() {
    let Ok(python) = fs::canonicalize("/usr/bin/python3") else {
        return;
    };
    let mut disk = Disk::new();
    let library = format!(".local/lib/{}", python.file_name().unwrap().display());
    let library = disk.dir(&library);
    disk.dir(".local/lib/python2.0");
    let script = disk.script(".local/bin/server", "#!/usr/bin/python3\n");
    disk.on_path(".local/bin");
    let runtime = disk.run(&["server"]);
    assert_eq!(places(&runtime), [script.as_path(), library.as_path()]);
    assert_eq!(
        runtime.env,
        [("PYTHONUSERBASE".into(), disk.at(".local").into_os_string())]
    );
}

#[test]
fn conda_environments() {
    let mut disk = Disk::new();
    let env = disk.python("miniconda3/envs/mcp", "3.11");
    disk.dir("miniconda3/envs/mcp/conda-meta");
    let tool = disk.elf("miniconda3/envs/mcp/bin/tool");
    disk.on_path("miniconda3/envs/mcp/bin");
    assert_eq!(places(&disk.run(&["python", "-V"])), [env.as_path()]);
    let runtime = disk.run(&["tool"]);
    assert_eq!(
        (places(&runtime), runtime.program.as_path()),
        (vec![env.as_path()], tool.as_path())
    );
    assert_eq!(runtime.mounts[0].reason, "runtime: conda environment");
}

#[test]
fn packages_show_the_outermost_node_modules() {
    let mut disk = Disk::new();
    let node = disk.node("node");
    disk.on_path("node/bin");
    let text = "#!/usr/bin/env node\n";
    let deep = "work/app/node_modules/.pnpm/s@1/node_modules/s/cli.js";
    let cli = disk.script(deep, text);
    disk.link("work/app/node_modules/s", ".pnpm/s@1/node_modules/s");
    let bin = disk.link("work/app/node_modules/.bin/s", "../s/cli.js");
    disk.file("work/app/.env", "");
    let runtime = disk.run(&[bin.to_str().unwrap()]);
    assert_eq!(
        places(&runtime),
        [node.as_path(), &disk.at("work/app/node_modules")]
    );
    assert_eq!(in_box(&runtime, &runtime.program), Some(cli));
}

#[test]
fn packages_in_the_cache_of_npx() {
    let mut disk = Disk::new();
    disk.node("node");
    disk.on_path("node/bin");
    disk.script(
        ".npm/_npx/abc/node_modules/s/cli.js",
        "#!/usr/bin/env -S node --no-warnings\n",
    );
    let bin = disk.link(".npm/_npx/abc/node_modules/.bin/s", "../s/cli.js");
    let runtime = disk.run(&[bin.to_str().unwrap()]);
    assert!(places(&runtime).contains(&disk.at(".npm/_npx/abc/node_modules").as_path()));
    assert!(!places(&runtime).contains(&disk.at(".npm").as_path()));
}

#[test]
fn linked_packages_show_their_file_and_say_what_is_missing() {
    let mut disk = Disk::new();
    disk.node("node");
    disk.on_path("node/bin");
    let cli = disk.script("dev/s/cli.js", "#!/usr/bin/env node\n");
    disk.file("dev/s/package.json", "{}");
    disk.link("node/lib/node_modules/s", disk.at("dev/s"));
    disk.link("node/bin/s", "../lib/node_modules/s/cli.js");
    let runtime = disk.run(&["s"]);
    assert!(
        places(&runtime).contains(&cli.as_path()) && !places(&runtime).contains(&disk.at("dev/s").as_path())
    );
    assert!(
        runtime.notes.iter().any(|note| note.contains("linked package")),
        "{:?}",
        runtime.notes
    );
}

#[test]
fn a_script_in_node_modules_is_shown_as_an_argument_of_node() {
    let mut disk = Disk::new();
    disk.node("node");
    disk.on_path("node/bin");
    let cli = disk.file("work/project/node_modules/s/cli.js", "");
    let runtime = disk.run(&["node", "--no-warnings", "./node_modules/s/cli.js", "x"]);
    assert_eq!(runtime.argv[2], cli);
    assert!(places(&runtime).contains(&disk.at("work/project/node_modules").as_path()));
    assert_eq!(runtime.hidden_args, [] as [&Path; 0]);
}

#[test]
fn paths_among_the_arguments_that_nothing_shows_are_named() {
    let mut disk = Disk::new();
    disk.node("node");
    disk.on_path("node/bin");
    let server = disk.file("work/project/server.js", "");
    let data = disk.file("data/a.db", "");
    let option = format!("--db={}", data.display());
    let runtime = disk.run(&[
        "node",
        "server.js",
        &option,
        "/usr/bin/env",
        "/dev/null",
        "no-such",
        "--flag",
    ]);
    assert_eq!(runtime.hidden_args, [server.as_path(), data.as_path()]);
    assert_eq!(runtime.argv[1], "server.js");
    assert_eq!(places(&runtime), [disk.at("node")]);
}

#[test]
fn corepack_brings_the_package_managers_it_downloaded() {
    let mut disk = Disk::new();
    let node = disk.node("node");
    disk.script(
        "node/lib/node_modules/corepack/dist/yarn.js",
        "#!/usr/bin/env node\n",
    );
    disk.link("node/bin/yarn", "../lib/node_modules/corepack/dist/yarn.js");
    let cache = disk.dir(".cache/node/corepack");
    disk.on_path("node/bin");
    let runtime = disk.run(&["yarn", "start"]);
    assert_eq!(places(&runtime), [cache.as_path(), node.as_path()]);
    assert_eq!(runtime.env, [("COREPACK_HOME".into(), cache.into_os_string())]);
}

#[test]
fn wrappers_of_pnpm_hand_over_to_node() {
    let mut disk = Disk::new();
    let node = disk.node("node");
    let cli = disk.file("share/pnpm/global/5/node_modules/s/cli.js", "");
    let wrapper = disk.script(
        "share/pnpm/s",
        "#!/bin/sh\nbasedir=$(dirname \"$(echo \"$0\" | sed -e 's,\\\\,/,g')\")\n\
         if [ -x \"$basedir/node\" ]; then\n  exec \"$basedir/node\"  \"$basedir/global/5/node_modules/s/cli.js\" \"$@\"\n\
         else\n  exec node  \"$basedir/global/5/node_modules/s/cli.js\" \"$@\"\nfi\n",
    );
    disk.on_path("node/bin");
    let runtime = disk.run(&[wrapper.to_str().unwrap()]);
    let modules = disk.at("share/pnpm/global/5/node_modules");
    assert_eq!(
        places(&runtime),
        [node.as_path(), modules.as_path(), wrapper.as_path()]
    );
    assert_eq!(runtime.path[0], node.join("bin"));
    assert!(in_box(&runtime, &cli).is_some());
}

#[test]
fn scripts_of_deno_hand_over_to_deno() {
    let mut disk = Disk::new();
    let deno = disk.elf(".deno/bin/deno");
    let script = disk.script(
        ".deno/bin/serve",
        "#!/bin/sh\n# generated by deno install\nexec deno run 'jsr:@x/y' \"$@\"\n",
    );
    disk.on_path(".deno/bin");
    assert_eq!(places(&disk.run(&["serve"])), [deno.as_path(), script.as_path()]);
    assert_eq!(places(&disk.run(&["deno", "run", "x"])), [deno.as_path()]);
}

#[test]
fn uv_brings_uvx_and_its_pythons() {
    let mut disk = Disk::new();
    let (uv, uvx) = (disk.elf(".local/bin/uv"), disk.elf(".local/bin/uvx"));
    let pythons = disk.dir(".local/share/uv/python");
    disk.on_path(".local/bin");
    let runtime = disk.run(&["uvx", "mcp-server-time"]);
    assert_eq!(places(&runtime), [uv.as_path(), uvx.as_path(), pythons.as_path()]);
    assert_eq!(
        runtime.env,
        [("UV_PYTHON_INSTALL_DIR".into(), pythons.into_os_string())]
    );
    assert_eq!(runtime.path[0], disk.at(".local/bin"));
}

#[test]
fn bun_brings_bunx() {
    let mut disk = Disk::new();
    let bun = disk.elf(".bun/bin/bun");
    disk.link(".bun/bin/bunx", "bun");
    disk.on_path(".bun/bin");
    let runtime = disk.run(&["bunx", "server"]);
    assert_eq!(places(&runtime), [bun.as_path()]);
    assert_eq!(
        (
            runtime.argv[0].as_os_str(),
            in_box(&runtime, &disk.at(".bun/bin/bunx"))
        ),
        ("bunx".as_ref(), Some(bun))
    );
}

#[test]
fn java_is_its_home() {
    let mut disk = Disk::new();
    disk.elf(".sdkman/candidates/java/21-tem/bin/java");
    disk.file(".sdkman/candidates/java/21-tem/lib/modules", "");
    disk.link(".sdkman/candidates/java/current", "21-tem");
    disk.on_path(".sdkman/candidates/java/current/bin");
    let runtime = disk.run(&["java", "-jar", "x.jar"]);
    let home = disk.at(".sdkman/candidates/java/21-tem");
    assert_eq!(places(&runtime), [home.as_path()]);
    assert_eq!(runtime.env, [("JAVA_HOME".into(), home.into_os_string())]);
}

#[test]
fn shell_scripts_of_java_programs_get_java_and_their_own_package() {
    let mut disk = Disk::new();
    disk.elf("jdk-21/bin/java");
    disk.file("jdk-21/lib/modules", "");
    disk.script(
        ".sdkman/candidates/maven/3.9/bin/mvn",
        "#!/bin/sh\nexec \"$JAVA_HOME/bin/java\" -cp x \"$@\"\n",
    );
    disk.on_path(".sdkman/candidates/maven/3.9/bin");
    let home = disk.at("jdk-21");
    disk.env("JAVA_HOME", &home);
    let runtime = disk.run(&["mvn", "-v"]);
    assert_eq!(
        places(&runtime),
        [disk.at(".sdkman/candidates/maven/3.9"), home.clone()]
    );
    assert_eq!(runtime.env, [("JAVA_HOME".into(), home.into_os_string())]);
}

#[test]
fn homes_that_are_links_keep_their_own_names_too() {
    let mut disk = Disk::new();
    let real = disk.root.join("data/ada");
    fs::create_dir_all(real.join("work")).unwrap();
    fs::remove_dir_all(&disk.host.home).unwrap();
    symlink(&real, &disk.host.home).unwrap();
    disk.host.cwd = disk.at("work");
    let base = disk.python("py", "3.12");
    let venv = disk.venv("envs/mcp", &base);
    let text = format!("#!{}/bin/python\n", venv.display());
    let script = disk.script("envs/mcp/bin/server", text);
    let runtime = disk.run(&[script.to_str().unwrap()]);
    let python = real.join("py/bin/python3.12");
    assert_eq!(in_box(&runtime, &venv.join("bin/python")), Some(python));
    assert_eq!(
        in_box(&runtime, &runtime.program),
        Some(real.join("envs/mcp/bin/server"))
    );
    assert!(
        runtime.mounts.iter().all(|mount| mount.source.starts_with(&real)),
        "{:?}",
        runtime.mounts
    );
    assert_eq!(in_box(&runtime, &disk.at("work")), None);
}

#[test]
fn env_as_the_command_is_followed_to_its_program() {
    let mut disk = Disk::new();
    let node = disk.node("node");
    disk.on_path("node/bin");
    for command in [
        &["env", "A=b", "npx", "x"][..],
        &["/usr/bin/env", "-i", "-u", "C", "npx", "x"],
    ] {
        let runtime = disk.run(command);
        assert_eq!(places(&runtime), [node.as_path()], "{command:?}");
        assert_eq!(runtime.argv[1..], command[1..]);
        assert_eq!(runtime.path[0], node.join("bin"));
    }
}

#[test]
fn the_program_of_env_is_told_from_an_argument_of_the_same_name() {
    let mut disk = Disk::new();
    disk.node("node");
    disk.link("other/npx", disk.at("node/bin/npx"));
    let (npx, real) = (disk.at("other/npx"), disk.at("node/bin/npx"));
    disk.on_path("node/bin");
    let runtime = disk.run(&["env", "A=b", npx.to_str().unwrap(), npx.to_str().unwrap()]);
    assert_eq!(runtime.argv[2..], [real, npx]);
}

#[test]
fn a_command_given_to_a_shell_is_followed() {
    let mut disk = Disk::new();
    let node = disk.node("node");
    disk.on_path("node/bin");
    for command in [
        ["bash", "-lc", "npx -y server"],
        ["sh", "-c", "cd / && exec env A=b npx -y server | cat"],
    ] {
        let runtime = disk.run(&command);
        assert_eq!(places(&runtime), [node.as_path()], "{command:?}");
        assert_eq!(runtime.path[0], node.join("bin"));
        assert_eq!(runtime.argv, command);
    }
}

#[test]
fn a_virtual_environment_of_copies_gets_the_base_that_it_names() {
    let disk = Disk::new();
    let base = disk.python("py", "3.12");
    let venv = disk.at("envs/mcp");
    let python = disk.elf("envs/mcp/bin/python");
    disk.file("envs/mcp/pyvenv.cfg", format!("home = {}/bin\n", base.display()));
    assert_eq!(
        places(&disk.run(&[python.to_str().unwrap(), "x"])),
        [venv.as_path(), base.as_path()]
    );
}

#[test]
fn a_script_is_shown_at_its_place_alone() {
    let disk = Disk::new();
    let script = disk.script("dev/run.sh", "#!/bin/bash -e\necho\n");
    let runtime = disk.run(&[script.to_str().unwrap(), "x"]);
    assert_eq!(places(&runtime), [script.as_path()]);
    assert_eq!(runtime.program, script);
}

#[test]
fn an_interpreter_named_by_a_link_outside_of_every_mount_gets_the_link() {
    let disk = Disk::new();
    let base = disk.python("py", "3.12");
    let link = disk.link("bin/python", base.join("bin/python3"));
    let script = disk.script("dev/run", format!("#!{}\n", link.display()));
    let runtime = disk.run(&[script.to_str().unwrap()]);
    assert_eq!(in_box(&runtime, &link), Some(base.join("bin/python3.12")));
}
