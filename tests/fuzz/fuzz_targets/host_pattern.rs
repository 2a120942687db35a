//! Any text as a host pattern and as a destination: refused with words that can be printed, or in one canonical form
//! that reads the same again and that the rules then judge alike.
//!
//! Run with `cargo fuzz run --fuzz-dir tests/fuzz host_pattern`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_sandbox::net::{Destination, HostPattern, List, One, remarks, warnings};
use mcp_sandbox_platform::Network;

fuzz_target!(|text: &str| {
    for list in [List::Allow, List::Block] {
        match HostPattern::parse(text, list) {
            Ok(pattern) => canonical(&pattern, list),
            Err((message, hint)) => {
                assert!(!message.contains(char::is_control) && !hint.contains(char::is_control))
            }
        }
    }
    if let Ok(destination) = Destination::parse(text) {
        let shown = destination.to_string();
        assert_eq!(Destination::parse(&shown), Ok(destination), "{shown}");
    }
});

fn canonical(pattern: &HostPattern, list: List) {
    let shown = pattern.to_string();
    let again = HostPattern::parse(&shown, list).expect("the canonical form is valid");
    assert!(again.same(pattern) && again.to_string() == shown, "{shown}");
    let rule = pattern.rule(list, "fuzz".to_owned());
    let _ = (warnings(&rule), remarks(&rule));
    let (port, _) = rule.ports.ranges()[0];
    let network = match list {
        List::Allow => Network {
            allow: vec![rule],
            ..Network::none()
        },
        List::Block => Network {
            block: vec![rule],
            ..Network::none()
        },
    };
    if let Ok(Destination {
        host: One::Name(name),
        ..
    }) = Destination::parse(&shown)
    {
        assert_eq!(
            network.judge_name(&name, port).is_allowed(),
            list == List::Allow,
            "{shown}"
        );
    }
}
