//! The flags of `run` that a server is boxed with: the profile that fits it, and the variables that its client gives it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;

use crate::cli::PolicyArgs;
use crate::clients::definition::Definition;
use crate::clients::wrappers::base_name;
use crate::error::Error;
use crate::host::Facts;
use crate::policy::{mounts, network};
use crate::profile::layer::valid_env_name;
use crate::profile::{self, find, select};
use crate::runtime;

/// The box makes these itself; those of the host would mean nothing in it.
const MADE_BY_THE_BOX: [&str; 7] = ["HOME", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"];

/// How a server is to be boxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Box {
        /// None is the default box with the flags that were given.
        profile: Option<String>,
        /// The words between `run` and `--`.
        flags: Vec<String>,
        /// What a person should know.
        notes: Vec<String>,
    },
    /// No profile fits, and nothing was said about what it may do.
    NoProfile,
}

/// Chooses for a command line. `project` is the folder that the client's `${workspaceFolder}` stands for.
///
/// # Errors
/// A profile that is not there or not valid, two that fit, or a flag that no file can hold.
pub fn choose(
    argv: &[String],
    definition: &Definition<'_>,
    given: &PolicyArgs,
    project: &Path,
    facts: &Facts,
) -> Result<Choice, Error> {
    let mut notes = Vec::new();
    let profile = match &given.profile {
        Some(reference) => Some(absolute_reference(reference, facts)?),
        None => {
            let follow = |path: &Path| runtime::locate(path.as_os_str(), &facts.runtime);
            let selection = select::select(&behind_cmd(argv), &facts.profile, follow)?;
            notes.extend(selection.unread.iter().map(|one| one.message.clone()));
            selection.name
        }
    };
    if profile.is_none() && !says_anything(given) {
        return Ok(Choice::NoProfile);
    }
    judge(profile.as_deref(), given, facts)?;
    let mut flags = flags(profile.as_deref(), given, facts)?;
    for name in variables(definition, given, project, &mut notes) {
        flags.extend(["--env".to_owned(), name]);
    }
    notes.extend(paths_in_variables(definition, given));
    Ok(Choice::Box {
        profile,
        flags,
        notes,
    })
}

/// A server that could not start would be found out only by the client.
///
/// # Errors
/// A profile that is not valid, a path that cannot be shown, a host that is none.
fn judge(profile: Option<&str>, given: &PolicyArgs, facts: &Facts) -> Result<(), Error> {
    let flags = given.flags();
    profile::open(profile, given.context.as_deref(), &flags, &facts.profile)?;
    // What the profile itself shows may depend on where the client starts the server.
    let of_flags = profile::open(None, None, &flags, &facts.profile)?;
    mounts::resolve(&of_flags, &facts.profile).map_err(Error::profile)?;
    network::resolve(&of_flags).map_err(Error::profile)?;
    Ok(())
}

fn says_anything(given: &PolicyArgs) -> bool {
    let PolicyArgs {
        profile,
        context,
        read,
        write,
        allow,
        env,
        cwd,
    } = given;
    profile.is_some()
        || context.is_some()
        || !(read.is_empty() && write.is_empty() && allow.is_empty() && env.is_empty())
        || cwd.is_some()
}

/// A profile's file by its absolute path: the client starts us elsewhere.
fn absolute_reference(reference: &str, facts: &Facts) -> Result<String, Error> {
    match find::is_path(reference) {
        true => text(facts.profile.cwd.join(reference).as_os_str()),
        false => Ok(reference.to_owned()),
    }
}

/// What was given on our own command line, with absolute paths.
fn flags(profile: Option<&str>, given: &PolicyArgs, facts: &Facts) -> Result<Vec<String>, Error> {
    let mut flags = Vec::new();
    let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
    if let Some(profile) = profile {
        flag("--profile", profile.to_owned());
    }
    if let Some(context) = &given.context {
        flag("--context", context.clone());
    }
    for (name, mounts) in [("--read", &given.read), ("--write", &given.write)] {
        for (path, at) in mounts {
            let mut value = facts.profile.cwd.join(path).into_os_string();
            if let Some(at) = at {
                value.push(":");
                value.push(at);
            }
            flag(name, text(&value)?);
        }
    }
    for host in &given.allow {
        flag("--allow", host.clone());
    }
    for (name, value) in &given.env {
        let mut word = name.clone();
        if let Some(value) = value {
            word.push("=");
            word.push(value);
        }
        flag("--env", text(&word)?);
    }
    if let Some(cwd) = &given.cwd {
        flag("--cwd", text(facts.profile.cwd.join(cwd).as_os_str())?);
    }
    Ok(flags)
}

/// The names of what the client puts into the server's environment.
fn variables(
    definition: &Definition<'_>,
    given: &PolicyArgs,
    project: &Path,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut names: Vec<String> = definition.env.iter().map(|(name, _)| name.clone()).collect();
    if let Some(file) = &definition.env_file {
        let path = file.replace("${workspaceFolder}", &project.to_string_lossy());
        match fs::read_to_string(&path) {
            Ok(text) => names.extend(names_in(&text)),
            Err(_) => notes.push(format!(
                "what {} sets does not reach it: name each variable with --env",
                quote(file)
            )),
        }
    }
    let known = |name: &str| given.env.iter().any(|(known, _)| known == OsStr::new(name));
    let mut chosen: Vec<String> = Vec::new();
    for name in names {
        if MADE_BY_THE_BOX.contains(&name.as_str()) || known(&name) || chosen.contains(&name) {
            continue;
        }
        match valid_env_name(&name) {
            Ok(()) => chosen.push(name),
            Err(why) => notes.push(why),
        }
    }
    chosen
}

/// The names that a file of `NAME=value` lines sets.
fn names_in(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (name, _) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        Some(name.trim().to_owned())
    })
}

/// A variable often names a file that the server must have.
fn paths_in_variables(definition: &Definition<'_>, given: &PolicyArgs) -> Vec<String> {
    let shown = |path: &Path| {
        let mut mounts = given.read.iter().chain(&given.write);
        mounts.any(|(mount, _)| path.starts_with(mount))
    };
    let named = definition.env.iter().filter_map(|(name, value)| {
        let path = PathBuf::from(value.as_deref()?);
        (path.is_absolute() && path.exists() && !shown(&path)).then_some((name, path))
    });
    named
        .filter(|(name, _)| !MADE_BY_THE_BOX.contains(&name.as_str()))
        .map(|(name, path)| {
            format!(
                "{name} names {}: if its profile does not show it, add --read or --write",
                quote(path)
            )
        })
        .collect()
}

/// Windows' `cmd /c` starts what follows it.
fn behind_cmd(argv: &[String]) -> Vec<OsString> {
    let skip = match argv {
        [program, flag, ..] if base_name(program) == "cmd" && flag.eq_ignore_ascii_case("/c") => 2,
        _ => 0,
    };
    argv[skip..].iter().map(OsString::from).collect()
}

fn text(word: &OsStr) -> Result<String, Error> {
    word.to_str().map(str::to_owned).ok_or_else(|| {
        Error::setup(format!(
            "{} is no Unicode, and a configuration file holds nothing else",
            quote(word)
        ))
    })
}
