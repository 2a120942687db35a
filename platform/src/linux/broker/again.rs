//! connect(2) on a socket that is of the host's network already: one that took its place before, or one that came to the
//! server from elsewhere. It is never pointed at anything: its state is told, or another socket takes its place.

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
            Ok(TcpState::Connected) if self.was_unannounced(&call) => Answer::Now(Ok(())),
            Ok(TcpState::Connected) => Answer::Now(Err(Errno::EISCONN)),
            Ok(TcpState::Connecting) if call.is_blocking() => {
                let patience = options::patience(call.fd.as_fd());
                self.wait_for(Waiting::Own(call), patience)
            }
            Ok(TcpState::Connecting) => Answer::Now(Err(Errno::EALREADY)),
            Ok(TcpState::Closed) => match sockets::take_error(call.fd.as_fd()) {
                Ok(()) => self.connect_tcp(call, &asked, to),
                failed => Answer::Now(failed),
            },
        }
    }

    /// Remembers a socket whose connect(2) was interrupted after it took its place: the server will ask again, and has not
    /// seen it succeed.
    pub(super) fn remember_unannounced(&mut self, socket: &OwnedFd) {
        const MOST: usize = 256;
        if self.unannounced.len() >= MOST {
            self.unannounced.pop_front();
        }
        self.unannounced.extend(sockets::cookie(socket.as_fd()));
    }

    fn was_unannounced(&mut self, call: &Call) -> bool {
        let Ok(cookie) = sockets::cookie(call.fd.as_fd()) else {
            return false;
        };
        let at = self.unannounced.iter().position(|known| *known == cookie);
        at.and_then(|at| self.unannounced.remove(at)).is_some()
    }
}
