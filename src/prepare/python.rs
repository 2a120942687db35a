//! Packages of Python: resolved to versions with hashes, then installed by these hashes into an environment of their own.
//!
//! uv does both where it is installed, else pip. Wheels are unpacked, which runs nothing of theirs; a package without a
//! wheel for this machine is built in the box that reaches the index, and by its hash like every other.

mod pip;
mod uv;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mcp_sandbox_platform::quote;

use super::boxed::{self, Outcome};
use super::registry::last_lines;
use super::wanted::normal_name;
use super::{Job, Locked, Manager};
use crate::error::{Error, Kind, printable, reason};
use crate::runtime;

/// Where the boxes show the user's own settings.
const SETTINGS: &str = "/prepare";
/// What is installed, one line each, as pip and uv read it.
const REQUIREMENTS: &str = "requirements.txt";
const CACHE: &str = ".cache";

/// Variables of proxies and certificates that pip and uv read as most programs do.
const NETWORK: [&str; 8] = [
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "no_proxy",
];

/// A tool that resolves and installs.
trait Tool {
    /// Writes [`REQUIREMENTS`] into the staging folder, or tells what they are.
    fn resolve(&mut self, job: &Job<'_>) -> Result<Vec<Requirement>, Error>;
    /// Finds out where the index is, for what needs no resolving.
    fn find_index(&mut self, job: &Job<'_>) -> Result<(), Error>;
    /// The commands that install [`REQUIREMENTS`] into an environment at `folder`, and whether each needs the index.
    fn install(&self, folder: &Path) -> Vec<(Vec<OsString>, bool)>;
    /// What a box needs to reach the index.
    fn show(&self, order: &mut boxed::Order);
    /// Variables for every box; `folder` is where the staging folder is shown.
    fn variables(&self, folder: &Path) -> Vec<(OsString, OsString)>;
    fn name(&self) -> &'static str;
}

/// One package, by version and the hashes that its files may have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    name: String,
    version: String,
    /// As `sha256:…`.
    hashes: Vec<String>,
}

/// Prepares packages of Python.
///
/// # Errors
/// There is neither uv nor pip, it fails, or a file is not what the lock file says.
pub(super) fn prepare(job: &Job<'_>) -> Result<Locked, Error> {
    let mut tool = tool(job)?;
    (job.tell)("downloading");
    let (locked, requirements) = match job.known {
        Some(known) => {
            tool.find_index(job)?;
            let requirements: Option<Vec<_>> =
                known.installed.iter().map(|line| Requirement::of(line)).collect();
            (known.clone(), requirements.ok_or_else(|| not_ours(job))?)
        }
        None => {
            let requirements = tool.resolve(job)?;
            (locked(job, &requirements)?, requirements)
        }
    };
    let text: String = requirements.iter().map(Requirement::line).collect();
    write(&job.staging.folder.join(REQUIREMENTS), text.as_bytes())?;
    // Programs of an environment name it by its path, so it is made where it will lie.
    let folder = job.store.folder(&locked);
    for (command, indexed) in tool.install(&folder) {
        let mut order = order(job, &*tool, &folder, command);
        if indexed {
            tool.show(&mut order);
        }
        let outcome = job.boxes.run(&order)?;
        if !outcome.succeeded {
            return Err(failed(job, &*tool, &outcome));
        }
    }
    (job.tell)("finishing");
    let _ = fs::remove_dir_all(job.staging.folder.join(CACHE));
    let programs = programs(job)?;
    job.store.finish(job.staging, &locked, None, programs)?;
    Ok(locked)
}

fn not_ours(job: &Job<'_>) -> Error {
    let file = quote(job.order.lock_file);
    Error::setup(format!(
        "the lock file {file} holds a package that is none of an index"
    ))
    .hint("restore it, or remove it to prepare anew")
}

fn tool(job: &Job<'_>) -> Result<Box<dyn Tool>, Error> {
    let launcher = Path::new(&job.order.wanted.launcher);
    let beside = Some(launcher.with_file_name("uv")).filter(|uv| uv.is_absolute() && uv.is_file());
    let host = &job.order.facts.runtime;
    if let Some(uv) = beside.or_else(|| runtime::on_path(OsStr::new("uv"), host)) {
        return uv::Uv::new(job, uv).map(|uv| Box::new(uv) as Box<dyn Tool>);
    }
    let named = match job.order.wanted.python.as_deref() {
        Some(python) if python.starts_with(|c: char| c.is_ascii_digit()) => format!("python{python}"),
        Some(python) => python.to_owned(),
        None => "python3".to_owned(),
    };
    let python = match Path::new(&named).is_absolute() {
        true => Some(PathBuf::from(&named)),
        false => runtime::on_path(OsStr::new(&named), host),
    };
    let python = python.ok_or_else(|| {
        let message = format!(
            "{} needs uv or {named}, and neither was found",
            printable(launcher)
        );
        Error::new(Kind::NotFound, message)
            .hint("install uv, or add its folder to PATH in the client's configuration")
    })?;
    pip::Pip::new(job, python).map(|pip| Box::new(pip) as Box<dyn Tool>)
}

/// A box that may write the staging folder, which it sees at `folder`.
fn order(job: &Job<'_>, tool: &dyn Tool, folder: &Path, command: Vec<OsString>) -> boxed::Order {
    boxed::Order {
        command,
        write: vec![(job.staging.folder.clone(), folder.to_owned())],
        env: tool.variables(folder),
        cwd: folder.to_owned(),
        notes: job.staging.notes.clone(),
        ..boxed::Order::default()
    }
}

fn locked(job: &Job<'_>, requirements: &[Requirement]) -> Result<Locked, Error> {
    let wanted = job.order.wanted;
    let name = normal_name(wanted.name());
    let main = requirements
        .iter()
        .find(|one| one.name == name)
        .ok_or_else(|| Error::setup(format!("{} was not resolved", printable(wanted.name()))))?;
    if let Some(bare) = requirements.iter().find(|one| one.hashes.is_empty()) {
        let message = format!(
            "the index gives no hash for {} {}",
            printable(&bare.name),
            printable(&bare.version)
        );
        return Err(Error::setup(message).hint("only packages of an index with hashes can be prepared"));
    }
    Ok(Locked {
        manager: Manager::Python,
        requested: wanted.requested(),
        name: main.name.clone(),
        version: main.version.clone(),
        integrity: main.hashes.join(","),
        prepared: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        installed: requirements.iter().map(Requirement::entry).collect(),
    })
}

impl Requirement {
    /// As the lock file has it.
    fn entry(&self) -> String {
        format!("{} {} {}", self.name, self.version, self.hashes.join(","))
    }

    fn of(entry: &str) -> Option<Self> {
        let [name, version, hashes] = entry.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        // These go into a file that pip reads options from.
        let plain = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-+!:".contains(c))
        };
        (plain(name) && plain(version) && hashes.split(',').all(plain)).then(|| Requirement {
            name: name.to_owned(),
            version: version.to_owned(),
            hashes: hashes.split(',').map(str::to_owned).collect(),
        })
    }

    /// As a file of requirements has it.
    fn line(&self) -> String {
        let hashes: String = self.hashes.iter().map(|hash| format!(" --hash={hash}")).collect();
        format!("{}=={}{hashes}\n", self.name, self.version)
    }
}

/// The programs of the packages that were asked for: what their records say lies in `bin`.
fn programs(job: &Job<'_>) -> Result<BTreeMap<String, PathBuf>, Error> {
    let bin = job.staging.folder.join("bin");
    let library = job.staging.folder.join("lib");
    let wanted: Vec<String> = job
        .order
        .wanted
        .packages
        .iter()
        .map(|package| {
            normal_name(
                package
                    .split(|c: char| "[@=<>~!;( ".contains(c))
                    .next()
                    .unwrap_or_default(),
            )
        })
        .collect();
    let unreadable = |error: std::io::Error| {
        Error::setup(format!("{} cannot be read: {}", quote(&library), reason(&error)))
    };
    let mut programs = BTreeMap::new();
    for python in fs::read_dir(&library).map_err(unreadable)?.flatten() {
        let Ok(entries) = fs::read_dir(python.path().join("site-packages")) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let package = name
                .strip_suffix(".dist-info")
                .and_then(|name| name.split('-').next());
            if !package.is_some_and(|package| wanted.contains(&normal_name(package))) {
                continue;
            }
            let record = fs::read_to_string(entry.path().join("RECORD")).unwrap_or_default();
            let files = record.lines().filter_map(|line| line.split(',').next());
            for program in files.filter_map(|file| file.strip_prefix("../../../bin/")) {
                if !program.contains('/') && bin.join(program).is_file() {
                    programs.insert(program.to_owned(), Path::new("bin").join(program));
                }
            }
        }
    }
    Ok(programs)
}

/// Variables of ours that a box gets as they are.
fn passed(order: &mut boxed::Order, names: impl Fn(&str) -> bool) {
    for (name, value) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| names(name) || NETWORK.contains(&name))
        {
            order.env.push((name, value));
        }
    }
}

/// The proxies that variables name.
fn proxies() -> Vec<(&'static str, String)> {
    let named = NETWORK
        .into_iter()
        .filter(|name| !name.eq_ignore_ascii_case("no_proxy"));
    named
        .filter_map(|name| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?)))
        .collect()
}

/// Shows a file of the user's at a place of the box, and says so in a variable.
fn show_file(order: &mut boxed::Order, variable: &str, path: &Path, name: &str) {
    let at = Path::new(SETTINGS).join(name);
    order.env.retain(|(known, _)| known != variable);
    order.env.push((variable.into(), at.clone().into()));
    order.read.push((path.to_owned(), at));
}

/// The tool's error as one of ours.
fn failed(job: &Job<'_>, tool: &dyn Tool, outcome: &Outcome) -> Error {
    let said = format!("{}\n{}", outcome.stdout, outcome.stderr);
    let asked = printable(job.order.wanted.requested());
    let message = format!(
        "{} could not install {asked} in the box:\n{}",
        tool.name(),
        last_lines(&said, 12)
    );
    let error = Error::setup(message);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["DO NOT MATCH THE HASHES", "Hash mismatch", "hash mismatch"]) {
        let file = quote(job.order.lock_file);
        return error.hint(format!(
            "a file is not what {file} or the index says: a damaged download, or a package that was changed; if you trust \
             the new one: mcp-sandbox prepare --upgrade -- COMMAND"
        ));
    }
    if !outcome.blocked.is_empty() {
        let hosts = printable(outcome.blocked.join(", "));
        return error.hint(format!(
            "it wanted to reach {hosts}, which its settings do not name as an index; if that is where the packages are: \
             mcp-sandbox prepare --allow HOST -- COMMAND"
        ));
    }
    error.hint(match () {
        () if has(&["No space left"]) => {
            "the disk is full: make room, or set XDG_CACHE_HOME to a folder on another one"
        }
        () if has(&[
            "No matching distribution",
            "was not found in the package registry",
            "No solution found",
        ]) =>
        {
            "is the name and the version right, and is there one for this Python?"
        }
        () if has(&[
            "onnection",
            "onnect error",
            "timed out",
            "Max retries",
            "resolve",
            "dns error",
        ]) =>
        {
            "the index cannot be reached, and the first start needs it; later starts do not"
        }
        () => "nothing was changed; the same may work later",
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes)
        .map_err(|error| Error::setup(format!("cannot write {}: {}", quote(path), reason(&error))))
}

fn words<const N: usize>(words: [&dyn AsRef<OsStr>; N]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_are_written_and_hold_no_option() {
        let one = Requirement {
            name: "a-b".into(),
            version: "1.0+local".into(),
            hashes: vec!["sha256:0a".into(), "sha256:1b".into()],
        };
        assert_eq!(Requirement::of(&one.entry()), Some(one.clone()));
        assert_eq!(one.line(), "a-b==1.0+local --hash=sha256:0a --hash=sha256:1b\n");
        for entry in [
            "a 1",
            "a 1 sha256:a b",
            "a\n--index-url 1 x",
            "a 1;x sha256:a",
            "a 1 --hash=x",
        ] {
            assert_eq!(Requirement::of(entry), None, "{entry}");
        }
    }
}
