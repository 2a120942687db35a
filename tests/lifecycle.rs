//! From start to end: exit codes, signals, terminals, and what is left behind when somebody is killed.
#![cfg(target_os = "linux")]

mod common;

#[path = "lifecycle/bytes.rs"]
mod bytes;
#[path = "lifecycle/descendants.rs"]
mod descendants;
#[path = "lifecycle/exit_codes.rs"]
mod exit_codes;
#[path = "lifecycle/interactive.rs"]
mod interactive;
#[path = "lifecycle/killed.rs"]
mod killed;
#[path = "lifecycle/signals.rs"]
mod signals;
