//! Names and addresses on the network, end to end: what is allowed is reached by every client, and nothing else is.
//!
//! The "internet" is a network namespace that this program makes ([`world`]). The program itself, and so everything it
//! starts, lives in namespaces of its own with a veth pair to it as the only way out: no packet, route or mount touches
//! the machine's own, and all of it is gone when the last process of the tests is.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod clients;
mod connecting;
mod descriptors;
mod doctor;
mod ended;
mod inspected;
mod learned;
mod names;
mod refused;
mod reports;
mod rules;
mod scripts;
mod unix;
mod world;
