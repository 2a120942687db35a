//! One file per sub-command.

mod blocked;
mod changes;
mod changes_json;
mod changes_table;
pub mod check;
mod client_files;
pub mod client_status;
pub mod demo;
mod diff;
pub mod doctor;
pub mod explain;
mod failure;
mod greeter;
pub mod learn;
mod learned;
mod limits;
pub mod lint;
mod manual;
pub mod out;
pub mod prepare;
pub mod probe;
pub mod profiles;
mod reach;
pub mod run;
mod status;
pub mod unwrap;
pub mod why;
mod why_path;
pub mod wrap;

use std::process::ExitCode;

use mcp_sandbox_platform::Support;
use mcp_sandbox_platform::linux::{self, Plan};

use crate::cli::{Command, PolicyArgs, Profiles};
use crate::error::Error;
use crate::host::Facts;
use crate::policy::{Request, Resolved};

/// Runs what was asked for.
pub fn dispatch(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Run(args) => return run::run(args),
        Command::Learn(args) => return learn::run(args),
        Command::Prepare(args) => prepare::run(args)?,
        Command::Probe(args) => return probe::run(args),
        Command::Why(args) => return why::run(args),
        Command::Lint(args) => return lint::run(args),
        Command::Doctor { json } => return doctor::run(json),
        Command::Demo { json } => return demo::run(json),
        Command::DemoPart(part) => return demo::part(part),
        Command::Wrap(args) => return wrap::run(&args),
        Command::Unwrap(args) => return unwrap::run(&args),
        Command::Status(args) => return client_status::run(&args),
        Command::Explain(args) => explain::run(args)?,
        Command::Check { profiles } => check::run(&profiles, &Facts::gather()?.profile)?,
        Command::Profiles(Profiles::List) => profiles::list(&Facts::gather()?.profile)?,
        Command::Profiles(Profiles::Show {
            name,
            resolved: true,
            context,
        }) => profiles::resolved(&name, context.as_deref(), &Facts::gather()?.profile)?,
        Command::Profiles(Profiles::Show { name, .. }) => profiles::show(&name, &Facts::gather()?.profile)?,
        Command::Profiles(Profiles::New { file }) => profiles::new(file.as_deref())?,
        Command::Completions { shell } => manual::completions(shell)?,
        Command::Man => manual::page()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The plan for a policy on this host, once its warnings are told; and what the host supports.
fn plan(resolved: &Resolved) -> Result<(Plan, Support), Error> {
    for warning in &resolved.warnings {
        out::warn(&warning.warning());
    }
    let support = Support {
        landlock_abi: linux::landlock_abi(),
        groups: linux::groups(),
        counts_processes: linux::counts_processes(resolved.policy.process.user.uid),
        notification: linux::notification(),
    };
    let plan = linux::plan(&resolved.policy, &support).map_err(failure::of_plan)?;
    Ok((plan, support))
}

/// What was typed, as the policy reads it.
fn request(args: PolicyArgs, command: Vec<std::ffi::OsString>) -> Request {
    Request {
        flags: args.flags(),
        profile: args.profile,
        context: args.context,
        command,
    }
}
