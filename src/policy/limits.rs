//! The limits of a profile as those of one run: what the machine does not have, and what no runtime starts with, is
//! refused at its place.

use std::path::Path;

use mcp_sandbox_platform::{Bytes, Limit, Limits, Percent, quote};

use crate::error::Diagnostic;
use crate::profile::{Located, Profile};

/// The least memory that a program of this name starts with, measured: the first answer of a minimal server.
const LEAST: [(&[&str], Bytes); 3] = [
    (
        &["node", "npx", "npm", "deno", "bun", "bunx", "java"],
        Bytes(64 << 20),
    ),
    (
        &["python", "python3", "uv", "uvx", "pipx", "ruby"],
        Bytes(24 << 20),
    ),
    (&[], Bytes(4 << 20)),
];

/// The least processes and threads: what runs on V8 or a JVM has helpers from the start.
const LEAST_TASKS: u32 = 16;

/// The limits of `profile` on a machine of `cores`, without knowing what will run.
///
/// # Errors
/// A finding for each limit that cannot be meant.
pub fn resolve(profile: &Profile, cores: u32) -> Result<Limits, Vec<Diagnostic>> {
    let given = &profile.resources;
    let found: Vec<Diagnostic> = [
        given.cpu.as_ref().and_then(|cpu| of_the_machine(cpu, cores)),
        given.memory.as_ref().and_then(|memory| enough(memory, None)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Limits {
        memory: limit(&given.memory),
        cpu: limit(&given.cpu),
        processes: limit(&given.processes),
        open_files: limit(&given.open_files),
        disk: limit(&given.disk),
        file_size: limit(&given.file_size),
        timeout: limit(&given.timeout),
        idle: limit(&given.idle),
    })
}

/// What keeps `program` from starting within the limits of `profile`.
pub fn of_program(profile: &Profile, program: &Path) -> Vec<Diagnostic> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let given = &profile.resources;
    let memory = given
        .memory
        .as_ref()
        .and_then(|memory| enough(memory, Some(&name)));
    let tasks = given
        .processes
        .as_ref()
        .filter(|tasks| tasks.value < LEAST_TASKS && LEAST[0].0.contains(&&*name));
    let tasks = tasks.map(|tasks| {
        let message = format!(
            "{} is fewer processes and threads than {} starts with",
            tasks.value,
            quote(&*name)
        );
        tasks
            .origin
            .diagnostic(message, format!("give it {LEAST_TASKS} or more"))
    });
    memory.into_iter().chain(tasks).collect()
}

fn limit<T: Copy>(given: &Option<Located<T>>) -> Option<Limit<T>> {
    given.as_ref().map(|given| Limit {
        value: given.value,
        reason: given.origin.to_string(),
    })
}

fn of_the_machine(cpu: &Located<Percent>, cores: u32) -> Option<Diagnostic> {
    let most = Percent(cores.saturating_mul(100));
    (cpu.value > most).then(|| {
        let message = format!(
            "{} is more than this machine has, {most}",
            quote(cpu.value.to_string())
        );
        cpu.origin
            .diagnostic(message, "per cent are of one core; drop cpu to allow all of them")
    })
}

fn enough(memory: &Located<Bytes>, program: Option<&str>) -> Option<Diagnostic> {
    let stem = |name: &str| {
        name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
            .to_owned()
    };
    let runs = |names: &[&str]| {
        program.is_some_and(|program| names.contains(&program) || names.contains(&stem(program).as_str()))
    };
    let (_, least) = LEAST.iter().find(|(names, _)| names.is_empty() || runs(names))?;
    (memory.value < *least).then(|| {
        let what = program.map_or_else(|| "any program".into(), quote);
        let message = format!(
            "{} is less memory than {what} starts with",
            quote(memory.value.to_string())
        );
        memory
            .origin
            .diagnostic(message, format!("give it {least} or more"))
    })
}
