//! Whether system calls can be handed to the broker. Asked at every launch, so it costs microseconds where it can.

use nix::errno::Errno;

use super::super::sockets::NetworkCookie;
use super::super::{compile, notify};
use super::child::{Trouble, in_child};
use crate::Notification;

/// What this process can do. It must have a single thread.
pub fn notification() -> Notification {
    if NetworkCookie::own().is_err() {
        return Notification::Missing;
    }
    if is_unfiltered() {
        return Notification::Works;
    }
    match in_child(install) {
        Ok(()) => Notification::Works,
        Err(Trouble::Failed(Errno::EBUSY)) => Notification::Taken,
        Err(_) => Notification::Missing,
    }
}

/// No filter holds this process, so none with a listener does (proc_pid_status(5), Linux 5.10).
fn is_unfiltered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter_map(|line| line.strip_prefix("Seccomp_filters:"))
        .any(|count| count.trim() == "0")
}

fn install() -> Result<(), Trouble> {
    let filter = compile::server(true, true).map_err(|_| Errno::EINVAL)?;
    nix::sys::prctl::set_no_new_privs()?;
    Ok(notify::install(&filter).map(drop)?)
}
