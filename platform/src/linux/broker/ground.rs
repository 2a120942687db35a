//! What the broker goes by, and the threads beside it that it asks: the resolver's and the inspector's.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::super::inspect::Inspector;
use super::super::names::{Names, StubSockets};
use super::super::places::Files;
use super::super::sockets::{self, NetworkCookie};
use super::files::Desk;
use crate::net::{Denial, Denials, Network, Refusal, Verdict};
use crate::observed::Observed;

/// What the broker goes by.
pub struct Ground {
    pub(super) network: Arc<Network>,
    pub(super) names: Names,
    /// Where connections to names are handed to, if they are inspected: its address in the box.
    pub(super) inspector: Option<(Inspector, SocketAddr)>,
    pub(super) denials: Denials,
    /// The network namespace of the box.
    pub(super) boxed: NetworkCookie,
    /// A TCP socket of it that was told nothing.
    pub(super) untold: OwnedFd,
    /// The user and group of the server.
    pub(super) user: (u32, u32),
    /// The server keeps CAP_NET_BIND_SERVICE.
    pub(super) binds_low_ports: bool,
    /// The version of the kernel's Landlock.
    pub(super) landlock_abi: u32,
    /// For calls on files, if any are the broker's.
    pub(super) desk: Option<Desk>,
    /// Where it is written down what the server uses, if it is.
    pub(super) observed: Option<Observed>,
}

/// Sockets that init has opened in the box's network.
pub struct Opened {
    /// One of TCP, of IPv4, that was told nothing.
    pub boxed: OwnedFd,
    pub stub: Option<StubSockets>,
    pub inspector: Option<OwnedFd>,
}

impl Ground {
    /// Starts the threads.
    ///
    /// # Errors
    /// EAGAIN and the like where no thread or descriptor can be made.
    pub fn new(
        network: &Network,
        denials: &Denials,
        opened: Opened,
        user: (u32, u32),
        binds_low_ports: bool,
        landlock_abi: u32,
    ) -> nix::Result<Self> {
        let network = Arc::new(network.clone());
        let boxed = NetworkCookie::of(opened.boxed.as_fd())?;
        let inspector = opened
            .inspector
            .map(|socket| inspector(socket, denials))
            .transpose()?;
        Ok(Ground {
            names: names(&network, opened.stub, denials)?,
            denials: denials.clone(),
            inspector,
            boxed,
            untold: opened.boxed,
            user,
            binds_low_ports,
            landlock_abi,
            desk: None,
            observed: None,
            network,
        })
    }
}

impl Ground {
    /// With a record of what the server uses.
    pub fn observing(mut self, observed: Option<Observed>) -> Self {
        self.observed = observed;
        self
    }

    /// With calls on files to be answered as well.
    pub fn with_files(mut self, files: Option<&Files>) -> Self {
        self.desk = files.map(|files| Desk::new(files, &self.denials, self.landlock_abi));
        self
    }
}

fn names(network: &Arc<Network>, stub: Option<StubSockets>, denials: &Denials) -> nix::Result<Names> {
    let (judging, denials) = (Arc::clone(network), denials.clone());
    Names::start(network, stub, move |name| {
        if let Verdict::Refused(refusal) = judging.resolves(name) {
            denials.record(Denial::of_name(name, refusal));
        }
    })
}

fn inspector(socket: OwnedFd, denials: &Denials) -> nix::Result<(Inspector, SocketAddr)> {
    let at = sockets::own_address(socket.as_fd())?;
    let denials = denials.clone();
    let inspector = Inspector::start(socket, move |name, port, reason| {
        denials.record(Denial {
            reason: format!("{reason}; {}", reason.hint()),
            cure: None,
            ..Denial::of(name, port, Refusal::NotListed)
        });
    })?;
    Ok((inspector, at))
}
