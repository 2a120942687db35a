//! What this host can enforce: one entry per ability.

use std::path::PathBuf;

use serde::Serialize;

use crate::quote;

/// The abilities of a host that a plan depends on, as the kernel tells them in a few microseconds.
///
/// That an ability really works is proved by the launch itself, which fails closed, and by `doctor`, which tries each
/// in a throw-away box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Support {
    /// The newest Landlock ABI the kernel answers with; 0 without Landlock (kernel document `userspace-api/landlock`).
    pub landlock_abi: u32,
    pub notification: Notification,
    pub groups: Groups,
    /// The kernel counts processes per user namespace (Linux 5.14) and for this user, which root is not.
    pub counts_processes: bool,
}

/// Where this process may make control groups (cgroups(7)).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Groups {
    /// Of the unified hierarchy, below a group that is ours to write.
    pub unified: Option<Unified>,
    /// By asking systemd's manager for a scope.
    pub manager: Option<Manager>,
    /// Of the hierarchies of version 1.
    pub legacy: Legacy,
}

/// A group of version 2 in which groups can be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unified {
    pub parent: PathBuf,
    /// What a group made there can limit, such as `memory`.
    pub controllers: Vec<String>,
}

/// A service manager that makes scopes (org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manager {
    /// The socket of its bus.
    pub bus: PathBuf,
    /// What a scope of it can limit.
    pub controllers: Vec<String>,
}

/// The group of version 1 in which groups can be made, per controller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Legacy {
    pub memory: Option<PathBuf>,
    pub pids: Option<PathBuf>,
    pub cpu: Option<PathBuf>,
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
            groups: Groups::default(),
            counts_processes: true,
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
