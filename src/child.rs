//! A process that we have started.

use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Sends a signal to a child that was not waited for yet: until then its number is its own (wait(2)). One that has ended
/// takes no notice.
pub fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    let _ = pid.map(|pid| kill(pid, signal));
}
