//! Commands of the machine the tests run on.

use super::*;

fn this_machine() -> Host {
    let env = std::env::vars_os().collect::<std::collections::BTreeMap<_, _>>();
    Host {
        path: env.get(OsStr::new("PATH")).cloned(),
        home: env
            .get(OsStr::new("HOME"))
            .map(PathBuf::from)
            .unwrap_or_else(|| "/".into()),
        cwd: std::env::current_dir().unwrap(),
        env,
    }
}

fn run(command: &[&str], host: &Host) -> Runtime {
    let command: Vec<OsString> = command.iter().map(OsString::from).collect();
    resolve(&command, host).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_program_of_the_system_needs_nothing_more() {
    let runtime = run(&["/bin/true"], &Disk::new().host);
    assert_eq!(runtime.mounts, []);
    assert_eq!(runtime.links, []);
    assert_eq!(runtime.path, [Path::new("/usr/bin"), Path::new("/bin")]);
    assert!(runtime.program.ends_with("true"));
}

#[test]
fn the_system_shows_libraries_and_certificates_but_no_secrets() {
    let system = super::super::system();
    let shown = |path: &str| {
        let at = |at: &Path| Path::new(path).starts_with(at);
        system.mounts.iter().any(|mount| at(&mount.at)) || system.links.iter().any(|link| at(&link.at))
    };
    assert!(shown("/usr/lib") && shown("/usr/bin/env") && shown("/bin/sh"));
    for path in [
        "/etc/shadow",
        "/etc/passwd",
        "/etc/ssl/private/key",
        "/etc/ssh",
        "/usr/local/bin",
        "/usr/src",
        "/root",
    ] {
        assert!(!shown(path), "{path}");
    }
    for link in &system.links {
        assert!(
            super::super::system::holds(&link.at.canonicalize().unwrap()),
            "{link:?} leads nowhere"
        );
    }
    for mount in &system.mounts {
        assert_eq!(mount.source, mount.source.canonicalize().unwrap());
    }
}

#[test]
fn npx_of_the_machine() {
    let host = this_machine();
    let Ok(npx) = resolve(&["npx".into(), "-y".into(), "server".into()], &host) else {
        assert!(
            !Path::new("/usr/bin/npx").exists(),
            "npx is installed but does not resolve"
        );
        return;
    };
    assert_eq!(npx.argv[0], "npx");
    assert!(
        npx.program.ends_with("npx") || npx.program.ends_with("npx-cli.js"),
        "{npx:?}"
    );
    for directory in ["/", "/usr", "/usr/local"] {
        assert!(!places(&npx).contains(&Path::new(directory)));
    }
}

#[test]
fn python_of_pyenv_on_the_machine() {
    let host = this_machine();
    let shim = host.home.join(".pyenv/shims/python3");
    if !shim.exists() {
        return;
    }
    let runtime = run(&[shim.to_str().unwrap(), "-V"], &host);
    let prefix = runtime
        .mounts
        .iter()
        .find(|mount| mount.reason == "runtime: python prefix")
        .unwrap();
    assert!(
        prefix.at.starts_with(host.home.join(".pyenv/versions")),
        "{runtime:?}"
    );
    assert!(runtime.program.starts_with(&prefix.at));
    assert_eq!(runtime.argv[0], runtime.program);
}

#[test]
fn resolving_a_program_of_the_system_is_fast() {
    let host = Disk::new().host;
    let command = [OsString::from("/bin/true")];
    let start = std::time::Instant::now();
    for _ in 0..200 {
        resolve(&command, &host).unwrap();
    }
    // 200 µs each would be noticed beside an exec; a debug build on a busy machine gets some slack.
    assert!(
        start.elapsed().as_micros() / 200 < 1000,
        "{:?}",
        start.elapsed() / 200
    );
}

#[test]
fn java_of_the_machine_finds_its_configuration_in_the_box() {
    let Ok(java) = fs::canonicalize("/usr/bin/java") else {
        return;
    };
    let mut runtime = run(&["/usr/bin/java", "-version"], &this_machine());
    assert_eq!(
        runtime.env,
        [(
            "JAVA_HOME".into(),
            java.ancestors().nth(2).unwrap().as_os_str().to_owned()
        )]
    );
    let system = super::super::system();
    runtime.mounts.extend(system.mounts);
    runtime.links.extend(system.links);
    let security = java
        .ancestors()
        .nth(2)
        .unwrap()
        .join("lib/security/default.policy");
    assert_eq!(
        in_box(&runtime, &security).and_then(|file| file.canonicalize().ok()),
        security.canonicalize().ok()
    );
}

#[test]
fn libraries_of_a_program_are_read_from_its_header() {
    let elf = super::super::elf::Elf::read(Path::new("/bin/sh")).unwrap();
    assert!(
        elf.needed
            .iter()
            .any(|name| name.to_string_lossy().starts_with("libc.")),
        "{elf:?}"
    );
    assert!(elf.loader.is_some_and(|loader| loader.is_file()));
}
