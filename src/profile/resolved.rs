//! A merged profile as TOML again: each setting with the place it comes from, paths and variables as they are here.

use std::fmt::Display;

use mcp_sandbox_platform::net::{Dns, Inspect};
use mcp_sandbox_platform::{Access, limits};

use super::{HomeMode, Host, Located, Mount, Origin, PathArgs, Profile, User, expand, in_order};
use crate::error::{Error, printable};

/// Columns before the comments that say where a setting comes from.
const COLUMN: usize = 40;

/// The text of a merged profile, valid as a profile itself.
///
/// # Errors
/// A variable that has no value here.
pub fn text(profile: &Profile, host: &Host) -> Result<String, Error> {
    let files: Vec<String> = profile.files.iter().map(printable).collect();
    let mut out = Lines::default();
    out.line(&format!(
        "# {}, with what lies under it",
        printable(&profile.name)
    ));
    files.iter().for_each(|file| out.line(&format!("# from {file}")));
    if !profile.contexts.is_empty() {
        let names: Vec<String> = profile.contexts.iter().map(printable).collect();
        out.line(&format!(
            "# contexts, not shown unless chosen: {}",
            names.join(", ")
        ));
    }
    out.line("version = 1");
    out.given("description", profile.description.as_ref(), |text| string(text));
    out.command(profile, host)?;
    out.filesystem(profile, host)?;
    out.network(profile);
    out.resources(profile);
    out.process(profile);
    Ok(out.0)
}

/// The text so far.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, text: &str) {
        self.0 += text;
        self.0.push('\n');
    }

    fn table(&mut self, name: &str) {
        self.line(&format!("\n[{name}]"));
    }

    fn at(&mut self, text: &str, origin: &Origin) {
        self.line(&format!("{text:COLUMN$} # {origin}"));
    }

    fn given<T>(&mut self, key: &str, value: Option<&Located<T>>, write: impl Fn(&T) -> String) {
        if let Some(value) = value {
            self.at(&format!("{key} = {}", write(&value.value)), &value.origin);
        }
    }

    fn list<T>(&mut self, key: &str, items: &[Located<T>], write: impl Fn(&T) -> String) {
        match items {
            [] => self.line(&format!("{key} = []")),
            items => {
                self.line(&format!("{key} = ["));
                for item in items {
                    self.at(&format!("  {},", write(&item.value)), &item.origin);
                }
                self.line("]");
            }
        }
    }

    fn command(&mut self, profile: &Profile, host: &Host) -> Result<(), Error> {
        let words = expand::run(profile, host).map_err(Error::profile)?;
        let cwd = expand::cwd(profile, host).map_err(|one| Error::profile(vec![one]))?;
        if profile.run.is_none() && cwd.is_none() {
            return Ok(());
        }
        self.table("command");
        if let Some(run) = &profile.run {
            let words: Vec<String> = words.iter().map(|word| string(&word.to_string_lossy())).collect();
            self.at(&format!("run = [{}]", words.join(", ")), &run.origin);
        }
        if let (Some(cwd), Some(given)) = (cwd, &profile.cwd) {
            self.at(
                &format!("cwd = {}", string(&cwd.to_string_lossy())),
                &given.origin,
            );
        }
        Ok(())
    }

    fn filesystem(&mut self, profile: &Profile, host: &Host) -> Result<(), Error> {
        let mut found = Vec::new();
        let mut mounts = Vec::new();
        for given in &profile.mounts {
            match mount(&given.value, host) {
                Ok(text) => mounts.push(given.origin.at(text)),
                Err(one) => found.push(one),
            }
        }
        if !found.is_empty() {
            return Err(Error::profile(in_order(found)));
        }
        self.table("filesystem");
        self.list("mounts", &mounts, Clone::clone);
        self.given("path_args", Some(&profile.path_args), |given| {
            string(match given {
                PathArgs::None => "none",
                PathArgs::Read => "read",
                PathArgs::Write => "write",
            })
        });
        self.given("home", Some(&profile.home), |given| {
            string(match given {
                HomeMode::Ephemeral => "ephemeral",
                HomeMode::Persistent => "persistent",
            })
        });
        self.given("tmp", Some(&profile.tmp), shown);
        self.list("writable_sensitive", &profile.writable_sensitive, |name| {
            string(name)
        });
        Ok(())
    }

    fn network(&mut self, profile: &Profile) {
        self.table("network");
        self.list("allow", &profile.allow, |pattern| string(&pattern.text));
        self.list("block", &profile.block, |pattern| string(&pattern.text));
        self.given("dns", Some(&profile.dns), |dns| {
            string(match dns {
                Dns::Filtered => "filtered",
                Dns::Off => "off",
            })
        });
        self.given("inspect", Some(&profile.inspect), |inspect| {
            string(match inspect {
                Inspect::None => "none",
                Inspect::Sni => "sni",
            })
        });
    }

    fn resources(&mut self, profile: &Profile) {
        let given = &profile.resources;
        self.table("resources");
        self.given("memory", given.memory.as_ref(), shown);
        self.given("processes", given.processes.as_ref(), u32::to_string);
        self.given("disk", given.disk.as_ref(), shown);
        self.given("cpu", given.cpu.as_ref(), shown);
        self.given("open_files", given.open_files.as_ref(), u32::to_string);
        self.given("file_size", given.file_size.as_ref(), shown);
        self.given("timeout", given.timeout.as_ref(), |time| {
            string(&limits::time(*time))
        });
        self.given("idle", given.idle.as_ref(), |time| string(&limits::time(*time)));
    }

    fn process(&mut self, profile: &Profile) {
        self.table("process");
        self.given("spawn", Some(&profile.spawn), bool::to_string);
        self.given("user", Some(&profile.user), |user| match user {
            User::Inherit => string("inherit"),
            User::Name(name) => string(name),
            User::Uid(uid) => uid.to_string(),
        });
        self.list("capabilities", &profile.capabilities, |name| string(name));
        self.table("process.env");
        self.list("pass", &profile.env_pass, |name| string(&name.to_string_lossy()));
        if !profile.env_set.is_empty() {
            self.table("process.env.set");
            for (name, value) in &profile.env_set {
                let key = string(&name.to_string_lossy());
                self.given(&key, Some(value), |value| string(&value.to_string_lossy()));
            }
        }
    }
}

/// A mount on one line.
fn mount(given: &Mount, host: &Host) -> Result<String, crate::error::Diagnostic> {
    let path = expand::path(&given.path, host)?;
    let mut parts = vec![format!("path = {}", string(&path.to_string_lossy()))];
    if let Some(at) = &given.at {
        let at = expand::path(at, host)?;
        parts.push(format!("at = {}", string(&at.to_string_lossy())));
    }
    let access = match given.access {
        Access::Read => "read",
        Access::Write => "write",
    };
    parts.push(format!("access = {}", string(access)));
    if given.create {
        parts.push("create = true".into());
    }
    if !given.exclude.is_empty() {
        let patterns: Vec<String> = given
            .exclude
            .iter()
            .map(|pattern| string(&pattern.text))
            .collect();
        parts.push(format!("exclude = [{}]", patterns.join(", ")));
    }
    Ok(format!("{{ {} }}", parts.join(", ")))
}

fn shown<T: Display>(value: &T) -> String {
    string(&value.to_string())
}

/// A basic string of TOML. Its escapes are those of JSON, and DEL has to be escaped too.
fn string(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
#[path = "resolved_tests.rs"]
mod tests;
