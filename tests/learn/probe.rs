//! `--probe`: what a client would ask first is asked, and the server ends.

use crate::common::hosts;
use crate::watched::{Project, holding};

const SERVER: &str = r#"
import json
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = {"capabilities": {"tools": {}}}
    if message["method"] == "tools/list":
        result = {"tools": [{"name": name} for name in read("names").split()]}
    print("noise\n" + json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;

#[test]
fn a_server_without_a_client_shows_what_its_lists_need() {
    for host in hosts() {
        let project = Project::new(&host, SERVER);
        project.file("names", "one two three");
        let said = project.learn(&["--probe"]);
        assert_eq!(said.code, Some(0), "{said:#?}");
        said.says("the server offers 3 tools");
        let profile = project.learned();
        assert!(holding(&profile).contains("~/project/names"), "{profile}");
        project.check();
        // The control: nobody asks, and the file is not needed.
        project.learn(&[]);
        assert!(!project.learned().contains("names"));
    }
}

#[test]
fn a_server_that_ends_at_once_is_told_of() {
    for host in hosts() {
        let project = Project::new(&host, "sys.exit(3)");
        let said = project.learn(&["--probe"]);
        assert_eq!(said.code, Some(3), "{said:#?}");
        said.says("the server ended before it answered server/discover");
    }
}
