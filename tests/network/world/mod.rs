//! The machine of the tests and the internet it is connected to.
//!
//! One namespace holds every host of the internet: its addresses, their routes, and threads of ours that serve them.
//! Addresses are public by class and exist nowhere but here.

mod dns;
mod namespaces;
mod services;

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use crate::common::inherit;

pub use dns::Dns;
use namespaces::{capable, enter};
pub use services::{GREETER, Heard};

/// The host behind most names.
pub const HOST: Ipv4Addr = Ipv4Addr::new(11, 11, 1, 1);
/// Another one, with the same services but [`LONE`].
pub const OTHER: Ipv4Addr = Ipv4Addr::new(11, 11, 2, 1);
/// Answers nothing at all.
pub const HOLE: Ipv4Addr = Ipv4Addr::new(11, 11, 9, 1);
pub const LAN: Ipv4Addr = Ipv4Addr::new(10, 20, 30, 40);
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
pub const SIX: &str = "2a00:1111::6";
const SERVER: Ipv4Addr = Ipv4Addr::new(11, 11, 0, 53);

/// What the machine's own hosts file says, which the names of the box must come from.
const HOSTS: &str = "\
127.0.0.1 localhost
::1 localhost
11.11.1.1 api.test forbidden.test a.wild.test b.a.wild.test wild.test
11.11.2.1 other.test
11.11.2.1 both.test
11.11.1.1 both.test
10.20.30.40 lan.test
169.254.169.254 meta.test
127.0.0.1 inside.test
11.11.9.1 hole.test
2a00:1111::6 six.test
";

/// A name that is not in the hosts file is asked for at [`Dns`].
const RESOLV: &str = "nameserver 11.11.0.53\nsearch search.test\noptions timeout:2 attempts:1\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Everything outside the machine.
pub struct Internet {
    /// Its network namespace.
    namespace: File,
    pub dns: Dns,
    pub heard: Heard,
}

/// The internet, made when it is first asked for.
pub fn internet() -> &'static Internet {
    static INTERNET: OnceLock<Internet> = OnceLock::new();
    INTERNET.get_or_init(|| {
        let namespace = namespaces::new_network();
        connect_the_machine(&namespace);
        replace_etc();
        inside(&namespace, || {
            let (dns, heard) = (Dns::start(SERVER.into()), services::start());
            Internet {
                namespace: namespace.try_clone().expect("a descriptor"),
                dns,
                heard,
            }
        })
    })
}

impl Internet {
    /// Lets a command run there, as whoever we are, and serve at any port.
    pub fn enter(&self, command: &mut Command) {
        capable(command);
        enter(command, &self.namespace);
    }
}

fn inside<T: Send>(namespace: &File, act: impl FnOnce() -> T + Send) -> T {
    let work = || {
        namespaces::join(namespace.as_raw_fd()).expect("our own namespace");
        act()
    };
    thread::scope(|scope| scope.spawn(work).join().expect("no panic"))
}

/// A veth pair, all of the addresses on its far end, and the default routes of the machine to it.
fn connect_the_machine(internet: &File) {
    let machine = format!(
        "link set lo up
         link add wan type veth peer name eth0 netns /proc/self/fd/{FAR}
         addr add 11.11.0.2/24 dev wan
         addr add 2a00:1111:0:1::2/64 dev wan nodad
         link set wan up"
    );
    ip(&machine, internet, Place::Machine);
    let addresses = [HOST, OTHER, LAN, METADATA, SERVER].map(|ip| format!("addr add {ip}/32 dev lo\n"));
    let hosts = format!(
        "link set lo up
         {}
         addr add {SIX}/128 dev lo nodad
         addr add 11.11.0.1/24 dev eth0
         addr add 2a00:1111:0:1::1/64 dev eth0 nodad
         route add blackhole {HOLE}/32
         link set eth0 up",
        addresses.concat()
    );
    ip(&hosts, internet, Place::Internet);
    let routes = "route add default via 11.11.0.1\n -6 route add default via 2a00:1111:0:1::1";
    ip(routes, internet, Place::Machine);
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Machine,
    Internet,
}

/// The number by which ip(8) has the internet's namespace. An ordinary user's could not open ours.
const FAR: i32 = 200;

/// Runs ip(8) once for each line.
fn ip(lines: &str, internet: &File, place: Place) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut command = Command::new("ip");
        command
            .args(line.split_whitespace())
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        capable(&mut command);
        if place == Place::Internet {
            enter(&mut command, internet);
        }
        inherit(
            &mut command,
            internet.try_clone().expect("a descriptor").into(),
            FAR,
        );
        let status = command.status().expect("ip(8) of iproute2");
        assert!(status.success(), "ip {line}");
    }
}

/// Files of ours in the place of the machine's, in our mount namespace.
fn replace_etc() {
    for (place, text) in [
        ("/etc/hosts", HOSTS),
        ("/etc/resolv.conf", RESOLV),
        ("/etc/nsswitch.conf", NSSWITCH),
    ] {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), text).expect("a temporary file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(file.path(), mode).expect("our file");
        namespaces::bind(file.path(), place);
        // The mount keeps the file; its name is not needed.
    }
    // The cache of another network's names (nscd(8)) would answer before them.
    namespaces::hide("/var/run/nscd");
}

/// `ADDRESS:PORT` of a service.
pub fn at(ip: impl Into<IpAddr>, port: u16) -> String {
    std::net::SocketAddr::new(ip.into(), port).to_string()
}
