//! One file per sub-command.

pub mod check;
pub mod demo;
pub mod doctor;
pub mod explain;
mod failure;
mod manual;
pub mod out;
pub mod profiles;
pub mod run;
mod status;

use std::process::ExitCode;

use crate::cli::{Command, PolicyArgs, Profiles};
use crate::error::Error;
use crate::host::Facts;
use crate::policy::Request;
use crate::profile::Flags;

/// Runs what was asked for.
pub fn dispatch(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Run(args) => return run::run(args),
        Command::Doctor { json } => return doctor::run(json),
        Command::Demo { json } => return demo::run(json),
        Command::DemoPart(part) => return demo::part(part),
        Command::Explain(args) => explain::run(args)?,
        Command::Check { profiles } => check::run(&profiles, &Facts::gather()?.profile)?,
        Command::Profiles(Profiles::List) => profiles::list(&Facts::gather()?.profile)?,
        Command::Profiles(Profiles::Show { name }) => profiles::show(&name, &Facts::gather()?.profile)?,
        Command::Completions { shell } => manual::completions(shell)?,
        Command::Man => manual::page()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, as the policy reads it.
fn request(args: PolicyArgs, command: Vec<std::ffi::OsString>) -> Request {
    let PolicyArgs {
        profile,
        context,
        read,
        write,
        env,
        cwd,
    } = args;
    Request {
        profile,
        context,
        flags: Flags {
            read,
            write,
            env,
            cwd,
        },
        command,
    }
}
