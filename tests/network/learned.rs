//! `learn`: hosts that are found out, and those that stay out of reach meanwhile.

use std::fs;

use crate::common::{Host, binaries, hosts};
use crate::scripts::{Said, bare, said};
use crate::world::{LAN, METADATA, internet};

const HELLO: &str = "hello from 11.11.1.1";

fn script() -> String {
    format!(
        r#"
attempt("name", lambda: reach("api.test"))
attempt("lan name", lambda: reach("lan.test"))
attempt("metadata name", lambda: reach("meta.test"))
attempt("loopback name", lambda: reach("inside.test"))
attempt("lan", lambda: reach("{LAN}"))
attempt("metadata", lambda: reach("{METADATA}"))
attempt("address", lambda: reach("11.11.2.1"))
"#
    )
}

/// What the script said, and the profile that was learned.
fn learn(host: &Host, flags: &[&str], script: &str) -> (Said, String) {
    internet();
    let mut command = host.command(&binaries().sandbox);
    command.args(["learn", "--force", "--output", "learned.toml"]);
    command.args(flags).args(["--", "python3"]);
    let said = said(command, script);
    let profile = fs::read_to_string(host.folder().join("learned.toml")).expect("a profile");
    (said, profile)
}

fn gives(profile: &str, rule: &str) -> bool {
    let line = format!("{rule:?},");
    profile.lines().any(|text| text.trim_start().starts_with(&line))
}

#[test]
fn every_name_is_no_internal_address() {
    for host in hosts() {
        let (said, profile) = learn(&host, &["--any-host"], &script());
        said.is(&[
            ("name", HELLO),
            ("lan name", "EHOSTUNREACH"),
            ("metadata name", "EHOSTUNREACH"),
            ("loopback name", "EHOSTUNREACH"),
            ("lan", "ENETUNREACH"),
            ("metadata", "ENETUNREACH"),
            ("address", "ENETUNREACH"),
        ]);
        assert!(gives(&profile, "api.test:7000"), "{profile}");
        assert!(gives(&profile, "11.11.2.1:7000"), "asked for: {profile}");
        for name in ["lan.test", "meta.test", "inside.test"] {
            let entry = format!("\"{name}");
            let told = |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&entry);
            assert!(!profile.lines().any(told), "{name}: {profile}");
        }
        for rule in ["10.20.30.40:7000", "169.254.169.254:7000", "127.0.0.1:7000"] {
            assert!(!gives(&profile, rule), "{rule}: {profile}");
            assert!(
                profile.contains(&format!("# \"{rule}\",  # WARNING")),
                "{rule}: {profile}"
            );
        }
        // The control: all of it answers without the box.
        let bare = bare(&host, &script());
        assert!(bare.get("lan").starts_with("hello") && bare.get("metadata").starts_with("hello"));
    }
}

#[test]
fn no_name_is_reached_that_no_flag_allows_and_the_profile_gives_it() {
    for host in hosts() {
        let script =
            "attempt('name', lambda: reach('api.test'))\nattempt('other', lambda: reach('other.test'))";
        let (said, profile) = learn(&host, &["--allow", "other.test:7000"], script);
        said.is(&[("name", "EAI_NONAME"), ("other", "hello from 11.11.2.1")]);
        assert!(
            gives(&profile, "api.test") && gives(&profile, "other.test:7000"),
            "{profile}"
        );
        assert!(
            profile.contains("refused while learning; on which port is not known"),
            "{profile}"
        );
        // With its port it is what the server needs.
        let path = host.file("used.toml", &profile.replace("\"api.test\"", "\"api.test:7000\""));
        let mut command = host.command(&binaries().sandbox);
        command.args(["run", "--quiet", "--profile"]).arg(path);
        command.args(["--", "python3"]);
        crate::scripts::said(command, script).is(&[("name", HELLO), ("other", "hello from 11.11.2.1")]);
    }
}
