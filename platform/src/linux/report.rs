//! What init and the server's process tell the supervisor, one fixed-size packet each.
//!
//! The channel is a SEQPACKET socket pair that closes on exec, so "could not set up", "not found", "not
//! executable" and "the server ended with 1" cannot be mixed up.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// One message to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The root of the box, for those who look after it from outside. Carries a descriptor of it.
    Root,
    /// Set-up is done; the server may be started. Carries what init opened for the supervisor.
    Ready,
    /// The filter is in force. Carries its listener.
    Filtered,
    /// A step failed: who, the index of the step in the plan, and the errno.
    Failed { who: Who, step: u16, errno: i32 },
    /// The server ended; a wait status (wait(2)).
    Ended { status: i32 },
}

/// Whose step it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Init,
    Server,
}

const SIZE: usize = 8;

/// The most descriptors that one report carries: a terminal, a socket of the box's network, the resolver's two and the
/// inspector's.
pub const MOST_DESCRIPTORS: usize = 5;

impl Report {
    fn encode(self) -> [u8; SIZE] {
        let (tag, step, number) = match self {
            Report::Ready => (0, 0, 0),
            Report::Failed {
                who: Who::Init,
                step,
                errno,
            } => (1, step, errno),
            Report::Failed {
                who: Who::Server,
                step,
                errno,
            } => (2, step, errno),
            Report::Ended { status } => (3, 0, status),
            Report::Root => (5, 0, 0),
            Report::Filtered => (4, 0, 0),
        };
        let [s0, s1] = u16::to_ne_bytes(step);
        let [n0, n1, n2, n3] = i32::to_ne_bytes(number);
        [tag, 0, s0, s1, n0, n1, n2, n3]
    }

    fn decode([tag, _, s0, s1, n0, n1, n2, n3]: [u8; SIZE]) -> Option<Self> {
        let step = u16::from_ne_bytes([s0, s1]);
        let number = i32::from_ne_bytes([n0, n1, n2, n3]);
        match tag {
            0 => Some(Report::Ready),
            1 => Some(Report::Failed {
                who: Who::Init,
                step,
                errno: number,
            }),
            2 => Some(Report::Failed {
                who: Who::Server,
                step,
                errno: number,
            }),
            3 => Some(Report::Ended { status: number }),
            5 => Some(Report::Root),
            4 => Some(Report::Filtered),
            _ => None,
        }
    }

    /// Sends the report, with the descriptors that are to change hands, [`MOST_DESCRIPTORS`] at most.
    pub fn send(self, channel: BorrowedFd, fds: &[BorrowedFd]) -> nix::Result<()> {
        let bytes = self.encode();
        let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = if fds.is_empty() { &rights[..0] } else { &rights[..] };
        sendmsg::<()>(
            channel.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map(drop)
    }

    /// Waits for the next report, with its descriptors in order; `None` when the other side is gone.
    pub fn receive(channel: BorrowedFd) -> nix::Result<Option<(Self, Vec<OwnedFd>)>> {
        let mut bytes = [0; SIZE];
        let mut buffer = [IoSliceMut::new(&mut bytes)];
        let mut control = cmsg_space!([RawFd; MOST_DESCRIPTORS]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = loop {
            match recvmsg::<()>(channel.as_raw_fd(), &mut buffer, Some(&mut control), flags) {
                // A peer that ended with our byte unread resets the connection; that is told once, and what the peer
                // had said before still waits behind it (unix(7)).
                Err(Errno::EINTR | Errno::ECONNRESET) => continue,
                other => break other?,
            }
        };
        let mut fds = Vec::new();
        for entry in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = entry {
                // SAFETY: the kernel has just installed these descriptors for us.
                fds.extend(raw.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
            }
        }
        if message.bytes != SIZE {
            return Ok(None);
        }
        Ok(Report::decode(bytes).map(|report| (report, fds)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Who};

    #[test]
    fn reports_survive_the_wire() {
        for report in [
            Report::Root,
            Report::Ready,
            Report::Filtered,
            Report::Failed {
                who: Who::Init,
                step: 300,
                errno: 13,
            },
            Report::Failed {
                who: Who::Server,
                step: 1,
                errno: 2,
            },
            Report::Ended { status: 0x8b },
        ] {
            assert_eq!(Report::decode(report.encode()), Some(report));
        }
        assert_eq!(Report::decode([9; 8]), None);
    }
}
