//! Packages that launchers would download: prepared in boxes, locked by their hashes, started without a network.
//!
//! The registry is our own, on the loopback, and can be made to go bad. Every denial has its control: the same package
//! installed by npm without a box.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod attacks;
mod broken;
mod locked;
mod private;
mod python;
mod stage;
