//! A hostile server that is watched gets no more than the ceiling, and teaches no profile that gives it what it wants.

use crate::common::network::greeter;
use crate::common::{Host, hosts};
use crate::watched::{Project, holding};

fn secrets(host: &Host) {
    host.directory("home/.ssh");
    host.file("home/.ssh/id_rsa", "the key");
}

#[test]
fn what_is_out_of_the_ceiling_stays_out_of_reach() {
    for host in hosts() {
        secrets(&host);
        let address = greeter("hello");
        let server = format!(
            r#"
attempt("key", lambda: read("~/.ssh/id_rsa"))
attempt("shadow", lambda: len(os.listdir("/root")) >= 0)
attempt("env", lambda: read(".env"))
attempt("copy", lambda: os.link(".env", "copy"))
attempt("example", lambda: read(".env.example"))
attempt("host", lambda: reach("{address}"))
attempt("write", lambda: write("server.py"))
attempt("make", lambda: write("new"))
attempt("folder", lambda: os.mkdir("folder"))
attempt("own", lambda: write("~/mine"))
"#
        );
        let project = Project::new(&host, &server);
        project.file(".env", "TOKEN=secret");
        project.file(".env.example", "TOKEN=");
        let said = project.learn(&[]);
        assert_eq!(said.code, Some(0), "{said:#?}");
        said.is(&[
            ("key", "ENOENT"),
            ("shadow", "ENOENT"),
            ("env", "EACCES"),
            ("copy", "EROFS"),
            ("example", "TOKEN="),
            ("host", "ECONNREFUSED"),
            ("write", "EROFS"),
            ("make", "EROFS"),
            ("folder", "EROFS"),
            ("own", "1"),
        ]);
        assert!(!host.home().join("mine").exists(), "the home is not the user's");
        // The same again with the profile that it taught: secrets and the host's services are still not given.
        let profile = project.learned();
        assert!(!holding(&profile).contains(".ssh"), "{profile}");
        assert!(!holding(&profile).contains("localhost"), "{profile}");
        assert!(profile.contains("WARNING: SSH keys"), "{profile}");
        project.check();
        let said = project.run_learned(&[]);
        for (label, result) in [
            ("key", "ENOENT"),
            ("env", "EACCES"),
            ("host", "ECONNREFUSED"),
            ("make", "1"),
        ] {
            assert_eq!(said.get(label), result, "{said:#?}\n{profile}");
        }
        assert_eq!(
            said.get("write"),
            "EROFS",
            "it must not rewrite itself: {profile}"
        );
        // The control: by itself it gets all of it.
        let bare = project.bare();
        for (label, result) in [
            ("key", "the key"),
            ("env", "TOKEN=secret"),
            ("host", "hello"),
            ("own", "1"),
        ] {
            assert_eq!(bare.get(label), result, "{bare:#?}");
        }
    }
}

#[test]
fn a_folder_around_secrets_is_not_shown() {
    for host in hosts() {
        secrets(&host);
        let project = Project {
            folder: host.home(),
            host: &host,
        };
        host.file("home/notes", "mine");
        let script = "print(open('notes').read())";
        let words = ["learn", "--output", "learned.toml", "--", "python3", "-c", script];
        let said = project.cli(&words);
        assert_eq!(said.code, Some(1), "{said:#?}");
        said.says("is not shown to the server");
        said.says("No such file or directory: 'notes'");
        // What it asked for can be given, since it is no secret: a person reads it.
        said.says("gives what was refused: { path = \"~/notes\", access = \"read\" }");
        assert_eq!(host.bare(&["read", "home/notes"]).done(), "mine");
    }
}

#[test]
fn a_profile_is_its_own_ceiling() {
    for host in hosts() {
        let server = r#"
attempt("given", lambda: read("~/given/a"))
attempt("project", lambda: read("data"))
attempt("excluded", lambda: read("~/given/b.key"))
"#;
        let project = Project::new(&host, server);
        project.file("data", "own");
        host.directory("home/given");
        host.file("home/given/a", "one");
        host.file("home/given/b.key", "two");
        let given = "version = 1\n[filesystem]\nmounts = [{ path = \"~/given\", exclude = [\"*.key\"] }]\n";
        host.file("home/given.toml", given);
        let said = project.learn(&["--profile", "../given.toml", "--read", "server.py"]);
        said.is(&[("given", "one"), ("project", "ENOENT"), ("excluded", "EACCES")]);
        said.says("--- ../given.toml");
        said.says("+++ ./learned.toml");
        said.says("-mounts = [{ path = \"~/given\", exclude = [\"*.key\"] }]");
        let profile = project.learned();
        let line = "{ path = \"~/given\", access = \"read\", exclude = [\"*.key\"] },";
        assert!(holding(&profile).contains(line), "{profile}");
    }
}
