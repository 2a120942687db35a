//! What servers do with files works in a folder where the supervisor opens and changes them: each script prints the same
//! in the box and out of it, as root and as an ordinary user, while what is kept back stays so.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod folder;
mod host_side;
mod programs;
