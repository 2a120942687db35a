//! TLS through the box, and `inspect = "sni"`: the name in the first bytes is the one that was asked for.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::common::hosts;
use crate::scripts::{boxed, same};
use crate::world::internet;

const HELLO: &str = "hello from 11.11.1.1";
const TLS: &str = "hello over TLS";

/// Everything the client sends, with the certificate that it trusts.
fn script() -> String {
    format!(
        "CERTIFICATE = \"{}\"\n{}",
        certificate(),
        include_str!("scripts/inspected.py")
    )
}

/// Starts the server on the internet; its certificate.
fn certificate() -> &'static str {
    static SERVER: OnceLock<(Child, String)> = OnceLock::new();
    let (_, certificate) = SERVER.get_or_init(|| {
        let mut command = Command::new("python3");
        command.arg("-c").arg(include_str!("scripts/tls_server.py"));
        internet().enter(&mut command);
        // Its stdin ends with this program, and it ends then.
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        output.read_line(&mut line).expect("UTF-8");
        assert!(line.contains("CERTIFICATE"), "the server did not start");
        (child, line.trim_end().into())
    });
    certificate
}

fn profile(inspect: &str) -> String {
    format!("version = 1\n[network]\nallow = [\"api.test\"]\ninspect = \"{inspect}\"\n")
}

#[test]
fn without_inspection_the_box_is_not_noticed() {
    let script = script();
    for host in hosts() {
        let path = host.file("profile.toml", &profile("none"));
        let flags = ["--profile", path.to_str().expect("UTF-8")];
        let said = same(&host, &flags, &script);
        for label in ["TLS, own name", "TLS, another name", "TLS, no name"] {
            assert_eq!(said.get(label), TLS, "{said:#?}");
        }
        for label in ["HTTP, own name", "HTTP, own name and port", "HTTP, another name"] {
            assert_eq!(said.get(label), HELLO, "{said:#?}");
        }
    }
}

#[test]
fn the_name_in_the_first_bytes_must_be_the_one_that_was_asked_for() {
    let script = script();
    for host in hosts() {
        let path = host.file("profile.toml", &profile("sni"));
        let flags = ["--profile", path.to_str().expect("UTF-8")];
        let said = boxed(&host, &flags, &script);
        said.is(&[
            ("TLS, own name", TLS),
            ("TLS, another name", "ECONNRESET"),
            ("TLS, no name", "ECONNRESET"),
            ("HTTP, own name", HELLO),
            ("HTTP, own name and port", HELLO),
            ("HTTP, another name", "ECONNRESET"),
            ("many", "(160, ['hello from 11.11.1.1'])"),
            ("neither", "ECONNRESET"),
            ("neither, on 443", "ECONNRESET"),
        ]);
        for destination in ["blocked: api.test:443: ", "blocked: api.test:80: "] {
            let told = said
                .stderr
                .lines()
                .filter(|line| line.contains(destination))
                .count();
            assert_eq!(told, 1, "{said:#?}");
        }
    }
}
