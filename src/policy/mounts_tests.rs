//! Each refusal beside the mount that is allowed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use super::*;
use crate::profile::merge::merge;
use crate::profile::{Flags, RawProfile, Source, load::load};

/// A small disk: a home with secrets, a project, and folders beside it.
struct Disk {
    host: Host,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for dir in [
            "home/.ssh",
            "home/.config/gh",
            "home/project/src",
            "home/plain",
            "data",
            "config",
            "state",
        ] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::write(root.join("home/.ssh/id"), "key").unwrap();
        fs::write(root.join("home/project/a.txt"), "a").unwrap();
        let host = Host {
            home: root.join("home"),
            cwd: root.join("home/project"),
            config_dir: root.join("config"),
            state_dir: root.join("state"),
            cache_dir: root.join("cache"),
            uid: fs::metadata(&root).map(|found| owner(&found)).unwrap(),
            ssh_auth_sock: Some(root.join("data/agent.sock")),
            cores: 2,
        };
        Disk {
            host,
            root,
            _folder: folder,
        }
    }

    fn profile(&self, mounts: &str, flags: &Flags) -> Profile {
        let source = std::sync::Arc::new(Source {
            name: "p.toml".into(),
            file: Some(self.root.join("p.toml")),
        });
        let text = format!("version = 1\n[filesystem]\nmounts = [\n{mounts}\n]");
        let raw: RawProfile = load(text.as_bytes(), &source).unwrap();
        merge("p", vec![raw], None, flags).unwrap()
    }

    fn resolve(&self, mounts: &str) -> Result<Resolved, String> {
        resolve(&self.profile(mounts, &Flags::default()), &self.host).map_err(|found| told(&found))
    }

    /// Source, target and access of each mount, with the disk's root left out.
    fn shown(&self, mounts: &str) -> Vec<(String, String, Access)> {
        self.short(self.resolve(mounts).unwrap().mounts)
    }

    fn short(&self, mounts: Vec<platform::Mount>) -> Vec<(String, String, Access)> {
        let root = self.root.to_str().unwrap();
        let short = |path: &Path| path.to_str().unwrap().replacen(root, "", 1);
        mounts
            .iter()
            .map(|one| (short(&one.source), short(&one.at), one.access))
            .collect()
    }

    fn error(&self, mounts: &str) -> String {
        self.resolve(mounts).unwrap_err()
    }

    fn args(&self, line: &str, access: Access) -> Result<Resolved, String> {
        let line = line.replace("ROOT", self.root.to_str().unwrap());
        let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        path_args(&argv, access, &[], &self.host).map_err(|found| told(&found))
    }
}

fn owner(found: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(found)
}

fn told(found: &[Diagnostic]) -> String {
    found
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn triple(source: &str, at: &str, access: Access) -> (String, String, Access) {
    (source.into(), at.into(), access)
}

#[test]
fn mounts_are_followed_and_placed() {
    let disk = Disk::new();
    symlink(disk.root.join("data"), disk.root.join("link")).unwrap();
    let shown = disk.shown("{ path = \"${profile_dir}/link\" }");
    assert_eq!(shown, [triple("/data", "/data", Access::Read)]);
    let shown = disk.shown("{ path = \"~/plain/../project/a.txt\", at = \"/x/./a\" }");
    assert_eq!(shown, [triple("/home/project/a.txt", "/x/a", Access::Read)]);
}

#[test]
fn outer_targets_come_first() {
    let disk = Disk::new();
    let inner = "{ path = \"${cwd}/src\", at = \"/w/src\" }";
    let outer = "{ path = \"${cwd}\", at = \"/w\", access = \"write\" }";
    let expected = [
        triple("/home/project", "/w", Access::Write),
        triple("/home/project/src", "/w/src", Access::Read),
    ];
    assert_eq!(disk.shown(&format!("{inner}, {outer}")), expected);
}

#[test]
fn a_reason_names_the_line() {
    let disk = Disk::new();
    let resolved = disk.resolve("\n{ path = \"~/plain\", at = \"/x\" }").unwrap();
    assert_eq!(resolved.mounts[0].reason, "p.toml:5");
}

#[test]
fn what_is_missing_is_told_or_created() {
    let disk = Disk::new();
    let error = disk.error("{ path = \"~/plain/new/deep\", access = \"write\", at = \"/x\" }");
    assert!(error.starts_with("p.toml:4:10: error: \""), "{error}");
    assert!(error.contains("home/plain/new/deep\" does not exist"), "{error}");
    assert!(error.contains("home/plain\"; add create = true"), "{error}");
    assert!(
        disk.error("{ path = \"~/none\", at = \"/x\" }")
            .contains("make it first")
    );
    let made = disk
        .resolve("{ path = \"~/plain/new/deep\", access = \"write\", create = true, at = \"/x\" }")
        .unwrap();
    assert_eq!(made.mounts[0].source, disk.root.join("home/plain/new/deep"));
    assert!(made.mounts[0].create && !disk.root.join("home/plain/new").exists());
    assert!(
        disk.error("{ path = \"~/none/../x\", access = \"write\", create = true, at = \"/x\" }")
            .contains("cannot follow")
    );
    assert!(
        disk.error("{ path = \"~/project/a.txt/x\", at = \"/x\" }")
            .contains("cannot follow")
    );
}

#[test]
fn duplicate_targets_name_both_lines() {
    let disk = Disk::new();
    let error = disk.error("{ path = \"~/plain\", at = \"/x\" },\n{ path = \"~/project\", at = \"/x/\" }");
    assert!(
        error.contains("p.toml:5:10: error: \"/x\" is the target of two mounts, here and at p.toml:4"),
        "{error}"
    );
}

#[test]
fn a_flag_wins_over_the_profile_but_not_over_another_flag() {
    let disk = Disk::new();
    let mut flags = Flags {
        write: vec![("src".into(), Some("/x".into()))],
        ..Flags::default()
    };
    let profile = disk.profile("{ path = \"~/plain\", at = \"/x\" }", &flags);
    let mounts = resolve(&profile, &disk.host).unwrap().mounts;
    assert_eq!(
        disk.short(mounts),
        [triple("/home/project/src", "/x", Access::Write)]
    );
    flags.read = vec![("../plain".into(), Some("/x".into()))];
    let found = resolve(&disk.profile("", &flags), &disk.host).unwrap_err();
    assert!(told(&found).contains("--write: error: \"/x\" is the target of two mounts, here and at --read"));
}

#[test]
fn flags_are_refused_alike() {
    let disk = Disk::new();
    let flags = Flags {
        read: vec![("..".into(), Some("/x".into()))],
        ..Flags::default()
    };
    let found = resolve(&disk.profile("", &flags), &disk.host).unwrap_err();
    assert!(told(&found).starts_with("--read: error: "), "{}", told(&found));
    assert!(told(&found).contains("it is your whole home"));
}

#[test]
fn the_disk_the_home_and_the_kernels_own_are_refused() {
    let disk = Disk::new();
    for (path, why) in [
        ("/", "it is the whole disk"),
        ("/home", "every user's home lies in it"),
        ("~", "it is your whole home"),
        ("${cwd}/..", "it is your whole home"),
        ("${home}/../", "your home lies in it"),
        ("/proc", "the kernel's"),
        ("/proc/self/net", "the kernel's"),
        ("/sys", "the kernel's"),
        ("/dev/null", "the kernel's"),
    ] {
        let error = disk.error(&format!("{{ path = \"{path}\", at = \"/x\" }}"));
        assert!(
            error.contains("cannot be mounted: ") && error.contains(why),
            "{path}: {error}"
        );
    }
    assert!(disk.resolve("{ path = \"~/plain\", at = \"/x\" }").is_ok());
}

#[test]
fn a_link_to_the_home_is_the_home() {
    let disk = Disk::new();
    symlink(disk.root.join("home"), disk.root.join("link")).unwrap();
    assert!(
        disk.error("{ path = \"${profile_dir}/link\", at = \"/x\" }")
            .contains("it is your whole home")
    );
}

#[test]
fn what_holds_a_secret_is_refused_and_a_secret_by_name_is_a_warning() {
    let disk = Disk::new();
    let error = disk.error("{ path = \"~/.config\", at = \"/x\" }");
    assert!(
        error.contains("it holds \"") && error.contains(".config/gh\" (GitHub tokens)"),
        "{error}"
    );
    for path in ["~/.ssh", "~/.ssh/id"] {
        let resolved = disk
            .resolve(&format!("{{ path = \"{path}\", at = \"/x\" }}"))
            .unwrap();
        assert_eq!(resolved.mounts.len(), 1);
        assert!(
            resolved.warnings[0]
                .warning()
                .contains("warning: the server gets \""),
            "{path}"
        );
        assert!(resolved.warnings[0].message.contains("SSH keys"), "{path}");
    }
    assert_eq!(
        disk.resolve("{ path = \"~/plain\", at = \"/x\" }")
            .unwrap()
            .warnings,
        []
    );
}

#[test]
fn a_secret_that_is_a_link_is_found_at_its_end() {
    let disk = Disk::new();
    fs::create_dir_all(disk.root.join("data/dotfiles/aws")).unwrap();
    symlink(disk.root.join("data/dotfiles/aws"), disk.root.join("home/.aws")).unwrap();
    let error = disk.error("{ path = \"${profile_dir}/data\", at = \"/x\" }");
    assert!(error.contains("AWS credentials"), "{error}");
    assert_eq!(
        disk.resolve("{ path = \"${profile_dir}/data/dotfiles/aws\", at = \"/x\" }")
            .unwrap()
            .warnings
            .len(),
        1
    );
}

#[test]
fn our_own_folders_and_the_agent_are_secrets() {
    let disk = Disk::new();
    fs::write(disk.root.join("data/agent.sock"), "").unwrap();
    assert!(
        disk.error("{ path = \"${profile_dir}/data\", at = \"/x\" }")
            .contains("the SSH agent's socket")
    );
    let warnings = disk
        .resolve("{ path = \"${profile_dir}/config\", at = \"/x\" }")
        .unwrap()
        .warnings;
    assert!(warnings[0].message.contains("the profiles that say"));
}

#[test]
fn a_link_that_a_server_could_plant_is_refused() {
    let disk = Disk::new();
    symlink(disk.root.join("data"), disk.root.join("home/project/out")).unwrap();
    let write = "{ path = \"~/project\", at = \"/w\", access = \"write\" },";
    let read = "{ path = \"~/project\", at = \"/w\" },";
    let link = "{ path = \"~/project/out\", at = \"/x\" }";
    let error = disk.error(&format!("{write}\n{link}"));
    assert!(
        error.starts_with("p.toml:5:10: error: the symbolic link \""),
        "{error}"
    );
    assert!(error.contains("which a server can write"), "{error}");
    assert!(
        disk.resolve(&format!("{read}\n{link}")).is_ok(),
        "read-only, it is the user's own link"
    );
}

#[test]
fn a_link_of_somebody_else_in_an_open_folder_is_refused() {
    let mut disk = Disk::new();
    let (open, link) = (disk.root.join("data"), disk.root.join("data/link"));
    symlink(disk.root.join("home/plain"), &link).unwrap();
    let mount = "{ path = \"${profile_dir}/data/link\", at = \"/x\" }";
    match disk.host.uid {
        0 => lchown(&link, Some(4242), None).unwrap(),
        _ => disk.host.uid += 1,
    }
    assert!(
        disk.resolve(mount).is_ok(),
        "only the owner makes links in this folder"
    );
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    let error = disk.error(mount);
    assert!(error.contains("another user made it"), "{error}");
}

#[test]
fn a_profile_that_its_server_can_write_is_a_warning() {
    let disk = Disk::new();
    let inner = disk.root.join("data/p.toml");
    fs::write(
        &inner,
        "version = 1\n[filesystem]\nmounts = [{ path = \"${profile_dir}\", access = \"write\" }]",
    )
    .unwrap();
    let open = |access: &str| {
        let text = fs::read_to_string(&inner).unwrap().replace("write", access);
        fs::write(&inner, text).unwrap();
        let profile = crate::profile::open(inner.to_str(), None, &Flags::default(), &disk.host).unwrap();
        resolve(&profile, &disk.host).unwrap().warnings
    };
    assert!(open("write")[0].message.contains("data/p.toml\": this profile"));
    assert_eq!(open("read"), []);
}

#[test]
fn every_refusal_is_told_at_once() {
    let disk = Disk::new();
    let error = disk.error("{ path = \"/\", at = \"/x\" },\n{ path = \"rel\" },\n{ path = \"~/none\" },\n{ path = \"~/plain\", at = \"/etc/x\" }");
    for place in ["p.toml:4:", "p.toml:5:", "p.toml:6:", "p.toml:7:"] {
        assert!(error.contains(place), "{place}: {error}");
    }
}

#[test]
fn paths_among_arguments_are_shown_where_they_are() {
    let disk = Disk::new();
    for (line, expected) in [
        ("server ROOT/data", vec!["/data"]),
        ("server ~/plain", vec!["/home/plain"]),
        ("server ./src", vec!["/home/project/src"]),
        ("server src/../src", vec!["/home/project/src"]),
        ("server .", vec!["/home/project"]),
        (
            "server --repository ROOT/data --x=~/plain",
            vec!["/data", "/home/plain"],
        ),
        ("server ROOT/data ROOT/data", vec!["/data"]),
        ("server src", vec![]),
        (
            "server ./none /dev/null --flag -x https://example.org/a @scope/package",
            vec![],
        ),
        ("ROOT/data", vec![]),
    ] {
        let mounts = disk.short(disk.args(line, Access::Write).unwrap().mounts);
        let expected: Vec<_> = expected
            .iter()
            .map(|path| triple(path, path, Access::Write))
            .collect();
        assert_eq!(mounts, expected, "{line}");
    }
}

#[test]
fn arguments_get_no_more_than_mounts_do() {
    let disk = Disk::new();
    for line in [
        "server /",
        "server ..",
        "server ~/",
        "server ROOT",
        "server --dir=~/.config",
    ] {
        let error = disk.args(line, Access::Read).unwrap_err();
        assert!(
            error.starts_with("argument ") && error.contains("cannot be mounted"),
            "{line}: {error}"
        );
    }
    for line in [
        "server /etc/passwd",
        "server --git=/usr/bin/env",
        "server /usr",
        "server /bin/sh",
    ] {
        assert_eq!(
            disk.args(line, Access::Write).unwrap(),
            Resolved::default(),
            "{line}"
        );
    }
    assert_eq!(
        disk.args("server ~/.ssh", Access::Read).unwrap().warnings.len(),
        1
    );
}

#[test]
fn a_linked_argument_is_shown_at_both_places() {
    let disk = Disk::new();
    symlink(disk.root.join("data"), disk.root.join("link")).unwrap();
    let mounts = disk.short(disk.args("server ROOT/link", Access::Read).unwrap().mounts);
    assert_eq!(
        mounts,
        [
            triple("/data", "/data", Access::Read),
            triple("/data", "/link", Access::Read)
        ]
    );
}

#[test]
fn the_script_of_an_interpreter_is_never_writable() {
    let disk = Disk::new();
    let mounts = disk.short(disk.args("node ./a.txt ./src", Access::Write).unwrap().mounts);
    let [script, folder] = [
        ("/home/project/a.txt", Access::Read),
        ("/home/project/src", Access::Write),
    ];
    assert_eq!(
        mounts,
        [
            triple(script.0, script.0, script.1),
            triple(folder.0, folder.0, folder.1)
        ]
    );
}

#[test]
fn the_script_is_read_only_by_each_name_it_is_given() {
    let disk = Disk::new();
    symlink("a.txt", disk.root.join("home/project/b.txt")).unwrap();
    let link = disk.root.join("home/project/b.txt");
    let argv = ["node", "a.txt", "~/plain", link.to_str().unwrap()].map(OsString::from);
    // As the runtime shows a package; a writable folder around it would take its place.
    let shown = disk.resolve("{ path = \"~/project\" }").unwrap().mounts;
    for mounts in [&[][..], &shown] {
        let found = path_args(&argv, Access::Write, mounts, &disk.host).unwrap();
        let script = [
            triple("/home/project/a.txt", "/home/project/a.txt", Access::Read),
            triple("/home/project/a.txt", "/home/project/b.txt", Access::Read),
        ];
        assert_eq!(disk.short(found.guarded), script);
        let folder = triple("/home/plain", "/home/plain", Access::Write);
        assert_eq!(disk.short(found.mounts), [&[folder], script.as_slice()].concat());
    }
}

#[test]
fn what_the_profile_mounts_is_left_alone_by_arguments() {
    let disk = Disk::new();
    let mounts = disk.resolve("{ path = \"~/project\" }").unwrap().mounts;
    let argv = ["server", "./src", "~/plain"].map(OsString::from);
    let added = path_args(&argv, Access::Write, &mounts, &disk.host)
        .unwrap()
        .mounts;
    assert_eq!(
        disk.short(added),
        [triple("/home/plain", "/home/plain", Access::Write)]
    );
    symlink(disk.root.join("data"), disk.root.join("home/project/out")).unwrap();
    let writable = disk
        .resolve("{ path = \"~/project\", access = \"write\" }")
        .unwrap()
        .mounts;
    let argv = ["server", "./out"].map(OsString::from);
    let found = path_args(&argv, Access::Read, &writable, &disk.host).unwrap_err();
    assert!(told(&found).contains("which a server can write"));
}

/// What a runtime would show at its own place, judged.
fn runtime(disk: &Disk, path: &str) -> Result<(), String> {
    let source = match path.strip_prefix("ROOT") {
        Some(below) => disk.root.join(below.trim_start_matches('/')),
        None => path.into(),
    };
    let mount = platform::Mount {
        at: source.clone(),
        source,
        access: Access::Read,
        create: false,
        reason: "runtime: test".into(),
    };
    judge_runtime(&[mount], &disk.host).map_err(|found| told(&found))
}

#[test]
fn a_runtime_is_shown_but_no_secret_in_its_name() {
    let disk = Disk::new();
    fs::create_dir_all(disk.root.join("home/.nvm/versions/node/v20")).unwrap();
    assert_eq!(runtime(&disk, "ROOT/home/.nvm/versions/node/v20"), Ok(()));
    assert_eq!(runtime(&disk, "ROOT/home/project/a.txt"), Ok(()));
    for secret in [
        "ROOT/home",
        "ROOT/home/.ssh",
        "ROOT/home/.ssh/id",
        "ROOT/home/.config",
        "ROOT",
        "/",
    ] {
        let error = runtime(&disk, secret).unwrap_err();
        assert!(
            error.contains("to run this command the box would show"),
            "{secret}: {error}"
        );
    }
}

#[test]
fn a_runtime_is_no_part_of_the_system_or_the_kernel() {
    let disk = Disk::new();
    for path in [
        "/etc",
        "/etc/passwd",
        "/home",
        "/var",
        "/run",
        "/proc",
        "/proc/version",
        "/sys",
        "/dev",
        "/dev/null",
    ] {
        assert!(runtime(&disk, path).is_err(), "{path}");
    }
    let socket = disk.root.join("data/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(
        runtime(&disk, "ROOT/data/socket")
            .unwrap_err()
            .contains("neither a file nor a folder")
    );
}

#[test]
fn a_link_to_a_secret_is_refused_where_its_own_name_is_a_warning() {
    let disk = Disk::new();
    symlink(disk.root.join("home/.ssh"), disk.root.join("data/innocent")).unwrap();
    let by_name = disk.resolve("{ path = '~/.ssh' }").unwrap();
    assert_eq!(by_name.warnings.len(), 1);
    let path = disk.root.join("data/innocent");
    let error = disk.error(&format!("{{ path = '{}' }}", path.display()));
    assert!(error.contains("a symbolic link leads to a secret"), "{error}");
}
