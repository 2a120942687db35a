//! Plain HTTP, judged.

use proptest::prelude::*;

use super::{Judgement, LONGEST, Reason, judge};
use crate::net::Name;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// How the bytes are judged on a connection to port 80 of `api.example`.
fn judged(bytes: impl AsRef<[u8]>) -> Judgement {
    judge(bytes.as_ref(), &name("api.example"), 80)
}

/// The same of a request with these lines behind its first.
fn judged_with(lines: &str) -> Judgement {
    judged(format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n"))
}

fn refused(reason: Reason) -> Judgement {
    Judgement::Refuse(reason)
}

const MALFORMED: Judgement = Judgement::Refuse(Reason::MalformedHttp);

#[test]
fn the_name_that_was_asked_for_passes() {
    for host in [
        "api.example",
        "API.Example",
        "api.example.",
        "api.example:80",
        " api.example\t",
    ] {
        assert_eq!(
            judged_with(&format!("Accept: */*\r\nhOST:{host}")),
            Judgement::Pass,
            "{host}"
        );
    }
    assert_eq!(
        judged("POST /a HTTP/1.0\r\nHost: api.example\r\n\r\nbody"),
        Judgement::Pass
    );
    assert_eq!(
        judged("OPTIONS * HTTP/1.1\r\nHost: api.example\r\n\r\n"),
        Judgement::Pass
    );
}

#[test]
fn every_other_host_is_refused() {
    assert_eq!(
        judged_with("Host: evil.example"),
        refused(Reason::OtherName(name("evil.example")))
    );
    for host in [
        "",
        "127.0.0.1",
        "[::1]",
        "api.example, evil.example",
        "evil@api.example",
        "api.example/",
        "api.example\\",
        "api%2eexample",
        "аpi.example",
        "\"api.example\"",
    ] {
        assert_eq!(
            judged_with(&format!("Host: {host}")),
            refused(Reason::NoHostName),
            "{host}"
        );
    }
    for port in ["", "81", "080", "+80", "80 80", "80:80", "8_0", "443"] {
        assert_eq!(
            judged_with(&format!("Host: api.example:{port}")),
            refused(Reason::OtherPort),
            "{port}"
        );
    }
}

#[test]
fn exactly_one_host() {
    assert_eq!(judged_with("Accept: */*"), refused(Reason::NoHost));
    assert_eq!(judged("GET / HTTP/1.0\r\n\r\n"), refused(Reason::NoHost));
    for second in ["Host: api.example", "HOST: evil.example"] {
        assert_eq!(
            judged_with(&format!("Host: api.example\r\n{second}")),
            refused(Reason::SeveralNames)
        );
    }
}

#[test]
fn a_target_with_a_host_must_agree_too() {
    let judged = |target: &str| judged(format!("GET {target} HTTP/1.1\r\nHost: api.example\r\n\r\n"));
    for target in [
        "/",
        "//evil.example/",
        "/?http://evil.example/",
        "HTTP://api.example",
        "http://api.example:80/x",
        "http://api.example?q",
        "http://api.example#f",
    ] {
        assert_eq!(judged(target), Judgement::Pass, "{target}");
    }
    assert_eq!(
        judged("http://evil.example/"),
        refused(Reason::OtherName(name("evil.example")))
    );
    assert_eq!(judged("http://api.example:81/"), refused(Reason::OtherPort));
    for target in [
        "http://api.example@evil.example/",
        "http://api.example\\@evil.example/",
        "http:///x",
    ] {
        assert_ne!(judged(target), Judgement::Pass, "{target}");
    }
    for target in [
        "https://api.example/",
        "http:/evil.example/",
        "evil.example",
        "evil.example:80",
        "?x",
        "é",
    ] {
        assert_eq!(judged(target), MALFORMED, "{target}");
    }
}

#[test]
fn tunnels_and_http_2_are_refused() {
    let connect = "CONNECT api.example:80 HTTP/1.1\r\nHost: api.example\r\n\r\n";
    assert_eq!(judged(connect), refused(Reason::Tunnel));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(judged(preface), refused(Reason::Http2));
    assert_eq!(judged(&preface[..15]), Judgement::NeedMore);
}

#[test]
fn lines_that_programs_read_differently_are_refused() {
    for lines in [
        "X: a\r\n Host: evil.example\r\nHost: api.example",
        "Host: api.example\r\n\tevil.example",
        "Host : api.example",
        "X: a\nHost: api.example",
        "Host: api.example\n",
        "X: a\rHost: evil.example\r\nHost: api.example",
        "X\0: a\r\nHost: api.example",
        "Host: api.example\0",
        ": a\r\nHost: api.example",
        "X\r\nHost: api.example",
    ] {
        assert!(matches!(judged_with(lines), Judgement::Refuse(_)), "{lines:?}");
    }
    assert_eq!(judged("GET / HTTP/1.1\nHost: api.example\n\n"), MALFORMED);
    assert_eq!(judged_with("X: a\r\nHost: api.example"), Judgement::Pass);
}

#[test]
fn other_protocols_of_text_are_neither() {
    for line in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "EHLO me\r\n",
        "GET /\r\n",
        "GET / HTTP/3.0\r\n",
        "GET  / HTTP/1.1\r\n",
        "QUIT\r\n",
    ] {
        assert_eq!(judged(line), refused(Reason::NotTlsOrHttp), "{line:?}");
    }
}

#[test]
fn long_heads_pass_up_to_the_bound() {
    let head = |length: usize| {
        let frame = "GET / HTTP/1.1\r\nHost: api.example\r\nX: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nHost: api.example\r\nX: {}\r\n\r\n",
            "x".repeat(length - frame)
        )
    };
    assert_eq!(judged(head(LONGEST)), Judgement::Pass);
    assert_eq!(judged(head(LONGEST + 1)), refused(Reason::TooLong));
    assert_eq!(judged(&head(LONGEST + 1)[..LONGEST]), refused(Reason::TooLong));
    assert_eq!(judged_with(&"X: a\r\n".repeat(200)), MALFORMED);
}

proptest! {
    #[test]
    fn every_piece_waits_and_the_whole_passes(path in "/[a-z]{0,20}", value in "[ -~]{0,40}") {
        let whole = format!("GET {path} HTTP/1.1\r\nX: {value}\r\nHost: api.example\r\n\r\n");
        for end in 0..whole.len() {
            prop_assert_eq!(judged(&whole[..end]), Judgement::NeedMore);
        }
        prop_assert_eq!(judged(&whole), Judgement::Pass);
    }

    #[test]
    fn an_answer_stays_whatever_follows(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "GET ", "/", " ", "HTTP/1.1", "\r\n", "\n", "\r", "Host", ":", "api.example", "evil", "\t", "PRI *",
                "HTTP/2.0", "http://", "@", "\0", "CONNECT", "x",
            ]),
            0..20,
        )
    ) {
        let whole = parts.concat();
        let first = (0..=whole.len()).map(|end| judged(&whole[..end])).find(|one| *one != Judgement::NeedMore);
        if let Some(first) = first {
            prop_assert_eq!(judged(&whole), first);
        }
    }
}
