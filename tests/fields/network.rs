//! `network.allow`, `network.block`, `network.dns`, `network.inspect`: how they are read and merged. Whether a
//! destination is then reached is asked of `why`.

use crate::boxed::{Case, PROFILE};

fn allowed(case: &Case, destination: &str) -> bool {
    let said = case.cli(["why", "-p", PROFILE, destination]);
    match said.code {
        Some(0) => true,
        Some(1) => false,
        _ => panic!("{destination}: {said:?}"),
    }
}

#[test]
fn only_what_is_allowed_is_and_block_wins() {
    let case = Case::new();
    assert!(!allowed(&case, "a.com:443"));
    case.profile("[network]\nallow = []");
    assert!(!allowed(&case, "a.com:443"));
    case.profile("[network]\nallow = [\"a.com\", \"b.com:22\"]");
    for (destination, expected) in [
        ("a.com:443", true),
        ("a.com:80", true),
        ("a.com:22", false),
        ("b.com:22", true),
        ("b.com:443", false),
        ("c.com:443", false),
    ] {
        assert_eq!(allowed(&case, destination), expected, "{destination}");
    }
    case.profile("[network]\nallow = [\"a.com\", \"b.com:22\"]\nblock = [\"a.com:80\", \"b.com\"]");
    assert!(allowed(&case, "a.com:443"));
    assert!(!allowed(&case, "a.com:80") && !allowed(&case, "b.com:22"));
}

#[test]
fn lists_of_bases_add_up_and_an_empty_one_empties() {
    let case = Case::new();
    case.write(
        "conf/base.toml",
        "version = 1\n[network]\nallow = [\"a.com\"]\nblock = [\"b.com\"]\n",
    );
    let child = |rest: &str| case.profile(&format!("extends = [\"./base.toml\"]\n[network]\n{rest}"));
    child("allow = [\"b.com\", \"c.com\"]");
    assert!(allowed(&case, "a.com:443") && allowed(&case, "c.com:443"));
    assert!(!allowed(&case, "b.com:443"), "the base blocks it");
    child("allow = [\"b.com\", \"c.com\"]\nblock = []");
    assert!(allowed(&case, "b.com:443"));
    child("allow = []");
    assert!(!allowed(&case, "a.com:443"));
}

#[test]
fn every_error_is_told_at_its_place() {
    let case = Case::new();
    case.profile(
        "[network]\nallow = [\"a.com\\u0000.b.com\", \"10.0.0.1/8\", \"localhost\", \"198.18.0.1\"]\n\
         block = [\"a.com:99999\", \"b.com\\r\\n\"]\ndns = \"on\"\ninspect = \"tls\"\nproxy = \"x\"",
    );
    case.sh("echo ran").refused(&[
        "../conf/p.toml:3:10: error: \"a.com\\u{0}.b.com\" is not a host: it holds a NUL",
        "../conf/p.toml:3:31: error: \"10.0.0.1/8\" is not a host: its address has bits beyond",
        "write \"10.0.0.0/8\" for the net, or \"10.0.0.1\" for the one address",
        "../conf/p.toml:3:45: error: \"localhost\" needs a port",
        "../conf/p.toml:3:58: error: \"198.18.0.1\" cannot be allowed: it is a synthetic address",
        "../conf/p.toml:4:10: error: \"99999\" in \"a.com:99999\" is no port: the highest is 65535",
        "../conf/p.toml:4:25: error: \"b.com\\u{d}\\n\" is not a host: it holds a control character",
        "../conf/p.toml:5:7: error: unknown value \"on\" for \"dns\"",
        "valid values: \"filtered\", \"off\"",
        "../conf/p.toml:6:11: error: unknown value \"tls\" for \"inspect\"",
        "../conf/p.toml:7:1: error: unknown key \"proxy\" in [network]",
    ]);
}

#[test]
fn names_need_name_resolution() {
    let case = Case::new();
    case.profile("[network]\ndns = \"off\"\nallow = [\"a.com\", \"8.8.8.8:53\"]");
    let parts = [
        "../conf/p.toml:4:10: error: \"a.com\" is a name, and dns = \"off\" (../conf/p.toml:3) lets no name resolve",
    ];
    case.sh("echo ran").refused(&parts);
    case.check().refused(&parts);
    case.profile("[network]\ndns = \"off\"\nallow = [\"8.8.8.8:53\"]");
    case.check().ok();
    assert!(allowed(&case, "8.8.8.8:53"));
}

#[test]
fn check_tells_what_a_rule_may_mean_beyond_its_words() {
    let case = Case::new();
    case.profile(
        "[network]\nallow = [\"*.github.io\", \"аррӏе.com\", \"169.254.169.254\", \"0.0.0.0/0\", \"a.com\"]",
    );
    let said = case.check();
    said.says(&[
        "../conf/p.toml:3:10: warning: anyone can have a name below \"github.io\"",
        "\"аррӏе.com\" is \"xn--80ak6aa92e.com\" in DNS",
        "warning: \"169.254.169.254\" gives the server metadata of AWS",
        "warning: \"0.0.0.0/0\" is every public address",
    ]);
    assert_eq!(said.err.matches("warning: ").count(), 4, "{said:?}");
    said.ok();
    case.profile("[network]\nallow = [\"*.github.com\", \"10.0.0.0/8\", \"localhost:1\"]");
    assert_eq!(case.check().err, "");
}
