//! Every field of a profile bites: what it gives is there with it, and not there without it.

#![allow(clippy::unwrap_used)] // a test ends at the first surprise

#[path = "../common/boxed.rs"]
mod boxed;

mod command;
mod contexts;
mod environment;
mod exclude;
mod filesystem;
mod format;
mod home;
mod network;
mod process;
mod refused;
mod variables;
