//! mcp-sandbox: run any MCP server in a box that the operating system enforces.

pub mod commands;
pub mod error;
pub mod policy;
pub mod profile;

use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
