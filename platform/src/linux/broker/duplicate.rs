//! A socket that the server has too. Whoever closes it last may have to wait for it, and that must not be the broker.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::super::sockets::option;

static TOLD_TO_LINGER: AtomicBool = AtomicBool::new(false);

/// Closed where nobody waits, if closing may take time.
pub struct Duplicate {
    fd: Option<OwnedFd>,
    /// It was made in the box or by us: nobody else can have told it to linger.
    of_box: bool,
}

impl Duplicate {
    pub fn new(fd: OwnedFd) -> Self {
        Duplicate {
            fd: Some(fd),
            of_box: false,
        }
    }

    /// That is a socket which was made in the box or by us.
    pub fn of_box(mut self) -> Self {
        self.of_box = true;
        self
    }

    /// Some socket of the box is about to be told to linger: from now on every one is asked.
    pub fn may_linger() {
        TOLD_TO_LINGER.store(true, Ordering::Relaxed);
    }

    /// Closes it now: for a socket that is not connected, which nothing lingers on.
    pub fn into_closed<T>(mut self, close: impl FnOnce(OwnedFd) -> T) -> T {
        close(self.fd.take().expect("it is taken only when it goes"))
    }
}

impl AsFd for Duplicate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("it is taken only when it goes").as_fd()
    }
}

impl AsRawFd for Duplicate {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for Duplicate {
    /// SO_LINGER of socket(7) lets close(2) wait until the other side has taken everything, for as long as the server
    /// likes. A server that closes its own at the right moment leaves that to us.
    fn drop(&mut self) {
        let Some(fd) = self.fd.take() else { return };
        let may = !self.of_box || TOLD_TO_LINGER.load(Ordering::Relaxed);
        if may && lingers(&fd) {
            close_elsewhere(fd);
        }
    }
}

/// struct linger: whether, and for how many seconds.
fn lingers(fd: &OwnedFd) -> bool {
    let linger = option::<u64>(fd.as_fd(), libc::SOL_SOCKET, libc::SO_LINGER);
    linger.is_ok_and(|linger| {
        let [a, b, c, d, e, f, g, h] = linger.to_ne_bytes();
        [a, b, c, d] != [0; 4] && [e, f, g, h] != [0; 4]
    })
}

/// One thread closes them all, one after the other. Where it cannot be made the descriptor stays open: they are counted
/// against our limit, and a server that has reached it gets EMFILE.
fn close_elsewhere(fd: OwnedFd) {
    static CLOSER: OnceLock<Option<Sender<OwnedFd>>> = OnceLock::new();
    let closer = CLOSER.get_or_init(|| {
        let (sender, receiver) = channel::<OwnedFd>();
        let thread = std::thread::Builder::new()
            .name("closer".into())
            .stack_size(64 << 10);
        let close = move || receiver.into_iter().for_each(drop);
        thread.spawn(close).ok().map(|_| sender)
    });
    let unsent = match closer {
        Some(closer) => closer.send(fd).err().map(|unsent| unsent.0),
        None => Some(fd),
    };
    std::mem::forget(unsent);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use nix::sys::socket::{setsockopt, sockopt};

    use super::*;

    /// A connection that closing waits for: nobody reads what was sent.
    fn full() -> (OwnedFd, TcpListener, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 1 << 16]).is_ok() {}
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 2,
        };
        setsockopt(&stream, sockopt::Linger, &linger).unwrap();
        (stream.into(), listener, other)
    }

    #[test]
    fn a_socket_that_lingers_is_closed_elsewhere() {
        let (fd, _listener, _other) = full();
        let start = Instant::now();
        Duplicate::may_linger();
        drop(Duplicate::new(fd).of_box());
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn control_closing_it_here_waits() {
        let (fd, _listener, _other) = full();
        let start = Instant::now();
        drop(fd);
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}
