//! `prepare`: download the package that a command starts. `run` does the same for a package that is not there yet, by
//! starting this program once more, so that whoever serves the server has one thread and no signals of its own.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{IsTerminal as _, stderr};
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::out;
use crate::cli::Prepare;
use crate::error::{Error, printable, reason};
use crate::host::Facts;
use crate::policy::{self, Request};
use crate::prepare::{self, Boxes, Lock, Locked, Order, Wanted, shown};
use crate::profile::expand;

/// Prepares and says what is there now.
///
/// # Errors
/// The command starts no package, or its package cannot be prepared.
pub fn run(args: Prepare) -> Result<(), Error> {
    if args.for_run {
        // Who wanted it is gone. Not set in time it is gone already, and the next start finds what is made here.
        let _ = prctl::set_pdeathsig(Signal::SIGTERM);
    }
    let boxes = Boxes::new()?;
    let facts = Facts::gather()?;
    let request = Request {
        profile: args.profile,
        context: args.context,
        command: args.command,
        ..Request::default()
    };
    let profile = policy::open(&request, &facts)?.profile;
    let command = match request.command.is_empty() {
        true => expand::run(&profile, &facts.profile).map_err(Error::profile)?,
        false => request.command,
    };
    let Some(wanted) = Wanted::of(&command)? else {
        return Err(
            Error::setup("the command starts no package that would be downloaded")
                .hint("as in: mcp-sandbox prepare -- npx -y @modelcontextprotocol/server-everything"),
        );
    };
    let lock_file = prepare::lock_file(&profile.name, &facts.profile);
    let before = Lock::read(&lock_file)?.of(&wanted).cloned();
    let order = Order {
        wanted: &wanted,
        lock_file: &lock_file,
        upgrade: args.upgrade,
        allow: &args.allow,
        facts: &facts,
    };
    let progress = Progress::new(&wanted, args.quiet);
    let locked = prepare::prepare(&order, &boxes, &|what| progress.tell(what));
    progress.end();
    let locked = locked?;
    if !args.quiet {
        out::warn(&told(&locked, before.as_ref()));
    }
    Ok(())
}

/// Prepares what `command` starts, in a process of its own, before a run.
///
/// # Errors
/// It failed; it has said why.
pub fn before_run(
    profile: &str,
    context: Option<&str>,
    quiet: bool,
    command: &[OsString],
) -> Result<(), Error> {
    let mut child = Command::new("/proc/self/exe");
    child.args(["prepare", "--for-run", "--profile", profile]);
    child.args(context.iter().flat_map(|name| ["--context", name]));
    child.args(quiet.then_some("--quiet"));
    child.arg("--").args(command);
    // stdin and stdout are the client's and the server's.
    child.stdin(Stdio::null()).stdout(Stdio::null());
    let failed = |why: String| Error::setup(format!("the server's package is not there: {why}"));
    match child.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(failed("preparing it failed".into()).hint("the lines above say why")),
        Err(error) => Err(failed(reason(&error))),
    }
}

fn told(locked: &Locked, before: Option<&Locked>) -> String {
    let what = format!("{} {}", printable(&locked.name), printable(&locked.version));
    let head = format!(
        "mcp-sandbox: prepared {what} ({} packages, {})",
        locked.installed.len(),
        short(&locked.integrity)
    );
    let Some(before) = before else { return head };
    let differences = before.differences(locked);
    if differences.is_empty() {
        return format!("{head}: as locked");
    }
    let from = match before.version == locked.version {
        true => "same version, other packages".to_owned(),
        false => format!("from {}", printable(&before.version)),
    };
    format!("{head}, {from}:\n{}", shown(&differences))
}

/// Enough of a hash to compare by eye.
fn short(integrity: &str) -> String {
    let first = integrity.split(' ').next().unwrap_or_default();
    printable(first.chars().take(24).collect::<String>()) + "…"
}

/// One moving line on a terminal; elsewhere one line at the start.
struct Progress {
    name: String,
    bar: Option<ProgressBar>,
    told: RefCell<Vec<String>>,
    quiet: bool,
}

impl Progress {
    fn new(wanted: &Wanted, quiet: bool) -> Self {
        let name = printable(wanted.requested());
        let bar = (stderr().is_terminal() && !quiet).then(|| {
            let bar = ProgressBar::new_spinner();
            let style =
                ProgressStyle::with_template("{spinner} mcp-sandbox: preparing {prefix}: {msg} ({elapsed})");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress {
            name,
            bar,
            told: RefCell::default(),
            quiet,
        }
    }

    fn tell(&self, what: &str) {
        if let Some(bar) = &self.bar {
            return bar.set_message(what.to_owned());
        }
        let mut told = self.told.borrow_mut();
        // One line for the whole of a usual preparation, and one for each thing that a person may have to know.
        let usual = ["running install scripts", "finishing"].contains(&what);
        if !self.quiet && !usual && !told.iter().any(|known| known == what) {
            out::warn(&format!("mcp-sandbox: preparing {}: {what}", self.name));
            told.push(what.to_owned());
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
