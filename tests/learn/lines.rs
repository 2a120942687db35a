//! What a server names is data in the profile, never TOML; and a flood of it is cut off and said.

use crate::common::hosts;
use crate::watched::{Project, holding};

#[test]
fn names_of_files_and_hosts_do_not_become_settings() {
    for host in hosts() {
        let server = r#"
name = 'a"]\n[network]\nallow = ["evil.example"]\n#'
attempt("named", lambda: read('data/b"] # [network] allow = ["evil.example"]'))
attempt("lines", lambda: read(f"data/{name}"))
attempt("missing", lambda: read(f"~/{name}"))
attempt("bytes", lambda: open(b"data/\xff\n").read())
attempt("variable", lambda: read("data/${home}"))
attempt("variable written", lambda: os.getenv("X\n"))
"#;
        let project = Project::new(&host, server);
        let name = "a\"]\n[network]\nallow = [\"evil.example\"]\n#";
        project.file(&format!("data/{name}"), "odd");
        project.file("data/${home}", "odd");
        project.file("data/b\"] # [network] allow = [\"evil.example\"]", "odd");
        host.file(&format!("home/{name}"), "odd");
        let said = project.learn(&[]);
        assert_eq!(said.get("named"), "odd", "{said:#?}");
        assert_eq!(said.get("lines"), "odd", "{said:#?}");
        assert_eq!(said.get("missing"), "ENOENT", "{said:#?}");
        let profile = project.learned();
        assert!(!holding(&profile).contains("\n[network]"), "{profile}");
        let lines = profile.lines().filter(|line| line.contains("evil.example"));
        assert!(lines.clone().count() >= 2, "{profile}");
        project.check();
        assert_eq!(project.run_learned(&[]).get("named"), "odd", "{profile}");
    }
}

#[test]
fn a_flood_is_cut_off_and_said() {
    for host in hosts() {
        let server = r#"
long = "/".join(["n" * 250] * 15)
for number in range(3000):
    os.path.exists(f"/{number}/{long}")
attempt("then", lambda: read("data"))
"#;
        let project = Project::new(&host, server);
        project.file("data", "still seen");
        project.learn(&[]).is(&[("then", "still seen")]);
        let profile = project.learned();
        assert!(profile.contains("# INCOMPLETE: "), "{profile}");
        assert!(holding(&profile).contains("~/project/data"), "{profile}");
    }
}

#[test]
fn variables_are_told_by_who_reads_them() {
    for host in hosts() {
        let server = r#"
os.getenv("REGION"); os.environ.get("MY_API_KEY"); os.environ.get("UNSET_TOKEN"); os.getenv("LD_PRELOAD")
"#;
        let project = Project::new(&host, server);
        let variables = [
            ("REGION", "eu"),
            ("MY_API_KEY", "k"),
            ("OTHER", "x"),
            ("LD_PRELOAD", ""),
        ];
        project.learn_with(&[], &variables);
        let profile = project.learned();
        let holding = holding(&profile);
        assert!(holding.contains("\"REGION\","), "{profile}");
        assert!(
            holding.contains("\"MY_API_KEY\",") && profile.contains("# secret: "),
            "{profile}"
        );
        for name in ["UNSET_TOKEN", "LD_PRELOAD", "OTHER"] {
            assert!(!holding.contains(name), "{name}\n{profile}");
        }
        assert!(
            profile.contains("# \"UNSET_TOKEN\",") && profile.contains("# \"LD_PRELOAD\","),
            "{profile}"
        );
        assert!(profile.contains("server.py:"), "{profile}");
        assert!(!profile.contains("OTHER"), "{profile}");
        project.check();
    }
}

#[test]
fn what_is_there_is_not_replaced_and_the_exit_code_is_the_servers() {
    for host in hosts() {
        let project = Project::new(&host, "sys.exit(7)");
        assert_eq!(project.learn(&[]).code, Some(7));
        let before = project.learned();
        let said = project.cli(&["learn", "--output", "learned.toml", "--", "python3", "server.py"]);
        assert_eq!(said.code, Some(125), "{said:#?}");
        said.says("\"./learned.toml\" exists already");
        said.says("--force");
        assert_eq!(project.learned(), before);
    }
}

#[test]
fn a_secret_in_the_command_is_not_written_down() {
    for host in hosts() {
        let project = Project::new(&host, "");
        let token = "ghp_0123456789012345678901234567890123456789";
        let words = [
            "learn",
            "--output",
            "learned.toml",
            "--",
            "python3",
            "server.py",
            "--api-key",
            token,
        ];
        assert_eq!(project.cli(&words).code, Some(0));
        let profile = project.learned();
        assert!(!profile.contains(token), "{profile}");
        assert!(profile.contains("looks like a secret"), "{profile}");
    }
}
