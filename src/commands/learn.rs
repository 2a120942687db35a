//! `learn`: start a server in a box under a ceiling, and write the smallest profile that fits what it used.
//!
//! Without a profile the ceiling is the runtime and the current folder, read-only: no home of the user's, no secret, no
//! host. Flags widen it as they widen a profile. Nothing that is learned changes the run that it is learned from.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use mcp_sandbox_platform::files::Rules;
use mcp_sandbox_platform::linux::{self, End, Records};
use mcp_sandbox_platform::net::{Host, Ports, Rule};
use mcp_sandbox_platform::observed::Observed;
use mcp_sandbox_platform::quote;
use similar::TextDiff;

use super::diff::{PATIENCE, shown};
use super::greeter::Probe;
use super::learned::Output;
use super::run::{check_standard_streams, refuse_privileges, status_lines};
use super::{blocked, failure, limits, out, plan, request};
use crate::cli::Learn;
use crate::error::Error;
use crate::host::Facts;
use crate::learn::{self, Learned};
use crate::policy::{self, Request, Resolved, sensitive};
use crate::profile::{builtin, expand, find, select};
use crate::runtime;

/// How the server is run.
struct How {
    grace: Duration,
    quiet: bool,
    probe: bool,
}

/// Runs the server to its end, then writes what was learned; the server's exit code is ours.
///
/// # Errors
/// Everything that keeps the server from being started, or the profile from being written.
pub fn run(args: Learn) -> Result<ExitCode, Error> {
    refuse_privileges()?;
    linux::hide_memory();
    let output = Output::open(&args.output, args.force)?;
    let facts = Facts::gather()?;
    let any_host = args.any_host;
    let how = How {
        grace: args.grace,
        quiet: args.quiet,
        probe: args.probe,
    };
    let asked = under_ceiling(request(args.policy, args.command), &facts);
    let mut ceiling = policy::resolve(&asked, &facts)?;
    ceiling.policy.observe = true;
    if any_host {
        ceiling.policy.network.allow.push(every_name());
    }
    let command = match asked.command.is_empty() {
        true => expand::run(&ceiling.profile, &facts.profile).map_err(Error::profile)?,
        false => asked.command.clone(),
    };
    let base = policy::resolve(&bare(&command), &facts)?;
    let records = Records {
        denials: blocked::denials(),
        observed: Observed::default(),
    };
    let end = start(&ceiling, &records, &how)?;
    let exclusions = Rules::new(&ceiling.policy.exclusions, &[])
        .map_err(|_| Error::setup("the exclusions of the profile cannot be read"))?;
    let learned = learn::learn(&learn::Run {
        command: &command,
        ceiling: &ceiling,
        base: &base,
        host: &facts.profile,
        seen: &records.observed.seen(),
        refused: &records.denials.counts(),
        usage: &end.account.usage,
        exclusions: &exclusions,
        variables: &std::env::vars_os().collect::<BTreeMap<_, _>>(),
    });
    if let Some(summary) = blocked::summary(&records.denials) {
        out::warn(&summary);
    }
    for line in limits::lines(&end.account, false) {
        out::warn(&line);
    }
    output.write(&learned.text)?;
    report(&output, &learned);
    if let Some(diff) = diff(&asked, &command, &learned, &output, &facts) {
        out::warn(diff.trim_end());
    }
    try_it(&output, &facts);
    Ok(limits::code(&end).into())
}

/// The request with what the ceiling adds. A profile that is given is the ceiling; one that would fit is not.
fn under_ceiling(mut request: Request, facts: &Facts) -> Request {
    if request.profile.is_some() {
        return request;
    }
    request.profile = Some(builtin::DEFAULT.into());
    let own = &facts.profile.cwd;
    let shown = request
        .flags
        .read
        .iter()
        .chain(&request.flags.write)
        .any(|(path, _)| own.join(path).canonicalize().is_ok_and(|path| path == *own));
    if shown {
        return request;
    }
    match not_shown(facts) {
        Some(why) => out::warn(&format!(
            "mcp-sandbox: note: the current folder {} is not shown to the server: {why}",
            quote(own)
        )),
        None => request.flags.ceiling = Some((own.clone(), learn::secrets())),
    }
    request
}

/// Why the current folder is no part of the ceiling.
fn not_shown(facts: &Facts) -> Option<String> {
    let own = &facts.profile.cwd;
    let secret = sensitive::known(&facts.profile).find(|known| known.lies_below(own) || known.covers(own));
    if let Some(secret) = secret {
        return Some(format!(
            "{} ({}) belongs to it",
            quote(secret.name()),
            secret.reason
        ));
    }
    let origin = crate::profile::Origin::flag("learn");
    expand::allowed_target(own, &origin).err().map(|one| one.message)
}

/// What the command has without a profile and without flags.
fn bare(command: &[std::ffi::OsString]) -> Request {
    Request {
        profile: Some(builtin::DEFAULT.into()),
        command: command.to_vec(),
        ..Request::default()
    }
}

/// A name never grants an internal address, this one neither.
fn every_name() -> Rule {
    Rule {
        host: Host::AnyName,
        ports: Ports::all(),
        text: "every name".into(),
        reason: "--any-host".into(),
    }
}

fn start(ceiling: &Resolved, records: &Records, how: &How) -> Result<End, Error> {
    let (plan, _) = plan(ceiling)?;
    let probe = how.probe.then(Probe::prepare).transpose()?;
    check_standard_streams()?;
    if !how.quiet {
        for line in status_lines(ceiling, &plan) {
            out::warn(&line);
        }
    }
    if std::io::stdin().is_terminal() {
        out::warn(
            "mcp-sandbox: learning: a client has to talk to the server for it to show what it needs, or --probe; end it \
             with Ctrl-C and the profile is written",
        );
    }
    let sandbox = linux::launch(&plan, records).map_err(failure::of_launch)?;
    let probe = probe.map(Probe::start).transpose()?;
    let end = sandbox.run(&plan, how.grace).map_err(failure::of_launch)?;
    if let Some(found) = probe.and_then(|probe| probe.join().ok()) {
        out::warn(&format!("mcp-sandbox: learning: {found}"));
    }
    Ok(end)
}

fn report(output: &Output, learned: &Learned) {
    out::warn(&format!("mcp-sandbox: learned: {}", quote(output.path())));
    for line in &learned.refused {
        out::warn(&format!("mcp-sandbox: learned: gives what was refused: {line}"));
    }
    for line in &learned.warned {
        out::warn(&format!("mcp-sandbox: learned: not given: {line}"));
    }
}

/// What the learned profile changes about the one that is given, or that fits the command.
fn diff(
    asked: &Request,
    command: &[std::ffi::OsString],
    learned: &Learned,
    output: &Output,
    facts: &Facts,
) -> Option<String> {
    let follow = |path: &std::path::Path| runtime::locate(path.as_os_str(), &facts.runtime);
    let name = match asked.profile.as_deref() {
        Some(builtin::DEFAULT) | None => select::select(command, &facts.profile, follow).ok()?.name?,
        Some(name) => name.to_owned(),
    };
    let found = find::find(&name, &facts.profile).ok()?;
    let old = String::from_utf8_lossy(&found.bytes);
    let diff = TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(old.as_ref(), learned.text.as_str());
    let (old, new) = (out::printable(&found.source.name), out::printable(output.path()));
    let text = diff.unified_diff().header(&old, &new).to_string();
    let lines: Vec<String> = text.lines().map(shown).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Whether the profile that was written can be used, as `run` would find out.
fn try_it(output: &Output, facts: &Facts) {
    let Some(file) = output.path().to_str() else {
        return;
    };
    let request = Request {
        profile: Some(file.to_owned()),
        ..Request::default()
    };
    match policy::resolve(&request, facts) {
        Ok(resolved) => {
            for warning in &resolved.warnings {
                out::warn(&warning.warning());
            }
            out::warn(&format!(
                "mcp-sandbox: learned: read it, then use it: mcp-sandbox run --profile {}",
                out::printable(file)
            ));
        }
        Err(error) => out::warn(&format!(
            "mcp-sandbox: learned: the profile needs a hand before it can be used:\n{error}"
        )),
    }
}
