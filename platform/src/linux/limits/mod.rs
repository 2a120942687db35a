//! The limits of a run, enforced: what is prepared before the box, what is watched while it lives, what is told after.

mod choice;

#[cfg(target_os = "linux")]
mod census;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod find;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod growth;
#[cfg(target_os = "linux")]
mod janitor;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod rlimits;
#[cfg(target_os = "linux")]
mod scope;
#[cfg(target_os = "linux")]
mod spent;
#[cfg(target_os = "linux")]
mod throttle;
#[cfg(target_os = "linux")]
mod watch;

pub use choice::{Chosen, Enforcement, Group, Means, Place, Rlimit, Watch, choose, group as choose_group};

#[cfg(target_os = "linux")]
pub use find::groups;
#[cfg(target_os = "linux")]
pub use group::{Group as Made, join};
#[cfg(target_os = "linux")]
pub use rlimits::{counts_processes, set as set_rlimit};
#[cfg(target_os = "linux")]
pub use watch::{Account, Order, Unprepared, Watcher, Why};
