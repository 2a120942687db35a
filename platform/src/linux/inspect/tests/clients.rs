//! The first bytes of real clients.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use super::{Bench, NAME, bound, ends_in_reset, name};
use crate::net::inspect::Reason;

/// An address for a client that is told its port: free a moment ago.
fn free_address() -> SocketAddr {
    bound().1
}

/// Runs a client; in its arguments `%own` is the port to connect from, `%relay` the port to connect to and `%name`
/// the name to ask for.
fn run(command: &[&str], own: SocketAddr, relay: SocketAddr, asked: &str) -> Child {
    let argument = |text: &&str| {
        text.replace("%own", &own.port().to_string())
            .replace("%relay", &relay.port().to_string())
            .replace("%name", asked)
    };
    Command::new(command[0])
        .args(command[1..].iter().map(argument))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", command[0]))
}

/// That a client's first bytes reach the host when it asks for the name, and are refused when it asks for another.
fn assert_understood(command: &[&str], begins: &[u8]) {
    let bench = Bench::new();
    let own = free_address();
    bench.expect_from(own);
    let mut client = run(command, own, bench.relay, NAME);
    let mut host = bench.accept();
    let mut first = vec![0; begins.len()];
    host.read_exact(&mut first).unwrap();
    assert_eq!(first, begins);
    drop(host);
    client.wait().unwrap();

    let own = free_address();
    bench.expect_from(own);
    let mut client = run(command, own, bench.relay, "evil.example");
    assert_eq!(bench.refusal(), Reason::OtherName(name("evil.example")));
    client.wait().unwrap();
    bench.assert_host_untouched();
}

/// How a TLS connection begins.
const TLS: &[u8] = &[22, 3, 1];

const PYTHON: &str = "import socket, ssl
address = ('127.0.0.1', %relay)
plain = socket.create_connection(address, source_address=('127.0.0.1', %own))
ssl.create_default_context().wrap_socket(plain, server_hostname='%name')";

const NODE: &str = "require('tls').connect({ host: '127.0.0.1', port: %relay, localAddress: '127.0.0.1',
    localPort: %own, servername: '%name' }).on('error', () => {})";

#[test]
fn python_is_understood() {
    assert_understood(&["python3", "-c", PYTHON], TLS);
}

#[test]
fn node_is_understood() {
    assert_understood(&["node", "-e", NODE], TLS);
}

#[test]
fn openssl_is_understood() {
    let command = [
        "openssl",
        "s_client",
        "-connect",
        "127.0.0.1:%relay",
        "-bind",
        "127.0.0.1:%own",
        "-servername",
        "%name",
    ];
    assert_understood(&command, TLS);
    assert_understood(&[&command[..], &["-tls1_2"]].concat(), TLS);
    // A list of protocols makes the hello longer than its records may be, so it is spread over several.
    let protocols = ["a", "b", "c"].map(|letter| letter.repeat(250)).join(",");
    let spread = ["-max_send_frag", "512", "-alpn", &protocols];
    assert_understood(&[&command[..], &spread].concat(), &[22, 3, 1, 2, 0]);
}

#[test]
fn curl_is_understood() {
    let command = [
        "curl",
        "-s",
        "-m",
        "20",
        "--noproxy",
        "*",
        "--local-port",
        "%own",
        "--resolve",
        "%name:%relay:127.0.0.1",
    ];
    assert_understood(&[&command[..], &["https://%name:%relay/"]].concat(), TLS);
    // Its Host names the relay's port, which is another than the one the connection was opened for.
    let own = free_address();
    let bench = Bench::new();
    bench
        .inspector
        .expect(own, name(NAME), bench.relay.port(), vec![bench.host_address()]);
    let mut client = run(
        &[&command[..], &["http://%name:%relay/"]].concat(),
        own,
        bench.relay,
        NAME,
    );
    let mut first = [0; 16];
    bench.accept().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"GET / HTTP/1.1\r\n");
    client.wait().unwrap();
}

/// Both ends of a handshake in Python, without a certificate: what each side reads is what the other wrote.
const HANDSHAKE: &str = "import socket, ssl, sys, threading
def context(side):
    made = ssl.SSLContext(side)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers('aNULL:@SECLEVEL=0')
    return made
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.readline()
def serve():
    plain, _ = listener.accept()
    with context(ssl.PROTOCOL_TLS_SERVER).wrap_socket(plain, server_side=True) as stream:
        stream.sendall(stream.recv(100).upper())
threading.Thread(target=serve).start()
client = context(ssl.PROTOCOL_TLS_CLIENT)
client.check_hostname = False
client.verify_mode = ssl.CERT_NONE
plain = socket.create_connection(('127.0.0.1', %relay), source_address=('127.0.0.1', %own))
with client.wrap_socket(plain, server_hostname='%name') as stream:
    stream.sendall(b'through')
    assert stream.recv(100) == b'THROUGH'";

#[test]
fn a_whole_handshake_goes_through() {
    use std::io::{BufRead, BufReader, Write};
    let bench = Bench::new();
    let own = free_address();
    let script = HANDSHAKE
        .replace("%own", &own.port().to_string())
        .replace("%relay", &bench.relay.port().to_string())
        .replace("%name", NAME);
    let mut python = Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(python.stdout.take().unwrap())
        .read_line(&mut port)
        .unwrap();
    let host = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
    assert!(bench.inspector.expect(own, name(NAME), 443, vec![host]));
    python.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(python.wait().unwrap().success());
}

/// The control of all above: without an announcement no client gets anywhere.
#[test]
fn a_client_that_nobody_announced_gets_nowhere() {
    let bench = Bench::new();
    let mut client = run(&["python3", "-c", PYTHON], free_address(), bench.relay, NAME);
    assert!(!client.wait().unwrap().success());
    assert!(ends_in_reset(&TcpStream::connect(bench.relay).unwrap()));
    bench.assert_host_untouched();
}
