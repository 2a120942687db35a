//! The relay of `inspect = "sni"`: it stands between the server and the hosts it may reach, reads the first bytes of
//! each connection, and lets those through that ask for the name they were opened for.
//!
//! Only the first bytes are copied through our memory; everything after them moves by splice(2) through pipes. One
//! thread serves all connections and waits for nothing but epoll(7). The relay knows a connection by the address it
//! comes from: the broker says beforehand, or right after connecting, which name and hosts belong to it.

mod book;
mod connection;
mod entry;
mod flow;
mod pipes;
mod relay;
mod socket;

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::net::Name;
use crate::net::inspect::Reason;
use book::{Book, Expected, Noted};

/// The stack of the relay's thread in bytes; the deepest it goes is the parser of an HTTP request with its fields.
const STACK: usize = 256 * 1024;

/// A running relay. Dropping it resets all its connections and waits for its thread.
pub struct Inspector {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the relay's thread has in common with the others.
struct Shared {
    book: Mutex<Book>,
    wake: EventFd,
    copied: AtomicU64,
}

impl Inspector {
    /// Serves the connections that arrive at `listener`, a listening TCP socket of the box, and reaches their hosts
    /// from the network namespace of the calling thread.
    ///
    /// `on_refused` hears of each connection that was refused: the name and port it was opened for, and why. It is
    /// called on the relay's thread and must not block.
    ///
    /// # Errors
    /// Those of epoll_create1(2), eventfd(2), pipe2(2) and of starting a thread.
    pub fn start(
        listener: OwnedFd,
        on_refused: impl Fn(&Name, u16, Reason) + Send + Sync + 'static,
    ) -> nix::Result<Self> {
        let shared = Arc::new(Shared {
            book: Mutex::default(),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            copied: AtomicU64::new(0),
        });
        let relay = relay::Relay::new(TcpListener::from(listener), shared.clone(), Box::new(on_refused))?;
        let thread = std::thread::Builder::new()
            .name("inspect".to_owned())
            .stack_size(STACK)
            .spawn(move || relay.run())
            .map_err(errno)?;
        Ok(Inspector {
            shared,
            thread: Some(thread),
        })
    }

    /// Says that the connection from `peer`, the local address of the server's socket, was opened for `port` of
    /// `name`, which is at the judged `addresses`, tried in this order.
    ///
    /// Holds for one connection that arrives within ten seconds; a later call for the same `peer` replaces it. One
    /// that arrived up to a second before this call is served too; one that is never announced is reset. Returns
    /// `false` when so many expectations wait already that this one is not noted; the connection will be reset.
    pub fn expect(&self, peer: SocketAddr, name: Name, port: u16, addresses: Vec<SocketAddr>) -> bool {
        let expected = Expected {
            name,
            port,
            addresses,
        };
        let noted = self.shared.book().expect(peer, expected, Instant::now());
        if noted == Noted::Met {
            self.shared.wake();
        }
        noted != Noted::Full
    }

    /// How many bytes went through our memory so far: the first bytes of connections, and nothing else.
    pub fn copied(&self) -> u64 {
        self.shared.copied.load(Ordering::Relaxed)
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.shared.book().close();
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A full counter has woken the thread already.
    fn wake(&self) {
        let _ = self.wake.write(1);
    }
}

/// The number behind an error of the standard library.
fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}
