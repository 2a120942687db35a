//! Sockets: the host's loopback, its name server, what lies beyond, and local sockets.

use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use super::super::attempt::{Attempt, Control, Obstacle, Scene, Seen, Surface};
use super::super::raw;

/// Where clouds hand out the machine's credentials.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// An address for documentation (RFC 5737); nothing is sent to it.
const ANYWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

pub const ALL: &[Attempt] = &[
    Attempt {
        name: "connect_loopback",
        title: "connect to a service on the host's 127.0.0.1",
        control: Control::Always,
        surface: Surface::Internet,
        seen: Some(Seen::TcpConnection),
        act: loopback,
        nonsense: None,
    },
    Attempt {
        name: "ask_name_server",
        title: "carry data out in DNS queries",
        control: Control::Always,
        surface: Surface::Internet,
        seen: Some(Seen::Query),
        act: name_server,
        nonsense: None,
    },
    Attempt {
        name: "reach_metadata",
        title: "reach the cloud's metadata (169.254.169.254)",
        control: Control::HostDecides,
        surface: Surface::Internet,
        seen: None,
        act: |_| route(METADATA),
        nonsense: None,
    },
    Attempt {
        name: "reach_internet",
        title: "reach any address of the internet",
        control: Control::HostDecides,
        surface: Surface::Internet,
        seen: None,
        act: |_| route(ANYWHERE),
        nonsense: None,
    },
    Attempt {
        name: "connect_abstract",
        title: "connect to an abstract Unix socket",
        control: Control::Always,
        surface: Surface::AbstractSocket,
        seen: Some(Seen::AbstractConnection),
        act: abstract_socket,
        nonsense: None,
    },
    Attempt {
        name: "connect_path",
        title: "connect to a Unix socket by its path",
        control: Control::Always,
        surface: Surface::Path,
        seen: Some(Seen::PathConnection),
        act: path_socket,
        nonsense: None,
    },
    Attempt {
        name: "raw_socket",
        title: "see packets through a raw socket",
        control: Control::HostDecides,
        surface: Surface::Kernel,
        seen: None,
        act: |_| Ok(raw::raw_socket().map(|()| "opened".into())?),
        nonsense: Some(raw::socket_nonsense),
    },
];

fn loopback(scene: &Scene) -> Result<String, Obstacle> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, scene.tcp_port))?;
    Ok("connected".into())
}

/// The client listens in place of the host's name server, so that no real one is asked.
fn name_server(scene: &Scene) -> Result<String, Obstacle> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, scene.udp_port))?;
    socket.send(scene.token.as_bytes())?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    // Nobody answers; but where nobody listens, the kernel says so at once.
    match socket.recv(&mut [0; 64]) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(error.into()),
        _ => Ok("sent".into()),
    }
}

/// Connecting a datagram socket looks the route up and sends nothing.
fn route(to: Ipv4Addr) -> Result<String, Obstacle> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.connect((to, 80))?;
    Ok("there is a route".into())
}

fn abstract_socket(scene: &Scene) -> Result<String, Obstacle> {
    let address = SocketAddr::from_abstract_name(&scene.abstract_name)?;
    talk(UnixStream::connect_addr(&address)?, scene)
}

fn path_socket(scene: &Scene) -> Result<String, Obstacle> {
    talk(UnixStream::connect(&scene.socket)?, scene)
}

fn talk(mut stream: UnixStream, scene: &Scene) -> Result<String, Obstacle> {
    stream.write_all(scene.token.as_bytes())?;
    Ok("connected".into())
}
