//! Values that are no limits are errors when the profile is checked, with their place.

use crate::common::{binaries, hosts};
use crate::loads::flags;

/// The first line of what `check` and `run` say of one line under `[resources]`, or nothing.
fn said(line: &str, command: &[&str]) -> Option<String> {
    let host = hosts().remove(0);
    let all = flags(&host, line);
    let mut check = host.command(&binaries().sandbox);
    let check = check.arg("check").arg(&all[1]).output().expect("the sandbox");
    let run = host.run(&all).args(command).output().expect("the sandbox");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().next().map(str::to_owned);
    if check.status.success() {
        return (run.status.code() == Some(125))
            .then(|| text(&run.stderr))
            .flatten();
    }
    assert_eq!(
        (check.status.code(), run.status.code()),
        (Some(125), Some(125)),
        "{line}"
    );
    assert_eq!(text(&check.stderr), text(&run.stderr));
    text(&check.stderr)
}

#[track_caller]
fn refused(line: &str, why: &str) {
    let text = said(line, &["true"]).unwrap_or_else(|| panic!("{line} was taken"));
    assert!(
        text.contains("limits.toml:3:") && text.contains(why),
        "{line}: {text}"
    );
}

#[track_caller]
fn taken(line: &str) {
    assert_eq!(said(line, &["true"]), None);
}

#[test]
fn nothing_negative_and_unknown_units() {
    for key in ["memory", "disk", "file_size"] {
        refused(&format!("{key} = \"0MB\""), "is not a size: the size is zero");
        refused(&format!("{key} = \"-1MB\""), "is not a size: ");
        refused(&format!("{key} = \"1XB\""), "is not a size: unknown unit \"XB\"");
        refused(&format!("{key} = 5"), "must be a string, found an integer");
        taken(&format!("{key} = \"64MB\""));
    }
    for key in ["timeout", "idle"] {
        refused(
            &format!("{key} = \"0s\""),
            "is not a time limit: the time is zero",
        );
        refused(&format!("{key} = \"-1s\""), "is not a time limit: ");
        refused(
            &format!("{key} = \"5y\""),
            "is not a time limit: unknown unit \"y\"",
        );
    }
    taken("timeout = \"1h\"");
    for key in ["processes", "open_files"] {
        refused(&format!("{key} = 0"), "\"0\" is not a limit for ");
        refused(&format!("{key} = -1"), "\"-1\" is not a limit for ");
        refused(&format!("{key} = 99999999999"), "is not a limit for ");
        refused(
            &format!("{key} = \"5\""),
            "must be a whole number, found a string",
        );
        taken(&format!("{key} = 64"));
    }
    refused("cpu = \"0%\"", "is not a share of the processor: ");
    refused("cpu = \"-5%\"", "is not a share of the processor: ");
    refused("cpu = \"50\"", "is not a share of the processor: ");
    refused("cpu = 0.5", "must be a string, found a float");
    taken("cpu = \"50%\"");
}

#[test]
fn more_than_the_machine_and_less_than_a_runtime() {
    refused("cpu = \"1000000%\"", "is more than this machine has");
    refused("memory = \"1MB\"", "is less memory than any program starts with");
    taken("memory = \"8MB\"");
    let python = ["python3", "-c", "pass"];
    let text = said("memory = \"8MB\"", &python).expect("too little for Python");
    assert!(
        text.contains("limits.toml:3:10: error: \"8MB\" is less memory than \"python3"),
        "{text}"
    );
    assert_eq!(said("memory = \"32MB\"", &python), None);
}
