//! Laying layers over each other: the built-in `default`, the bases, the file, one context, the flags.
//!
//! Scalars replace; `set` merges per name; lists add up, base first, unless the nearer one is empty or a
//! context's: those replace. `command.match` and `description` belong to one file and are not inherited.

use std::collections::BTreeMap;
use std::ffi::OsString;

use mcp_sandbox_platform::quote;

use super::layer::{Flags, Layer, RawProfile};
use super::nearest::did_you_mean;
use super::{Profile, builtin};
use crate::error::Error;

/// Merges a chain of profiles, lowest first, with the context and the flags of this run.
///
/// # Errors
/// A context that no profile of the chain has, or a flag that is not valid.
pub fn merge(
    name: &str,
    chain: Vec<RawProfile>,
    context: Option<&str>,
    flags: &Flags,
) -> Result<Profile, Error> {
    let description = chain.last().and_then(|profile| profile.description.clone());
    let files = chain.iter().filter_map(|profile| profile.file.clone()).collect();
    let (mut layer, mut contexts) = stacked(chain);
    let known: Vec<String> = contexts.keys().cloned().collect();
    if let Some(wanted) = context {
        let chosen = contexts
            .remove(wanted)
            .ok_or_else(|| unknown_context(wanted, name, &known))?;
        layer = chosen.over(layer);
    }
    let flags = flags.layer().map_err(Error::profile)?;
    // `--env NAME` asks for the client's value, so a value that the profile sets makes way.
    let passed = |name: &OsString| flags.env_pass.items.iter().any(|one| one.value == *name);
    layer.env_set.retain(|name, _| !passed(name));
    Ok(Profile {
        name: name.to_owned(),
        description,
        files,
        contexts: known,
        ..finish(flags.over(layer))
    })
}

/// The layers of a chain over the default, and their contexts over each other by name.
fn stacked(chain: Vec<RawProfile>) -> (Layer, BTreeMap<String, Layer>) {
    let mut layer = builtin::default_layer();
    let mut contexts = BTreeMap::new();
    for profile in chain {
        layer = profile.layer.over(layer);
        for (name, nearer) in profile.contexts {
            let further: Layer = contexts.remove(&name).unwrap_or_default();
            contexts.insert(name, nearer.over(further));
        }
    }
    (layer, contexts)
}

fn unknown_context(wanted: &str, profile: &str, known: &[String]) -> Error {
    let message = format!("profile {} has no context {}", quote(profile), quote(wanted));
    let near = did_you_mean(wanted, known.iter().map(String::as_str));
    let names: Vec<String> = known.iter().map(quote).collect();
    Error::setup(message).hint(match known {
        [] => "it has no contexts; they are written as [contexts.NAME.filesystem] and the like".to_owned(),
        _ => format!("{near}known contexts: {}", names.join(", ")),
    })
}

fn finish(layer: Layer) -> Profile {
    const COMPLETE: &str = "default.toml gives every scalar";
    Profile {
        name: String::new(),
        description: None,
        files: Vec::new(),
        contexts: Vec::new(),
        run: layer.run.filter(|run| !run.value.is_empty()),
        cwd: layer.cwd,
        mounts: layer.mounts.items,
        path_args: layer.path_args.expect(COMPLETE),
        home: layer.home.expect(COMPLETE),
        tmp: layer.tmp.expect(COMPLETE),
        writable_sensitive: layer.writable_sensitive.items,
        allow: layer.allow.items,
        block: layer.block.items,
        dns: layer.dns.expect(COMPLETE),
        inspect: layer.inspect.expect(COMPLETE),
        spawn: layer.spawn.expect(COMPLETE),
        user: layer.user.expect(COMPLETE),
        capabilities: layer.capabilities.items,
        env_pass: layer.env_pass.items,
        env_set: layer.env_set,
        resources: layer.resources,
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
