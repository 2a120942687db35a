//! TLS, judged.

use proptest::prelude::*;

use super::samples::{Extension, entry, hello, long_hello, message, records, server_names, with_length};
use super::{Judgement, LONGEST, Reason, judge};
use crate::net::Name;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// How the bytes are judged on a connection to port 443 of `api.example`.
fn judged(bytes: &[u8]) -> Judgement {
    judge(bytes, &name("api.example"), 443)
}

fn judged_with(extensions: &[Extension]) -> Judgement {
    judged(&records(&message(extensions, &[]), 1 << 14))
}

fn refused(reason: Reason) -> Judgement {
    Judgement::Refuse(reason)
}

const MALFORMED: Judgement = Judgement::Refuse(Reason::MalformedTls);

#[test]
fn the_name_that_was_asked_for_passes_in_any_spelling() {
    for spelling in ["api.example", "API.Example", "api.example."] {
        assert_eq!(judged(&hello(spelling)), Judgement::Pass, "{spelling}");
    }
}

#[test]
fn every_other_name_is_refused_and_told() {
    for other in ["example", "evil.example", "api.example.evil", "xapi.example"] {
        assert_eq!(judged(&hello(other)), refused(Reason::OtherName(name(other))));
    }
}

#[test]
fn what_is_no_name_is_refused() {
    for text in [
        "",
        "127.0.0.1",
        "api.example\0.evil",
        "api.example ",
        "api..example",
        "[::1]",
        "аpi.example",
    ] {
        assert_eq!(judged(&hello(text)), refused(Reason::NoHostName), "{text:?}");
    }
    let binary = (0, with_length(&entry(0, b"api.example\xff")));
    assert_eq!(judged_with(&[binary]), refused(Reason::NoHostName));
}

#[test]
fn a_hello_without_a_name_is_refused() {
    assert_eq!(judged_with(&[]), refused(Reason::NoServerName));
    assert_eq!(judged_with(&[(43, vec![2, 3, 4])]), refused(Reason::NoServerName));
    let without_extensions = &message(&[], &[])[4..];
    let body = &without_extensions[..without_extensions.len() - 2];
    let hello = [&[1, 0, 0, body.len() as u8], body].concat();
    assert_eq!(judged(&records(&hello, 100)), refused(Reason::NoServerName));
}

#[test]
fn exactly_one_host_name() {
    let twice = server_names(&["api.example", "api.example"]);
    assert_eq!(judged_with(&[twice]), refused(Reason::SeveralNames));
    let second = server_names(&["api.example", "evil.example"]);
    assert_eq!(judged_with(&[second]), refused(Reason::SeveralNames));
    let one = server_names(&["api.example"]);
    assert_eq!(judged_with(&[one.clone(), one]), MALFORMED);
}

#[test]
fn lists_of_names_that_programs_could_read_differently() {
    let good = entry(0, b"api.example");
    for list in [
        vec![],
        with_length(&[]),
        // Of another type, alone and in front.
        with_length(&entry(1, b"api.example")),
        with_length(&[good.clone(), vec![0]].concat()),
        // Lengths that are too long and too short.
        [with_length(&good), vec![0]].concat(),
        with_length(&good)[..good.len() + 1].to_vec(),
        with_length(&[0, 0, 12, b'a']),
    ] {
        let judgement = judged_with(&[(0, list.clone())]);
        assert!(
            matches!(
                judgement,
                Judgement::Refuse(Reason::MalformedTls | Reason::SeveralNames)
            ),
            "{list:?}"
        );
    }
}

#[test]
fn an_encrypted_name_is_refused_even_with_the_right_name_outside() {
    for kind in [0xfe0d, 0xffce] {
        let extensions = [server_names(&["api.example"]), (kind, vec![0; 64])];
        assert_eq!(judged_with(&extensions), refused(Reason::Encrypted));
        assert_eq!(judged_with(&extensions[1..]), refused(Reason::Encrypted));
    }
    let grease = [
        server_names(&["api.example"]),
        (0x0a0a, vec![0]),
        (0xfafa, vec![]),
    ];
    assert_eq!(judged_with(&grease), Judgement::Pass);
    let reason = Reason::Encrypted;
    assert!(reason.to_string().contains("GREASE") && reason.hint().contains("inspect = \"none\""));
}

#[test]
fn bytes_behind_the_extensions_or_the_hello_are_refused() {
    let message = |behind| message(&[server_names(&["api.example"])], behind);
    assert_eq!(judged(&records(&message(&[0]), 1 << 14)), MALFORMED);
    assert_eq!(
        judged(&records(&[message(&[]), message(&[])].concat(), 1 << 14)),
        MALFORMED
    );
    assert_eq!(judged(&records(&message(&[]), 1 << 14)), Judgement::Pass);
}

#[test]
fn an_extension_that_is_cut_off_hides_nothing() {
    // A reader of lists that stops at the first bad extension would see only the first name.
    let mut cut = message(&[server_names(&["api.example"]), (21, vec![0; 4])], &[]);
    let at = cut.len() - 5;
    cut[at] = 9;
    assert_eq!(judged(&records(&cut, 1 << 14)), MALFORMED);
}

#[test]
fn what_follows_the_hello_in_other_records_is_not_judged() {
    for early in [&[20, 3, 3, 0, 1, 1][..], &[23, 3, 3, 1, 0, 9], b"anything"] {
        assert_eq!(judged(&[&hello("api.example"), early].concat()), Judgement::Pass);
    }
}

#[test]
fn records_of_other_kinds_and_lengths_are_refused() {
    let good = hello("api.example");
    for (at, byte) in [(1, 2), (1, 4), (3, 0x40), (5, 2), (5, 0)] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert_eq!(judged(&bad), MALFORMED, "byte {at} = {byte}");
    }
    assert_eq!(judged(&[22, 3, 1, 0, 0, 22, 3, 1]), MALFORMED);
    let halves = records(&message(&[server_names(&["api.example"])], &[]), 40);
    let between = [&halves[..45], &[21, 3, 1, 0, 2, 1, 0], &halves[45..]].concat();
    assert_eq!(judged(&between), MALFORMED);
    assert_eq!(judged(&halves), Judgement::Pass);
}

#[test]
fn neither_tls_nor_http() {
    let ssl2 = [0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10];
    let postgres = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
    for bytes in [
        &ssl2[..],
        &postgres,
        &[0],
        &[0xff; 100],
        b"\r\n",
        b" GET / HTTP/1.1\r\n",
        b"{}",
    ] {
        assert_eq!(judged(bytes), refused(Reason::NotTlsOrHttp));
    }
}

#[test]
fn long_hellos_pass_up_to_the_bound() {
    assert_eq!(judged(&long_hello("api.example", LONGEST)), Judgement::Pass);
    let longer = long_hello("api.example", LONGEST + 1);
    assert_eq!(judged(&longer), refused(Reason::TooLong));
    assert_eq!(judged(&longer[..LONGEST]), refused(Reason::TooLong));
    assert_eq!(judged(&longer[..LONGEST - 1]), Judgement::NeedMore);
    // One that says how long it will be is not waited for.
    assert_eq!(judged(&[22, 3, 1, 0, 4, 1, 1, 0, 0]), refused(Reason::TooLong));
}

proptest! {
    #[test]
    fn every_piece_of_a_hello_waits_and_the_whole_passes(most in 1_usize..300) {
        let whole = records(&message(&[server_names(&["api.example"]), (43, vec![2, 3, 4])], &[]), most);
        for end in 0..whole.len() {
            prop_assert_eq!(judged(&whole[..end]), Judgement::NeedMore);
        }
        prop_assert_eq!(judged(&whole), Judgement::Pass);
    }

    #[test]
    fn an_answer_stays_whatever_follows(
        flips in prop::collection::vec((0_usize..400, any::<u8>()), 0..4),
        most in 20_usize..400,
        behind in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = records(&message(&[server_names(&["api.example"]), (21, vec![0; 200])], &[]), most);
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = [bytes, behind].concat();
        let first = (0..=whole.len()).map(|end| judged(&whole[..end])).find(|one| *one != Judgement::NeedMore);
        if let Some(first) = first {
            prop_assert_eq!(judged(&whole), first);
        }
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        judged(&bytes);
        judged(&[&[22, 3, 1], &bytes[..]].concat());
        judged(&records(&[&[1, 0, 0, bytes.len() as u8], &bytes[..]].concat(), 1 << 14));
    }
}
