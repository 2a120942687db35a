//! The stub with real sockets on the loopback, and a host's resolver made by the test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::*;

const REAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const A: u16 = 1;
const AAAA: u16 = 28;

type Found = Result<Vec<IpAddr>, ResolveError>;

/// A stub for names below `test`, and what its rules were asked.
struct Stub {
    names: Names,
    udp: SocketAddr,
    tcp: SocketAddr,
    refused: Receiver<Name>,
}

impl Stub {
    fn new(look_up: impl Fn(&Name) -> Found + Send + Sync + 'static) -> Stub {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let (tell, refused) = channel();
        let rules = Rules {
            allows: Box::new(|name| name.as_str().ends_with(".test")),
            refused: Box::new(move |name| drop(tell.send(name.clone()))),
            look_up: Box::new(look_up),
        };
        let sockets = StubSockets {
            udp: udp.into(),
            tcp: tcp.into(),
        };
        Stub {
            names: Names::start_with(rules, Some(sockets)).unwrap(),
            udp: udp_at,
            tcp: tcp_at,
            refused,
        }
    }

    fn datagrams(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.udp).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Asks for the address over UDP.
    fn ask(&self, name: &str) -> Answer {
        let socket = self.datagrams();
        socket.send(&query(1, name, A)).unwrap();
        received(&socket)
    }
}

/// What an answer says: its number, its code, and the address, if it has one.
type Answer = (u16, u8, Option<Ipv4Addr>);

fn query(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet
}

fn answer(packet: &[u8]) -> Answer {
    let id = u16::from_be_bytes([packet[0], packet[1]]);
    let address: Option<[u8; 4]> = (packet[7] == 1).then(|| packet[packet.len() - 4..].try_into().unwrap());
    (id, packet[3] & 0xf, address.map(Ipv4Addr::from))
}

fn received(socket: &UdpSocket) -> Answer {
    let mut buffer = [0; 600];
    let length = socket.recv(&mut buffer).unwrap();
    answer(&buffer[..length])
}

fn framed(query: &[u8]) -> Vec<u8> {
    [&(query.len() as u16).to_be_bytes(), query].concat()
}

fn streamed(stream: &mut TcpStream) -> Answer {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut packet = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut packet).unwrap();
    answer(&packet)
}

/// Reads until the stub closes the connection, however it does.
fn closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn first(last: u8) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::new(198, 18, 0, last))
}

/// A host that answers only when it is let: tells which names it is asked for, and waits for their outcome.
fn gated() -> (impl Fn(&Name) -> Found + Send + Sync, Receiver<Name>, Gates) {
    let (asked, seen) = channel();
    let gates = Gates::default();
    let host = {
        let gates = gates.clone();
        move |name: &Name| {
            let gate = gates.of(name.as_str());
            asked.send(name.clone()).unwrap();
            let outcome = gate.1.lock().unwrap().recv();
            outcome.unwrap_or(Err(ResolveError::Failed))
        }
    };
    (host, seen, gates)
}

type Gate = Arc<(Sender<Found>, Mutex<Receiver<Found>>)>;

#[derive(Clone, Default)]
struct Gates(Arc<Mutex<BTreeMap<String, Gate>>>);

impl Gates {
    fn of(&self, name: &str) -> Gate {
        let mut gates = self.0.lock().unwrap();
        let made = || {
            let (open, opened) = channel();
            Arc::new((open, Mutex::new(opened)))
        };
        gates.entry(name.to_owned()).or_insert_with(made).clone()
    }

    fn open(&self, name: &str, outcome: Found) {
        self.of(name).0.send(outcome).unwrap();
    }
}

#[test]
fn an_allowed_name_gets_an_address_that_leads_back_to_it() {
    let stub = Stub::new(|_| Ok(vec![REAL]));
    assert_eq!(stub.names.addresses(&name("a.test")), None);
    assert_eq!(stub.ask("a.test"), (1, 0, first(2)));
    assert_eq!(stub.ask("b.test"), (1, 0, first(3)));
    assert_eq!(stub.ask("a.test"), (1, 0, first(2)));
    assert_eq!(
        stub.names.behind(Ipv4Addr::new(198, 18, 0, 2)),
        Some(name("a.test"))
    );
    assert_eq!(stub.names.behind(Ipv4Addr::new(198, 18, 0, 4)), None);
    assert_eq!(
        stub.names.addresses(&name("a.test")).as_deref(),
        Some(&[REAL][..])
    );
}

#[test]
fn a_refused_name_is_told_and_the_host_is_never_asked() {
    let stub = Stub::new(|name| panic!("asked for {name}"));
    assert_eq!(stub.ask("secret.tunnel.example"), (1, 3, None));
    assert_eq!(stub.refused.recv().unwrap(), name("secret.tunnel.example"));
    let mut stream = stub.stream();
    stream
        .write_all(&framed(&query(2, "other.example", AAAA)))
        .unwrap();
    assert_eq!(streamed(&mut stream), (2, 3, None));
    assert_eq!(stub.refused.recv().unwrap(), name("other.example"));
}

#[test]
fn both_queries_of_a_client_share_a_socket_and_one_look_up() {
    let (host, asked, gates) = gated();
    let stub = Stub::new(host);
    let socket = stub.datagrams();
    socket.send(&query(1, "a.test", A)).unwrap();
    socket.send(&query(2, "a.test", AAAA)).unwrap();
    // A third that nobody has to be asked for comes first, so the two are waiting.
    socket.send(&query(3, "localhost", A)).unwrap();
    assert_eq!(received(&socket), (3, 0, Some(Ipv4Addr::LOCALHOST)));
    gates.open("a.test", Ok(vec![REAL]));
    let mut both = [received(&socket), received(&socket)];
    both.sort();
    assert_eq!(both, [(1, 0, first(2)), (2, 0, None)]);
    assert_eq!(asked.try_iter().count(), 1);
}

#[test]
fn programs_see_what_the_host_says() {
    let stub = Stub::new(|name| match name.as_str() {
        "gone.test" => Err(ResolveError::NotFound),
        "empty.test" => Ok(vec![]),
        "broken.test" => Err(ResolveError::Failed),
        _ => Ok(vec![REAL]),
    });
    assert_eq!(stub.ask("gone.test"), (1, 3, None));
    assert_eq!(stub.ask("empty.test"), (1, 0, None));
    assert_eq!(stub.ask("broken.test"), (1, 2, None));
    // None of them has used up an address.
    assert_eq!(stub.ask("there.test"), (1, 0, first(2)));
}

#[test]
fn a_host_that_does_not_answer_is_given_up_after_five_seconds() {
    let (host, asked, gates) = gated();
    let stub = Stub::new(host);
    let (tell, told) = channel();
    let begun = Instant::now();
    stub.names.when_resolved(
        &name("slow.test"),
        Box::new(move |outcome| drop(tell.send(outcome))),
    );
    assert_eq!(stub.ask("slow.test"), (1, 2, None));
    assert!(begun.elapsed() >= Duration::from_secs(5));
    assert_eq!(told.recv().unwrap(), Err(ResolveError::TimedOut));
    // The stuck thread is nobody's hindrance.
    gates.open("quick.test", Ok(vec![REAL]));
    assert_eq!(stub.ask("quick.test"), (1, 0, first(2)));
    assert_eq!(asked.try_iter().count(), 2);
    gates.open("slow.test", Ok(vec![]));
}

#[test]
fn at_most_eight_are_asked_at_once() {
    let (host, asked, gates) = gated();
    let stub = Stub::new(host);
    let socket = stub.datagrams();
    for id in 0..20 {
        socket.send(&query(id, &format!("h{id}.test"), A)).unwrap();
    }
    let busy: Vec<Name> = (0..8).map(|_| asked.recv().unwrap()).collect();
    // All have been read when this one is answered.
    assert_eq!(stub.ask("localhost").1, 0);
    assert!(asked.try_recv().is_err());
    gates.open(busy[3].as_str(), Ok(vec![REAL]));
    assert_eq!(received(&socket).1, 0);
    asked.recv().unwrap();
    assert!(asked.try_recv().is_err());
    for id in 0..20 {
        gates.open(&format!("h{id}.test"), Ok(vec![REAL]));
    }
    let mut rest: Vec<Answer> = (0..19).map(|_| received(&socket)).collect();
    assert!(
        rest.iter()
            .all(|(_, code, address)| *code == 0 && address.is_some())
    );
    rest.sort();
    rest.dedup_by_key(|(id, ..)| *id);
    assert_eq!(rest.len(), 19);
}

#[test]
fn the_broker_is_told_on_another_thread() {
    let stub = Stub::new(|_| Err(ResolveError::NotFound));
    let (tell, told) = channel();
    // Asked, and then remembered.
    for _ in 0..2 {
        let tell = tell.clone();
        let then = move |outcome| drop(tell.send((outcome, thread::current().id())));
        stub.names.when_resolved(&name("gone.test"), Box::new(then));
        let (outcome, on): (Result<Addresses, ResolveError>, ThreadId) = told.recv().unwrap();
        assert_eq!(outcome, Err(ResolveError::NotFound));
        assert_ne!(on, thread::current().id());
    }
}

#[test]
fn without_sockets_the_broker_is_still_served() {
    let rules = Rules {
        allows: Box::new(|_| false),
        refused: Box::new(|_| ()),
        look_up: Box::new(|_| Ok(vec![REAL])),
    };
    let names = Names::start_with(rules, None).unwrap();
    let (tell, told) = channel();
    names.when_resolved(&name("a.test"), Box::new(move |outcome| drop(tell.send(outcome))));
    assert_eq!(told.recv().unwrap().unwrap()[..], [REAL]);
    assert_eq!(names.addresses(&name("a.test")).as_deref(), Some(&[REAL][..]));
}

#[test]
fn the_end_closes_the_sockets_and_tells_all_who_wait() {
    let (host, asked, gates) = gated();
    let stub = Stub::new(host);
    let mut stream = stub.stream();
    stream.write_all(&framed(&query(1, "localhost", A))).unwrap();
    assert_eq!(streamed(&mut stream).1, 0);
    let (tell, told) = channel();
    let then = move |outcome| drop(tell.send(outcome));
    stub.names.when_resolved(&name("slow.test"), Box::new(then));
    asked.recv().unwrap();
    drop(stub.names);
    assert_eq!(told.recv().unwrap(), Err(ResolveError::Failed));
    assert!(closed(&mut stream));
    gates.open("slow.test", Ok(vec![]));
}

#[test]
fn one_connection_takes_many_queries_and_their_answers_in_any_order() {
    let (host, _asked, gates) = gated();
    let stub = Stub::new(host);
    let mut stream = stub.stream();
    let queries = [(1, "a.test"), (2, "b.test"), (3, "localhost"), (4, "no.example")];
    let wire: Vec<u8> = queries
        .iter()
        .flat_map(|(id, name)| framed(&query(*id, name, A)))
        .collect();
    stream.write_all(&wire).unwrap();
    assert_eq!(streamed(&mut stream), (3, 0, Some(Ipv4Addr::LOCALHOST)));
    assert_eq!(streamed(&mut stream), (4, 3, None));
    gates.open("b.test", Ok(vec![REAL]));
    assert_eq!(streamed(&mut stream), (2, 0, first(2)));
    gates.open("a.test", Ok(vec![REAL]));
    assert_eq!(streamed(&mut stream), (1, 0, first(3)));
}

#[test]
fn a_query_may_come_in_pieces_and_be_the_last_word() {
    let (host, asked, gates) = gated();
    let stub = Stub::new(host);
    let mut stream = stub.stream();
    stream.set_nodelay(true).unwrap();
    for byte in framed(&query(1, "a.test", A)) {
        stream.write_all(&[byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    asked.recv().unwrap();
    gates.open("a.test", Ok(vec![REAL]));
    assert_eq!(streamed(&mut stream), (1, 0, first(2)));
    assert!(closed(&mut stream));
}

#[test]
fn a_connection_that_says_nothing_whole_is_closed() {
    let stub = Stub::new(|_| Ok(vec![REAL]));
    let begun = Instant::now();
    let (mut silent, mut half, mut too_long) = (stub.stream(), stub.stream(), stub.stream());
    half.write_all(&framed(&query(1, "a.test", A))[..9]).unwrap();
    too_long.write_all(&[0xff, 0xff, 0]).unwrap();
    assert!(closed(&mut too_long));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(closed(&mut silent) && closed(&mut half));
    assert!(begun.elapsed() >= Duration::from_secs(5));
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_is_closed() {
    let stub = Stub::new(|_| Ok(vec![REAL]));
    let mut deaf = stub.stream();
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let wire = framed(&query(1, "a.test", A)).repeat(1000);
    // Until nothing more is taken from it.
    while deaf.write_all(&wire).is_ok() {}
    assert_eq!(stub.ask("b.test").1, 0);
    let mut other = stub.stream();
    other.write_all(&framed(&query(7, "b.test", A))).unwrap();
    assert_eq!(streamed(&mut other).0, 7);
    assert!(closed(&mut deaf));
}

#[test]
fn more_connections_than_are_served_wait_for_their_turn() {
    let stub = Stub::new(|_| Ok(vec![REAL]));
    let mut served: Vec<TcpStream> = (0..tcp::CONNECTIONS).map(|_| stub.stream()).collect();
    for stream in &mut served {
        stream.write_all(&framed(&query(1, "localhost", A))).unwrap();
        assert_eq!(streamed(stream).1, 0);
    }
    let mut next = stub.stream();
    next.write_all(&framed(&query(2, "localhost", A))).unwrap();
    next.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(next.read(&mut [0]).is_err());
    assert_eq!(stub.ask("a.test").1, 0);
    drop(served.pop());
    next.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(streamed(&mut next).0, 2);
}

#[test]
fn garbage_stops_nothing() {
    let stub = Stub::new(|_| Ok(vec![REAL]));
    let socket = stub.datagrams();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    for length in (0..1500).chain([9000, 65_000]) {
        let bytes: Vec<u8> = (0..length).map(|_| noise()).collect();
        let _ = socket.send(&bytes);
        if length % 50 == 0 {
            let _ = stub.stream().write_all(&bytes);
            // Not faster than it is read, or the kernel drops the question at the end.
            assert_eq!(stub.ask("localhost").1, 0);
        }
    }
    assert_eq!(stub.ask("a.test"), (1, 0, first(2)));
    let mut stream = stub.stream();
    stream.write_all(&framed(&query(2, "a.test", A))).unwrap();
    assert_eq!(streamed(&mut stream), (2, 0, first(2)));
}
