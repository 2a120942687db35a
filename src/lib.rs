//! mcp-sandbox: run any MCP server in a box that the operating system enforces.
//!
//! One direction: what was typed ([`cli`]), what it means here ([`profile`], [`runtime`], [`policy`]), what
//! is done about it (the platform package), what a person reads ([`commands`], [`error`]). Beside it stand the
//! configuration files of MCP clients ([`clients`], [`edit`], [`wrap`]).

mod child;
pub mod cli;
pub mod clients;
pub mod commands;
pub mod duration;
pub mod edit;
pub mod error;
pub mod host;
pub mod learn;
pub mod lint;
pub mod net;
pub mod policy;
pub mod prepare;
pub mod probe;
pub mod profile;
pub mod runtime;
pub mod wrap;

use std::process::ExitCode;

use clap::error::ErrorKind;

use error::Kind;

/// The program: parse, dispatch, print the error, exit code.
pub fn main() -> ExitCode {
    let cli = match cli::Cli::given() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            if let Some(hint) = cli::hint(&error) {
                commands::out::warn(&hint);
            }
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked_for {
                ExitCode::SUCCESS
            } else {
                Kind::Setup.code().into()
            };
        }
    };
    match commands::dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            commands::out::warn(&error.to_string());
            error.kind.code().into()
        }
    }
}
