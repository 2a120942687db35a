//! Names for the box: the stub resolver's thread, and the host's resolver behind it.
//!
//! [`Names`] is what the broker asks: which name a synthetic address stands for, and what its real addresses are. All
//! it says of addresses is what the host said; whether one may be reached is judged elsewhere.

mod host;
mod serve;
mod shared;
mod tcp;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use nix::errno::Errno;

use crate::net::dns::Zone;
pub use crate::net::lookups::{Addresses, ResolveError};
use crate::net::{Name, Network};
use serve::Server;
use shared::{Shared, Then, Waiter};

/// The stack of the stub's thread.
const STACK: usize = 128 << 10;

/// The stub's two sockets, bound (and listening) in the box's network namespace.
pub struct StubSockets {
    pub udp: OwnedFd,
    pub tcp: OwnedFd,
}

/// What decides about a name, and who resolves it.
pub struct Rules {
    /// Whether a name is in the allow list.
    pub allows: Box<dyn Fn(&Name) -> bool + Send + Sync>,
    /// Told of every query for a name that is not, on the stub's thread.
    pub refused: Box<dyn Fn(&Name) + Send + Sync>,
    /// Asks the host, on a thread of its own, for as long as it takes.
    pub look_up: LookUp,
}

/// A resolver.
pub type LookUp = Box<dyn Fn(&Name) -> Result<Vec<IpAddr>, ResolveError> + Send + Sync>;

/// The names of one box. The stub's thread ends with the last clone.
#[derive(Clone)]
pub struct Names(Arc<Owner>);

struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Names {
    /// Starts the thread that serves the stub. `refused` is told of every query for a name that the network does not
    /// allow, on that thread. Signals must be blocked already: every thread inherits the mask.
    ///
    /// # Errors
    /// Those of eventfd(2), fcntl(2) and clone(2).
    pub fn start(
        network: &Network,
        sockets: Option<StubSockets>,
        refused: impl Fn(&Name) + Send + Sync + 'static,
    ) -> nix::Result<Names> {
        let network = network.clone();
        let rules = Rules {
            allows: Box::new(move |name| network.resolves(name).is_allowed()),
            refused: Box::new(refused),
            look_up: Box::new(host::look_up),
        };
        Names::start_with(rules, sockets)
    }

    /// Like [`Names::start`], with other rules or another resolver.
    pub fn start_with(rules: Rules, sockets: Option<StubSockets>) -> nix::Result<Names> {
        let sockets = sockets.map(non_blocking).transpose().map_err(errno)?;
        let shared = Arc::new(Shared::new(rules)?);
        let names = Names(Arc::new(Owner(shared.clone())));
        thread::Builder::new()
            .name("names".into())
            .stack_size(STACK)
            .spawn(move || Server::new(shared, sockets).run())
            .map_err(errno)?;
        Ok(names)
    }

    /// The name that a synthetic address stands for.
    pub fn behind(&self, address: Ipv4Addr) -> Option<Name> {
        self.0.0.behind(address)
    }

    /// The addresses of a name as far as they are known. Where they are older than ten seconds the host is asked
    /// again, and these are still returned.
    pub fn addresses(&self, name: &Name) -> Option<Addresses> {
        self.0.0.addresses(name)
    }

    /// Calls `then` with what the host says now: soon, or when five seconds are over. It runs on another thread, which
    /// it must not keep busy. At most some thousands wait; further ones are told [`ResolveError::Busy`].
    pub fn when_resolved(&self, name: &Name, then: Then) {
        self.0.0.when_resolved(name, Waiter::Call(then));
    }

    /// Drops the addresses of a name, after none of them could be connected to.
    pub fn forget(&self, name: &Name) {
        self.0.0.forget(name);
    }
}

fn non_blocking(sockets: StubSockets) -> std::io::Result<(UdpSocket, TcpListener)> {
    let (udp, tcp) = (UdpSocket::from(sockets.udp), TcpListener::from(sockets.tcp));
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}

fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
