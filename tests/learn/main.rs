//! `learn`: what a server may do while it is watched, what is learned of it, and whether that is enough to run it.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod ceiling;
mod lines;
mod probe;
mod round_trip;
mod watched;
