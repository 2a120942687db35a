//! `run`: start a server in the box.

use std::process::ExitCode;
use std::time::Instant;

use mcp_sandbox_platform::linux::{self, End, Plan, Records};
use mcp_sandbox_platform::net::Denials;
use mcp_sandbox_platform::observed::Observed;
use mcp_sandbox_platform::{Access, HomeKind, Mount, Policy, quote};

use super::{blocked, explain, failure, limits, out, plan, prepare, reach, request};
use crate::cli::Run;
use crate::commands::status::StatusFile;
use crate::error::Error;
use crate::host::Facts;
use crate::policy::{self, Resolved};
use crate::prepare::Found;
use crate::runtime::SYSTEM_REASON;

/// Resolves, launches, supervises; the server's exit code is ours.
///
/// # Errors
/// Everything that keeps the server from being started. Nothing is left behind then.
pub fn run(args: Run) -> Result<ExitCode, Error> {
    refuse_privileges()?;
    linux::hide_memory();
    let status = StatusFile::create(args.status_file.as_deref())?;
    let start = Instant::now();
    let stats = args.stats;
    let mut profile = None;
    let denials = blocked::denials();
    let quiet = args.quiet;
    let end = attempt(args, &mut profile, &denials);
    if let Some(summary) = blocked::summary(&denials).filter(|_| !quiet) {
        out::warn_at_once(&summary);
    }
    let Some(end) = end.transpose() else {
        return Ok(ExitCode::SUCCESS);
    };
    let written = status.write(profile.as_deref(), &end, start.elapsed(), &denials);
    if let Err(error) = written {
        out::warn_at_the_end(&error.to_string());
    }
    let end = end?;
    limits::lines(&end.account, stats)
        .iter()
        .for_each(|line| out::warn_at_the_end(line));
    Ok(limits::code(&end).into())
}

/// How the server ended; nothing for a dry run.
fn attempt(args: Run, profile: &mut Option<String>, denials: &Denials) -> Result<Option<End>, Error> {
    let facts = Facts::gather()?;
    let request = request(args.policy, args.command);
    let context = request.context.as_deref();
    let resolved = policy::resolve_with(&request, &facts, |profile, command| match args.dry_run {
        true => Ok(()),
        false => prepare::before_run(&profile.name, context, args.quiet, command),
    })?;
    *profile = Some(resolved.policy.profile.clone());
    let (plan, _) = plan(&resolved)?;
    if args.dry_run {
        out::print(&explain::text(&resolved, &plan, &facts.profile))?;
        out::print(&format!("Plan\n{}\n", plan.lines().join("\n")))?;
        return Ok(None);
    }
    check_standard_streams()?;
    if args.verbose {
        resolved
            .notes
            .iter()
            .for_each(|note| out::warn(&format!("mcp-sandbox: {note}")));
    }
    if !args.quiet {
        status_lines(&resolved, &plan)
            .iter()
            .for_each(|line| out::warn(line));
    }
    let records = Records {
        denials: denials.clone(),
        observed: Observed::default(),
    };
    let sandbox = linux::launch(&plan, &records).map_err(failure::of_launch)?;
    sandbox
        .run(&plan, args.grace)
        .map(Some)
        .map_err(failure::of_launch)
}

/// The server gets our streams as they are.
pub(super) fn check_standard_streams() -> Result<(), Error> {
    linux::check_standard_streams().map_err(|stream| {
        Error::setup(format!(
            "{stream} is a folder, a disk, a network socket or one that is not connected, and the server could leave the box through it"
        ))
        .hint("give it a pipe, a file or a terminal")
    })
}

/// With more rights than our caller's, every path and variable of the caller's would be a way to them.
pub(super) fn refuse_privileges() -> Result<(), Error> {
    match linux::started_privileged() {
        false => Ok(()),
        true => Err(
            Error::setup("mcp-sandbox is installed setuid, setgid or with file capabilities")
                .hint("it needs none: chmod u-s,g-s the file and remove its capabilities with setcap -r"),
        ),
    }
}

/// What is in force, for a person who reads the client's log; then what the server will not find.
pub(super) fn status_lines(resolved: &Resolved, plan: &Plan) -> Vec<String> {
    let policy = &resolved.policy;
    let picked = if resolved.picked {
        " (it fits the command)"
    } else {
        ""
    };
    let mut lines = vec![format!(
        "mcp-sandbox: profile {}{picked}, {}tier namespaces: {}{}, {}, {}, Landlock {}, seccomp; {}",
        quote(&policy.profile),
        package(resolved),
        folders(&resolved.asked),
        runtime(resolved),
        home(policy),
        reach::summary(&policy.network),
        plan.landlock_abi,
        limits::summary(&plan.limits),
    )];
    lines.extend(resolved.hidden.iter().map(|path| {
        format!(
            "mcp-sandbox: note: {} is not visible in the box; add --read or --write to show it",
            quote(path)
        )
    }));
    lines.extend(
        resolved
            .behind_shell
            .map(|launcher| format!("mcp-sandbox: note: {}", behind_shell(launcher))),
    );
    lines
}

/// Why a launcher finds nothing to download, and what to do.
pub(super) fn behind_shell(launcher: &str) -> String {
    format!(
        "{} is left to the shell, which has no registry in the box; start it without the shell, or only it, to have its \
         package prepared: mcp-sandbox run -- {launcher} …",
        quote(launcher)
    )
}

/// What is started in place of a launcher.
fn package(resolved: &Resolved) -> String {
    match &resolved.package {
        Found::Ready(ready) => {
            let (name, version) = (
                out::printable(&ready.locked.name),
                out::printable(&ready.locked.version),
            );
            format!("package {name} {version}, ")
        }
        Found::Plain | Found::Missing(_) => String::new(),
    }
}

/// Where the program and its runtime are shown from, when that is not the system.
fn runtime(resolved: &Resolved) -> String {
    let of_runtime =
        |mount: &&Mount| !mount.reason.starts_with(SYSTEM_REASON) && !resolved.asked.contains(mount);
    let mut places = resolved.policy.mounts.iter().filter(of_runtime);
    match (places.next(), places.count()) {
        (None, _) => String::new(),
        (Some(only), 0) => format!(", runtime in {}", quote(&only.source)),
        (Some(first), more) => format!(", runtime in {} and {more} more", quote(&first.source)),
    }
}

/// The user's own folders and files that the server sees; the system's and the runtime's go without saying.
fn folders(asked: &[Mount]) -> String {
    let writable = asked.iter().filter(|mount| mount.access == Access::Write).count();
    match (writable, asked.len() - writable) {
        (0, 0) => "none of your files".into(),
        (0, read) => format!("{read} of your paths read-only"),
        (write, 0) => format!("{write} of your paths writable"),
        (write, read) => format!("{write} of your paths writable, {read} read-only"),
    }
}

fn home(policy: &Policy) -> &'static str {
    match policy.home.kind {
        HomeKind::Ephemeral(_) => "home in memory",
        HomeKind::Persistent(_) => "home kept for the profile",
    }
}
