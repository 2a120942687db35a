//! connect(2) once more on a socket: after an interruption, or because it is of the host's network already, since it took
//! its place before or came to the server from elsewhere. Such a one is never pointed at anything: its state is told, or
//! another socket takes its place.

use super::super::sockets::{self, TcpState};
use super::pending::Waiting;
use super::*;

impl Broker {
    pub(super) fn connect_again(&mut self, call: Call, asked: Asked) -> Answer {
        // Disconnected, it could be made to listen in the host's network.
        let Address::Internet(to) = asked.address else {
            return Answer::Now(Err(Errno::EAFNOSUPPORT));
        };
        let state = sockets::tcp_state(call.fd.as_fd());
        match state {
            Err(errno) => Answer::Now(Err(errno)),
            Ok(TcpState::Connected) if self.was_untold(&call) => self.announce(&call, Ok(())),
            Ok(TcpState::Connected) => Answer::Now(Err(Errno::EISCONN)),
            Ok(TcpState::Connecting) if call.is_blocking() => {
                // From now on this call waits for it alone.
                self.was_untold(&call);
                let patience = options::patience(call.fd.as_fd());
                self.wait_for(Waiting::Own(call), patience)
            }
            Ok(TcpState::Connecting) if self.was_unannounced(&call) => {
                self.announce(&call, Err(Errno::EINPROGRESS))
            }
            Ok(TcpState::Connecting) => Answer::Now(Err(Errno::EALREADY)),
            Ok(TcpState::Closed) => match sockets::take_error(call.fd.as_fd()) {
                Ok(()) => self.connect_tcp(call, &asked, to),
                failed => Answer::Now(failed),
            },
        }
    }

    /// Answers a connect(2) that has changed its socket. A signal may have ended the call meanwhile; the server then asks
    /// again, and must not hear that the socket is connected already, which it has not seen happen.
    pub(super) fn announce(&mut self, call: &Call, result: nix::Result<()>) -> Answer {
        let changed = matches!(result, Ok(()) | Err(Errno::EINPROGRESS));
        if self.listener.answer(call.notification.id, result).is_err() && changed {
            self.remember_unannounced(&call.fd);
        }
        Answer::Nothing
    }

    /// What the kernel says of a socket of the box, as the server has to hear it.
    pub(super) fn as_first_time(&mut self, call: &Call, result: nix::Result<()>) -> nix::Result<()> {
        match result {
            Err(Errno::EISCONN) if self.was_unannounced(call) => Ok(()),
            Err(Errno::EALREADY) if self.was_unannounced(call) => Err(Errno::EINPROGRESS),
            result => result,
        }
    }

    pub(super) fn remember_unannounced(&mut self, socket: &Duplicate) {
        const MOST: usize = 256;
        if self.unannounced.len() >= MOST {
            self.unannounced.pop_front();
        }
        self.unannounced.extend(sockets::cookie(socket.as_fd()));
    }

    /// Whether a call on this socket was interrupted, after it was answered or before. It is not told any more.
    fn was_untold(&mut self, call: &Call) -> bool {
        self.pending.take_interrupted(call, &self.listener) | self.was_unannounced(call)
    }

    fn was_unannounced(&mut self, call: &Call) -> bool {
        let Ok(cookie) = sockets::cookie(call.fd.as_fd()) else {
            return false;
        };
        let at = self.unannounced.iter().position(|known| *known == cookie);
        at.and_then(|at| self.unannounced.remove(at)).is_some()
    }
}
