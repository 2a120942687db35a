//! `[command]`: what was started, so that the profile starts it again.

use std::ffi::OsStr;
use std::path::Path;

use mcp_sandbox_platform::quote;

use super::Run;
use super::entry;
use super::files::innermost;
use super::text::{Line, State, Table, string};
use crate::error::printable;
use crate::lint;
use crate::profile::package;

/// What a person calls the server: its package, else its script or program.
pub fn name(run: &Run<'_>) -> String {
    let follow = |path: &Path| run.host.cwd.join(path).canonicalize().ok();
    let names = package::packages(run.command, &follow);
    let program = run.command.first().map(|word| package::program_name(word));
    let plain = |name: &String| printable(name) == *name && name.len() <= 80 && !name.contains(' ');
    let named = names.into_iter().chain(program).find(plain);
    named.unwrap_or_else(|| "server".into())
}

/// The package, if the command names one: its profile is then picked for it where the user keeps profiles.
fn package(run: &Run<'_>) -> Option<String> {
    let launched = run
        .command
        .first()
        .is_some_and(|word| package::starts_packages(&package::program_name(word)));
    let name = name(run);
    (launched || name.starts_with('@')).then_some(name)
}

pub fn table(run: &Run<'_>, mounts: &[Line]) -> String {
    let mut table = Table::new("command");
    if let Some(package) = package(run) {
        let text = format!("[{}]", string(&package));
        let why = "in the folder of your profiles, it is picked for this package by itself";
        table.value("match", &Line::new(State::Used, text, why));
    }
    match words(run) {
        Ok(words) => {
            let text = format!("[{}]", words.join(", "));
            table.value("run", &Line::new(State::Used, text, "as it was started"));
        }
        Err(why) => table.remark(&format!("run = […]: {why}")),
    }
    let cwd = &run.ceiling.policy.command.cwd;
    if let Some(text) = cwd_text(run, cwd, mounts) {
        let line = Line::new(State::Used, text, "where it was started");
        table.value("cwd", &line);
    }
    table.finish()
}

/// The folder that the server's relative paths begin at, where the profile shows it or something in it.
fn cwd_text(run: &Run<'_>, cwd: &Path, mounts: &[Line]) -> Option<String> {
    let text = entry::path(run, cwd)?;
    let start = text.trim_end_matches('"');
    let needle = format!("path = {start}");
    let of_lines = mounts.iter().filter(|line| line.gives()).any(|line| {
        let rest = line.text.split_once(&needle).map(|(_, rest)| rest);
        rest.is_some_and(|rest| rest.starts_with(['"', '/']))
    });
    let of_runtime = innermost(&run.base.policy.mounts, cwd).is_some();
    (*cwd != run.ceiling.policy.home.at && (of_lines || of_runtime)).then_some(text)
}

/// The words of the command; those that name a file from the current folder by its whole path, since a client may start us
/// anywhere.
fn words(run: &Run<'_>) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut secret = false;
    for word in run.command {
        let text = word
            .to_str()
            .ok_or("a word is not UTF-8, and no profile can name it")?;
        let option = text.strip_prefix("--").and_then(|rest| rest.split_once('='));
        let named = option.map(|(name, _)| name.replace('-', "_").to_uppercase());
        if secret || lint::is_secret_value(text) || named.is_some_and(|name| lint::is_secret_name(&name)) {
            let why =
                "a word of the command looks like a secret; pass it as a variable, or write it here yourself";
            return Err(why.into());
        }
        let bare = text
            .strip_prefix("--")
            .map(|name| name.replace('-', "_").to_uppercase());
        secret = option.is_none() && bare.is_some_and(|name| lint::is_secret_name(&name));
        if text.contains("${") || text.starts_with('~') {
            return Err(format!("a profile would read {} as another word", quote(text)));
        }
        words.push(whole(run, text).unwrap_or_else(|| string(text)));
    }
    match words.is_empty() {
        true => Err("it is the profile's own".into()),
        false => Ok(words),
    }
}

/// The whole path of a word that names a file by a relative one, or one in the user's home.
fn whole(run: &Run<'_>, text: &str) -> Option<String> {
    let path = Path::new(text);
    let relative = path.is_relative() && !text.starts_with('-') && text.contains(['/', '.']);
    let at_home = path.starts_with(&run.host.home);
    let whole = run.host.cwd.join(path);
    let whole = whole
        .components()
        .filter(|part| part.as_os_str() != OsStr::new("."));
    let whole: std::path::PathBuf = whole.collect();
    ((relative || at_home) && whole.exists()).then(|| entry::path(run, &whole))?
}
