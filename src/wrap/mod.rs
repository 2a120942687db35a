//! Boxing the servers of a client's file, and giving the file back.
//!
//! `command` becomes our own path and `args` starts with `run`, flags, `--` and what the command was; nothing else of the
//! file changes. Every change is checked by reading the result, and by taking it back, before a byte is written.

pub mod back;
pub mod change;
pub mod choice;
pub mod file;
mod meta;
pub mod plan;
pub mod state;
pub mod survey;
