//! The command line: every flag of `run`, `explain`, `profiles`, `completions`, `man`, and the default box.

#![allow(clippy::unwrap_used)] // a test ends at the first surprise

#[path = "../common/boxed.rs"]
mod boxed;

mod default_box;
mod explain;
mod flags;
mod lint;
mod pages;
mod probe;
mod profiles;
mod runtimes;
mod why;
mod words;
