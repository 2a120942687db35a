//! stdin and stdout are the client's own: every byte, and no other.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::process::Stdio;
use std::thread;

use crate::common::{NO_FLAGS, hosts};

/// 64 MiB of random bytes there and back.
#[test]
fn every_byte_arrives_and_none_is_added() {
    const SIZE: usize = 64 << 20;
    let mut sent = vec![0; SIZE];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut sent))
        .expect("random bytes");
    for host in hosts() {
        let mut command = host.run(NO_FLAGS);
        command
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut tool = command.spawn().expect("the sandbox");
        let mut input = tool.stdin.take().expect("a pipe");
        let mut received = Vec::with_capacity(SIZE);
        thread::scope(|scope| {
            scope.spawn(|| {
                input.write_all(&sent).expect("the server reads");
                drop(input);
            });
            tool.stdout
                .take()
                .expect("a pipe")
                .read_to_end(&mut received)
                .expect("the server writes");
        });
        assert!(received == sent, "{} bytes came back", received.len());
        let said = io::read_to_string(tool.stderr.take().expect("a pipe")).expect("text");
        assert_eq!(said, "");
        assert!(tool.wait().expect("the tool is ours").success());
    }
}

/// Whatever the status line says, it says on stderr.
#[test]
fn nothing_is_added_to_stdout_without_quiet() {
    for host in hosts() {
        let mut command = host.command(&crate::common::binaries().sandbox);
        let output = command
            .args(["run", "-v", "--", "printf", "x"])
            .output()
            .expect("the sandbox");
        assert_eq!(output.stdout, b"x");
    }
}
