//! `wrap`, `unwrap` and `status`: files of clients are changed in the servers' commands alone, and given back.

#![allow(clippy::unwrap_used)] // a test ends at the first surprise

#[path = "../common/boxed.rs"]
mod boxed;
#[path = "../common/pty.rs"]
mod pty;

mod asking;
mod config;
mod faults;
mod given_back;
mod identity;
mod killed;
mod listed;
mod runs;
mod status;
