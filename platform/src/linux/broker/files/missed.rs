//! What was done for a call that a signal had interrupted meanwhile. The kernel lets the server call again (SA_RESTART of
//! sigaction(2)) or tells it EINTR, and programs then call again themselves: a second `mkdir` would find what the first
//! has made.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use nix::unistd::Pid;

use super::super::super::notify::Notification;

/// How a call ended well.
pub enum Outcome {
    Opened {
        fd: OwnedFd,
        close_on_exec: bool,
        /// A second call would not do the same.
        made: bool,
    },
    Changed,
}

/// Kept by thread and arguments.
#[derive(Default)]
pub struct Missed(VecDeque<(Pid, i64, [u64; 6], Outcome)>);

const MOST: usize = 64;

impl Missed {
    pub fn keep(&mut self, notification: &Notification, outcome: Outcome) {
        if matches!(outcome, Outcome::Opened { made: false, .. }) {
            return;
        }
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        let Notification {
            thread,
            call,
            arguments,
            ..
        } = *notification;
        self.0.push_back((thread, call, arguments, outcome));
    }

    /// What the thread missed, if this is the same call again. Any other shows that it does not ask for it again.
    pub fn take(&mut self, notification: &Notification) -> Option<Outcome> {
        let at = self
            .0
            .iter()
            .position(|(thread, ..)| *thread == notification.thread)?;
        let (_, call, arguments, outcome) = self.0.remove(at)?;
        ((call, arguments) == (notification.call, notification.arguments)).then_some(outcome)
    }
}
