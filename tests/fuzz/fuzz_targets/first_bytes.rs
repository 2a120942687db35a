//! Any bytes as the first of a connection: an answer always, the same whatever follows, and none that waits for more
//! than the bound.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz first_bytes`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_sandbox_platform::net::Name;
use mcp_sandbox_platform::net::inspect::{Judgement, LONGEST, judge};

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let name = Name::parse("api.example").expect("a name");
    let early = judge(&bytes[..usize::from(cut).min(bytes.len())], &name, 80);
    let late = judge(bytes, &name, 80);
    if early != Judgement::NeedMore {
        assert_eq!(early, late);
    }
    match late {
        Judgement::NeedMore => assert!(bytes.len() < LONGEST),
        Judgement::Refuse(reason) => assert!(!reason.to_string().is_empty() && !reason.hint().is_empty()),
        Judgement::Pass => assert!(holds_name(bytes), "passed without the name"),
    }
});

/// Whether the letters of the name are there in this order; between two of them can be the header of a record.
fn holds_name(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    b"api.example"
        .iter()
        .all(|letter| rest.any(|byte| byte.eq_ignore_ascii_case(letter)))
}
