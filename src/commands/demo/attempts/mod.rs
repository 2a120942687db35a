//! What is tried, by subject.

pub mod files;
pub mod kernel;
pub mod leaks;
pub mod network;
pub mod processes;
