//! `check`: is a profile valid here, and what is wrong with it, all at once.
//!
//! Each profile is resolved as `run` would resolve it in this folder, once by itself and once with each of
//! its contexts.

use super::out;
use crate::error::{Diagnostic, Error, printable};
use crate::policy::{limits, mounts, network};
use crate::profile::{self, Flags, Host, in_order};

/// Checks profiles by name or file and prints one line for each valid one.
///
/// # Errors
/// Every finding in every profile.
pub fn run(profiles: &[String], host: &Host) -> Result<(), Error> {
    let mut failed: Option<Error> = None;
    for reference in profiles {
        match check(reference, host) {
            Ok(warnings) => {
                warnings.iter().for_each(|one| out::warn(&one.warning()));
                out::print(&format!("ok: {}\n", printable(reference)))?;
            }
            Err(error) => failed = Some(joined(failed, error)),
        }
    }
    match failed {
        Some(error) => Err(Error {
            diagnostics: in_order(error.diagnostics),
            ..error
        }),
        None => Ok(()),
    }
}

/// What `run` would only warn about.
fn check(reference: &str, host: &Host) -> Result<Vec<Diagnostic>, Error> {
    let open = |context: Option<&str>| profile::open(Some(reference), context, &Flags::default(), host);
    let plain = open(None)?;
    let (mut found, mut warnings) = (Vec::new(), Vec::new());
    let mut variants = vec![plain.clone()];
    for context in &plain.contexts {
        variants.push(open(Some(context))?);
    }
    for variant in &variants {
        match mounts::resolve(variant, host) {
            Ok(resolved) => warnings.extend(resolved.warnings),
            Err(more) => found.extend(more),
        }
        match network::resolve(variant) {
            Ok(resolved) => warnings.extend(resolved.warnings.into_iter().chain(resolved.remarks)),
            Err(more) => found.extend(more),
        }
        found.extend(profile::expand::run(variant, host).err().unwrap_or_default());
        found.extend(profile::expand::cwd(variant, host).err());
        found.extend(limits::resolve(variant, host.cores).err().unwrap_or_default());
        if let Some(program) = variant.run.as_ref().and_then(|run| run.value.first()) {
            found.extend(limits::of_program(variant, program.value.as_ref()));
        }
    }
    if found.is_empty() {
        Ok(in_order(warnings))
    } else {
        Err(Error::profile(found))
    }
}

/// Both errors in one: findings add up, and so do messages without a place.
fn joined(first: Option<Error>, second: Error) -> Error {
    let Some(mut first) = first else {
        return second;
    };
    first.diagnostics.extend(second.diagnostics);
    if first.message.is_empty() {
        first.message = second.message;
    } else if !second.message.is_empty() {
        first.message = format!("{}\nerror: {}", first.message, second.message);
    }
    first.hints.extend(
        second
            .hints
            .into_iter()
            .filter(|hint| !first.hints.contains(hint))
            .collect::<Vec<_>>(),
    );
    first
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
