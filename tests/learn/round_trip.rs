//! What was learned is valid, and enough for what it was learned from.

use crate::common::hosts;
use crate::watched::{Project, holding};

const SERVER: &str = r#"
attempt("files", lambda: "".join(read(f"data/{number}") for number in range(5)))
attempt("one", lambda: read("conf/one"))
attempt("other", lambda: read("~/other/x"))
attempt("output", lambda: os.makedirs("out/deep", exist_ok=True) or write("out/deep/result"))
attempt("state", lambda: write("~/state"))
attempt("child", lambda: subprocess.run(["cat", "conf/one"], capture_output=True).stdout.decode().strip())
attempt("token", lambda: os.environ.get("API_TOKEN", "none"))
"#;

#[test]
fn a_learned_profile_runs_its_server() {
    for host in hosts() {
        let project = Project::new(&host, SERVER);
        (0..5).for_each(|number| drop(project.file(&format!("data/{number}"), &number.to_string())));
        project.file("conf/one", "one");
        project.file("conf/two", "never used");
        host.directory("home/other");
        host.file("home/other/x", "other");
        let variables = [("API_TOKEN", "t0ken")];
        // The control: without a profile it gets nothing of it, and what it writes is gone.
        project
            .cli(&["run", "-q", "--read", "server.py", "--", "python3", "server.py"])
            .is(&[
                ("files", "ENOENT"),
                ("one", "ENOENT"),
                ("other", "ENOENT"),
                ("output", "1"),
                ("state", "1"),
                ("child", ""),
                ("token", "none"),
            ]);
        let said = project.learn_with(&[], &variables);
        said.is(&[
            ("files", "01234"),
            ("one", "one"),
            ("other", "ENOENT"),
            ("output", "EROFS"),
            ("state", "1"),
            ("child", "one"),
            ("token", "none"),
        ]);
        assert!(
            !project.folder.join("out").exists(),
            "nothing is written while learning"
        );
        let profile = project.learned();
        let holding = holding(&profile);
        for line in [
            "{ path = \"~/other/x\", access = \"read\" },",
            "{ path = \"~/project/conf/one\", access = \"read\" },",
            "{ path = \"~/project/out\", access = \"write\", create = true },",
            "\"API_TOKEN\",",
            "spawn = true",
            "cwd = \"~/project\"",
        ] {
            assert!(holding.contains(line), "{line}\n{profile}");
        }
        assert!(
            holding.contains("{ path = \"~/project/data\", access = \"read\" },"),
            "{profile}"
        );
        assert!(
            !holding.contains("persistent") && profile.contains("# home = \"persistent\""),
            "{profile}"
        );
        assert!(profile.contains("# secret: "), "{profile}");
        said.says("gives what was refused: { path = \"~/other/x\"");
        project.check();
        let said = project.run_learned(&variables);
        assert_eq!(said.code, Some(0), "{said:#?}\n{profile}");
        said.is(&[
            ("files", "01234"),
            ("one", "one"),
            ("other", "other"),
            ("output", "1"),
            ("state", "1"),
            ("child", "one"),
            ("token", "t0ken"),
        ]);
        assert!(project.folder.join("out/deep/result").exists());
    }
}

#[test]
fn a_server_that_needs_nothing_gets_nothing() {
    for host in hosts() {
        let project = Project::new(&host, "print('works: yes')");
        let said = project.learn(&[]);
        said.is(&[("works", "yes")]);
        let holding = holding(&project.learned());
        assert_eq!(
            holding.matches("path = ").count(),
            1,
            "the script alone: {holding}"
        );
        for key in ["allow", "pass", "spawn = true"] {
            assert!(!holding.contains(key), "{key}\n{holding}");
        }
        assert!(holding.contains("spawn = false"), "{holding}");
        project.check();
        project.run_learned(&[]).is(&[("works", "yes")]);
    }
}
