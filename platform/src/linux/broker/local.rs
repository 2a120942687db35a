//! Calls that stay in the box: its loopback, Unix sockets, bind(2) and listen(2).

use std::os::fd::AsRawFd as _;

use super::super::sockets;
use super::pending::Waiting;
use super::*;

/// How long a Unix socket whose listener has no room is left alone, at first and at most; there is no event to wait for
/// (unix(7)).
const RETRY: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// A connect(2) of a Unix socket, with its address as we write it.
pub struct UnixCall {
    pub call: Call,
    bytes: Vec<u8>,
    /// What the address names, kept open for it.
    _file: Option<OwnedFd>,
    /// How long it is left alone when it has to wait.
    retry: Duration,
}

impl Broker {
    /// As the kernel would, on the server's own socket in the server's own network.
    pub(super) fn connect_own(&mut self, call: Call, bytes: &[u8]) -> Answer {
        match call.connect(&self.watchdog, bytes) {
            Err(Errno::EINPROGRESS | Errno::EALREADY | Errno::EINTR) if call.is_blocking() => {
                self.await_own(call)
            }
            result => {
                let result = self.as_first_time(&call, result);
                self.announce(&call, result)
            }
        }
    }

    /// A blocking call on a socket that is being connected.
    pub(super) fn await_own(&mut self, call: Call) -> Answer {
        match settled(&call.fd) {
            Some(result) => self.announce(&call, result),
            None => {
                let patience = options::patience(call.fd.as_fd());
                self.wait_for(Waiting::Own(call), patience)
            }
        }
    }

    /// A Unix socket of the box: by a name of its network, or by a path from its `place`.
    pub(super) fn connect_unix(&mut self, call: Call, asked: Asked, place: Option<Place>) -> Answer {
        if call.socket.family != libc::AF_UNIX {
            return Answer::Now(Err(Errno::EINVAL));
        }
        let (Address::Path(path), Some(place)) = (&asked.address, place) else {
            return self.try_unix(UnixCall::new(call, asked.bytes, None));
        };
        let file = self.identity.assumed(|| place.open(path));
        let judged = file.and_then(|file| match &mut self.desk {
            Some(desk) => desk.judge_socket(&file).map(|()| file),
            None => Ok(file),
        });
        match judged {
            Ok(file) => {
                let bytes = by_descriptor(&file);
                self.try_unix(UnixCall::new(call, bytes, Some(file)))
            }
            Err(errno) => Answer::Now(Err(errno)),
        }
    }

    pub(super) fn try_unix(&mut self, unix: UnixCall) -> Answer {
        let UnixCall { call, bytes, .. } = &unix;
        let connect = || call.connect(&self.watchdog, bytes);
        match self.identity.assumed(connect) {
            Err(Errno::EAGAIN | Errno::EINTR) if call.is_blocking() => {
                let [_, most] = RETRY;
                let retry = unix.retry;
                let later = UnixCall {
                    retry: most.min(retry * 2),
                    ..unix
                };
                self.wait_for(Waiting::Unix(later), Some(retry))
            }
            result => {
                let result = self.as_first_time(call, result);
                self.announce(call, result)
            }
        }
    }

    /// An address of the box's own network is taken for the server. Sockets of the host's network take none.
    ///
    /// A Unix socket's file must be made by the server itself, as its user and under its Landlock rules. Should its
    /// descriptor become another before the kernel looks again, Landlock denies the bind of a TCP socket, or [`hold`] has
    /// bound it for good; and none of the host's network is of another kind.
    pub(super) fn bind(&mut self, notification: &Notification) -> nix::Result<Answer> {
        let call = self.call(notification)?;
        if !call.socket.is_internet() {
            // One that the client gave us would take a name that others of the host find.
            let ours = call.socket.network == self.ground.boxed;
            return ours.then_some(Answer::CarryOut).ok_or(Errno::EACCES);
        }
        let asked = self.asked(notification)?;
        if !self.listener.waits(notification.id) {
            return Ok(Answer::Nothing);
        }
        if call.socket.network != self.ground.boxed {
            return Err(Errno::EACCES);
        }
        // The kernel asks us for the capability, and we would have it.
        const FIRST_FREE: u16 = 1024;
        // The port stands at the same place in every address of these families, AF_UNSPEC's among them.
        let port = asked
            .bytes
            .get(2..4)
            .map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
        let low = (1..FIRST_FREE).contains(&port);
        if low && !self.ground.binds_low_ports {
            return Err(Errno::EACCES);
        }
        Ok(Answer::Now(sockets::bind(call.fd.as_fd(), &asked.bytes)))
    }

    /// Only in the box's own network: a socket of the host's would be open to the host's whole network.
    pub(super) fn listen(&mut self, notification: &Notification) -> nix::Result<Answer> {
        let call = self.call(notification)?;
        if !self.listener.waits(notification.id) {
            return Ok(Answer::Nothing);
        }
        if call.socket.network != self.ground.boxed {
            return Err(Errno::EACCES);
        }
        let backlog = notification.arguments[1] as i32;
        let listen = || sockets::listen(call.fd.as_fd(), backlog);
        Ok(Answer::Now(self.identity.assumed(listen)))
    }
}

impl UnixCall {
    fn new(call: Call, bytes: Vec<u8>, _file: Option<OwnedFd>) -> Self {
        let [retry, _] = RETRY;
        UnixCall {
            call,
            bytes,
            _file,
            retry,
        }
    }
}

/// The address of a Unix socket that an open descriptor of ours leads to (proc_pid_fd(5)).
fn by_descriptor(file: &OwnedFd) -> Vec<u8> {
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend(format!("/proc/self/fd/{}\0", file.as_raw_fd()).into_bytes());
    bytes
}
