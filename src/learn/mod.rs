//! From what a server used, and what it was refused, under a ceiling to the smallest profile that fits.
//!
//! The platform records; this sorts, collapses and writes. What a server asked for is no reason to give it: secrets,
//! control sockets and internal addresses are written as comments, and every line says how it came to be.

mod collapse;
mod command;
mod entry;
mod environment;
mod files;
mod hosts;
mod mounts;
mod resources;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use mcp_sandbox_platform::Usage;
use mcp_sandbox_platform::files::{Act, Pattern, Rules, What};
use mcp_sandbox_platform::net::{Destination, Inspect};
use mcp_sandbox_platform::observed::Seen;

use crate::error::printable;
use crate::policy::Resolved;
use crate::profile::{CEILING, HomeMode, Host, User};
use text::{Line, State, Table, string};

/// One run to learn from.
pub struct Run<'r> {
    /// As it was typed.
    pub command: &'r [OsString],
    /// What the server ran under.
    pub ceiling: &'r Resolved,
    /// What the same command has without any profile or flag.
    pub base: &'r Resolved,
    pub host: &'r Host,
    pub seen: &'r Seen,
    /// Destinations that were refused, and how often.
    pub refused: &'r [(Destination, u64)],
    pub usage: &'r Usage,
    /// What the ceiling excludes.
    pub exclusions: &'r Rules,
    /// The environment of the client.
    pub variables: &'r BTreeMap<OsString, OsString>,
}

impl Run<'_> {
    /// Whether the ceiling leaves a file of the host out of what it shows.
    fn excludes(&self, file: &Path) -> bool {
        self.exclusions.judge(file, What::File, Act::Read).is_err()
    }
}

/// A profile, and what a person has to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    pub text: String,
    /// Lines that give what the server asked for and was refused.
    pub refused: Vec<String>,
    /// Lines that were left in comments with a warning.
    pub warned: Vec<String>,
}

/// What the current folder is shown without: names of files that hold secrets by habit. In .gitignore's syntax.
const SECRETS: [&str; 9] = [
    ".env",
    ".env.*",
    "!.env.example",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "id_ed25519",
    "id_rsa",
];

/// What the ceiling excludes from the current folder.
pub fn secrets() -> Vec<Pattern> {
    let pattern = |text: &str| Pattern {
        text: text.to_owned(),
        reason: CEILING.to_owned(),
    };
    SECRETS.map(pattern).into()
}

/// The reason of what is taken over from a profile.
const AS_GIVEN: &str = "as in the profile";

/// Writes the profile.
pub fn learn(run: &Run<'_>) -> Learned {
    let sorted = files::sort(run);
    let mounts = mounts::lines(run, &sorted);
    let allow = hosts::lines(run.seen, run.refused, &run.ceiling.policy.network);
    let names = environment::search(&sorted.code);
    let pass = environment::lines(run, &names);
    let text = [
        head(run),
        command::table(run, &mounts),
        filesystem(run, &sorted, &mounts),
        network(run, &allow),
        process(run),
        variables(run, &pass),
        resources(run),
    ];
    let lines = || mounts.iter().chain(&allow).chain(&pass);
    let told = |line: &Line| format!("{}  {}", line.text, printable(&line.why));
    let warned = lines().filter(|line| !line.gives() && line.why.starts_with("WARNING"));
    Learned {
        text: text.concat(),
        refused: lines()
            .filter(|line| line.state == State::Refused)
            .map(told)
            .collect(),
        warned: warned.map(told).collect(),
    }
}

fn head(run: &Run<'_>) -> String {
    let mut table = Table::new("");
    table.remark(&format!(
        "Learned by `mcp-sandbox learn` from one run of {:.1} s. Read it before you use it: a server can ask for what it",
        run.usage.wall.as_secs_f64()
    ));
    table.remark("does not need. What it did not do in this run it cannot do with this profile.");
    if run.seen.lost > 0 {
        table.remark(&format!(
            "INCOMPLETE: the server used more files or hosts than are kept; {} uses are missing here.",
            run.seen.lost
        ));
    }
    let name = command::name(run);
    table.plain("version", "1");
    table.plain("description", &string(&format!("{name}, as it was seen to work")));
    table.finish()
}

fn filesystem(run: &Run<'_>, sorted: &files::Sorted, mounts: &[Line]) -> String {
    let mut table = Table::new("filesystem");
    table.list("mounts", mounts);
    let profile = &run.ceiling.profile;
    let written = match sorted.home.as_slice() {
        [] => None,
        [one] => Some(printable(one)),
        [one, rest @ ..] => Some(format!("{} and {} more", printable(one), rest.len())),
    };
    match (profile.home.value, written) {
        (HomeMode::Persistent, _) => {
            table.value("home", &Line::new(State::Used, "\"persistent\"", AS_GIVEN));
        }
        (HomeMode::Ephemeral, Some(written)) => {
            let why = format!("it wrote {written}; as it is, that is gone at the end of each run");
            table.value("home", &Line::new(State::KeptBack, "\"persistent\"", why));
        }
        (HomeMode::Ephemeral, None) => {}
    }
    if profile.tmp.value != run.base.profile.tmp.value {
        let text = string(&profile.tmp.value.to_string());
        table.value("tmp", &Line::new(State::Used, text, AS_GIVEN));
    }
    let writable = profile.writable_sensitive.iter();
    let writable: Vec<Line> = writable
        .map(|name| Line::new(State::Used, string(&name.value), AS_GIVEN))
        .collect();
    table.list("writable_sensitive", &writable);
    table.finish()
}

fn network(run: &Run<'_>, allow: &[Line]) -> String {
    let mut table = Table::new("network");
    table.list("allow", allow);
    let block = run.ceiling.profile.block.iter();
    let block: Vec<Line> = block
        .map(|rule| Line::new(State::Used, string(&rule.value.text), AS_GIVEN))
        .collect();
    table.list("block", &block);
    if run.ceiling.profile.inspect.value == Inspect::Sni {
        table.value("inspect", &Line::new(State::Used, "\"sni\"", AS_GIVEN));
    }
    table.finish()
}

fn process(run: &Run<'_>) -> String {
    const MOST: usize = 8;
    let mut table = Table::new("process");
    let children = files::children(run.seen, &run.ceiling.policy.command.program);
    let mut told: Vec<String> = { children.iter().take(MOST) }
        .map(|(program, count)| match count {
            1 => printable(program),
            count => format!("{} ({count} times)", printable(program)),
        })
        .collect();
    if children.len() > MOST {
        told.push(format!("{} more", children.len() - MOST));
    }
    let line = match (run.seen.children, told.is_empty()) {
        (false, _) if !run.ceiling.profile.spawn.value => Line::new(State::Used, "false", AS_GIVEN),
        (false, _) => Line::new(State::Used, "false", "it started no child process"),
        (true, true) => Line::new(State::Used, "true", "it has child processes of its own program"),
        (true, false) => Line::new(State::Used, "true", format!("it started {}", told.join(", "))),
    };
    table.value("spawn", &line);
    let profile = &run.ceiling.profile;
    let user = match &profile.user.value {
        User::Inherit => None,
        User::Name(name) => Some(string(name)),
        User::Uid(uid) => Some(uid.to_string()),
    };
    if let Some(user) = user {
        table.value("user", &Line::new(State::Used, user, AS_GIVEN));
    }
    let kept = profile.capabilities.iter();
    let kept: Vec<Line> = kept
        .map(|name| Line::new(State::Used, string(&name.value), AS_GIVEN))
        .collect();
    table.list("capabilities", &kept);
    table.finish()
}

fn variables(run: &Run<'_>, pass: &[Line]) -> String {
    let mut table = Table::new("process.env");
    table.list("pass", pass);
    let mut set = Vec::new();
    for (name, value) in &run.ceiling.profile.env_set {
        if let (Some(name), Some(value)) = (name.to_str(), value.value.to_str()) {
            set.push(format!("{} = {}", string(name), string(value)));
        }
    }
    if !set.is_empty() {
        let text = format!("{{ {} }}", set.join(", "));
        table.value("set", &Line::new(State::Used, text, AS_GIVEN));
    }
    table.finish()
}

fn resources(run: &Run<'_>) -> String {
    let mut table = Table::new("resources");
    for (key, line) in resources::lines(run) {
        table.value(key, &line);
    }
    table.remark(&format!("The run used {} in all.", resources::told(run.usage)));
    table.finish()
}
