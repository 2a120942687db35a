//! Linux: namespaces, Landlock and seccomp.

mod etc;
mod filter;
mod limits;
mod places;
mod plan;

#[cfg(target_os = "linux")]
mod broker;
#[cfg(target_os = "linux")]
mod clone;
#[cfg(target_os = "linux")]
mod compile;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod inspect;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod notify;
#[cfg(target_os = "linux")]
mod numbers;
#[cfg(target_os = "linux")]
mod pause;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod uses;
#[cfg(target_os = "linux")]
mod wipe;

pub use filter::{ALLOWED, ARGUMENTS, BROKERED, Group, REFUSED};
pub use limits::{Chosen, Enforcement, Group as LimitGroup, Means, Place, Rlimit, Watch};
pub use places::{Brokered, Files, Place as FilePlace};
pub use plan::{Bind, NAMESPACES, Plan, Rights, Rule, Step, plan};

/// How many system calls the server may make.
pub fn allowed_calls() -> usize {
    filter::allowed_names().count()
}

#[cfg(target_os = "linux")]
pub use inspect::Inspector;
#[cfg(target_os = "linux")]
pub use launch::{LaunchError, PASSED_ON, Records, Sandbox, launch};
#[cfg(target_os = "linux")]
pub use limits::{Account, Why as LimitRefused, counts_processes, groups};
#[cfg(target_os = "linux")]
pub use probe::{Act, Cause, Finding, State, diagnose, notification, probe};
#[cfg(target_os = "linux")]
pub use server::check_standard_streams;
#[cfg(target_os = "linux")]
pub use supervise::{End, Exit};
#[cfg(target_os = "linux")]
pub use sys::{describe, hide_memory, landlock_abi, started_privileged};
