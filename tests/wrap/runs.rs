//! What was boxed is started as the client would start it, and answers as before.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::boxed::{Case, PATH};
use crate::config::{CURSOR, OWN, cursor, json};

/// Starts the entry `a` of Cursor's file like a client: with a short PATH, and with the entry's own variables and folder.
fn start(case: &Case) -> String {
    let entry = json(case)["mcpServers"]["a"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut command = Command::new(text(&entry["command"]));
    command.args(entry["args"].as_array().unwrap().iter().map(text));
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", case.path("home"));
    for (name, value) in entry["env"].as_object().unwrap() {
        command.env(name, text(value));
    }
    command.current_dir(text(&entry["cwd"])).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_boxed_server_gets_its_variables_and_its_folder() {
    let case = Case::new();
    case.write(
        "data/server.py",
        "import os, sys\nprint(os.environ.get('KEY'), os.getcwd(), sys.argv[1:], os.path.exists('/etc/shadow'))\n",
    );
    let folder = case.text("data");
    cursor(
        &case,
        &format!(
            r#"{{"command": "python3", "args": ["server.py", "a b", "--", "ü"], "env": {{"KEY": "v"}}, "cwd": "{folder}"}}"#
        ),
    );
    let bare = start(&case);
    case.cli(["wrap", "cursor", "--yes", "--read", "../data"]).ok();
    assert_eq!(json(&case)["mcpServers"]["a"]["command"], OWN);
    let boxed = start(&case);
    assert_eq!(bare, format!("v {folder} ['a b', '--', 'ü'] True\n"));
    assert_eq!(boxed, bare.replace("True", "False"), "{}", case.read(CURSOR));
    case.cli(["unwrap", "cursor", "--yes"]).ok();
    assert_eq!(start(&case), bare);
}
