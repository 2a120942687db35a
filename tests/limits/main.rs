//! Every limit under real load, as root and as an ordinary user: the load is stopped, and the same load without the limit
//! is not.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod account;
mod disk;
mod loads;
mod memory;
mod per_process;
mod processes;
mod refused;
mod remains;
mod suspended;
mod time;
