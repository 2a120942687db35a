//! What this host can enforce: one entry per ability.

use serde::Serialize;

use crate::quote;

/// The abilities of a host that a plan depends on, as the kernel tells them in a few microseconds.
///
/// That an ability really works is proved by the launch itself, which fails closed, and by `doctor`, which tries each
/// in a throw-away box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Support {
    /// The newest Landlock ABI the kernel answers with; 0 without Landlock (kernel document `userspace-api/landlock`).
    pub landlock_abi: u32,
    pub notification: Notification,
}

/// Whether system calls can be handed to us by the kernel (seccomp_unotify(2)), with a socket given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Notification {
    Works,
    /// Another filter with a listener holds this process already.
    Taken,
    /// The kernel does not have it, or not enough of it.
    Missing,
}

impl Support {
    /// A host that has everything this version can use: for plans that are only shown.
    pub fn full() -> Self {
        Support {
            landlock_abi: 7,
            notification: Notification::Works,
        }
    }
}

/// A part of the policy that this host cannot enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unenforceable {
    /// The field of the profile, or the mechanism.
    pub field: String,
    pub reason: String,
    pub cure: String,
}

impl std::fmt::Display for Unenforceable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "this host cannot enforce {}: {}",
            quote(&self.field),
            self.reason
        )
    }
}
