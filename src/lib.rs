//! The parts of mcp-sandbox that are the same on every OS, as a library so that tests and fuzz targets reach them.

pub mod error;
#[cfg(unix)]
pub mod runtime;
