//! Packages of npm: resolved and unpacked by npm in a box that reaches the registry; then their install scripts, in
//! another box that reaches nothing and holds no token.
//!
//! pnpm, yarn and bun name packages as npm does, and their launchers are served by npm as well.
mod record;
mod settings;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;
use serde_json::Value;

use super::boxed::Outcome;
use super::registry::last_lines;
use super::{Job, Locked};
use crate::error::{Error, printable, reason};
use record::Record;
use settings::Settings;

/// Prepares packages of npm.
///
/// # Errors
/// npm is not there or fails, or gives something else than the lock file says.
pub(super) fn prepare(job: &Job<'_>) -> Result<Locked, Error> {
    let settings = Settings::read(job)?;
    (job.tell)("downloading");
    download(job, &settings)?;
    let modules = job.staging.folder.join("node_modules");
    let record = Record::read(&modules)?;
    let mut locked = record.locked(job)?;
    if let Some(known) = job.known {
        known.must_be(&locked, job.order.lock_file)?;
        locked.prepared.clone_from(&known.prepared);
    }
    let (main, programs) = record.programs(job);
    let ignored = settings.values.get("ignore-scripts") == Some(&Value::Bool(true));
    if record.scripts().any && !ignored {
        (job.tell)("running install scripts");
        run_scripts(job, &settings, &locked, &record)?;
    }
    // npm's own cache has done its duty.
    let _ = fs::remove_dir_all(job.staging.folder.join(CACHE));
    (job.tell)("finishing");
    keep_record(job, &locked);
    job.store.finish(job.staging, &locked, main, programs)?;
    Ok(locked)
}

/// In the staging folder: what is asked for, or exactly what was installed before.
fn download(job: &Job<'_>, settings: &Settings) -> Result<(), Error> {
    let folder = &job.staging.folder;
    let kept = job.known.and_then(|known| fs::read(record_file(job, known)).ok());
    let exact = kept.is_some();
    let manifest = match kept {
        Some(kept) => {
            write(&folder.join("package-lock.json"), &kept)?;
            fs::read(record_file(job, job.known.expect("it was kept")).with_extension("manifest"))
                .unwrap_or_default()
        }
        None => b"{\"private\": true}\n".to_vec(),
    };
    write(&folder.join("package.json"), &manifest)?;
    let mut words: Vec<String> = [
        if exact { "ci" } else { "install" },
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend(
        [
            "--no-update-notifier",
            "--no-progress",
            "--install-links=false",
            "--bin-links",
            "--package-lock",
        ]
        .map(str::to_owned),
    );
    words.extend(["--save-exact", "--no-omit-lockfile-registry-resolved"].map(str::to_owned));
    words.extend(
        job.order
            .wanted
            .registry
            .iter()
            .map(|registry| format!("--registry={registry}")),
    );
    if !exact {
        // Without the record only the date tells which versions of the dependencies were meant.
        words.extend(job.known.map(|known| format!("--before={}", known.prepared)));
        words.push("--".into());
        words.extend(packages(job));
    }
    let mut order = settings.order(job, folder, words.into_iter().map(OsString::from).collect());
    order.write.push((folder.clone(), folder.clone()));
    settings.show(job, &mut order)?;
    let outcome = job.boxes.run(&order)?;
    match outcome.succeeded {
        true => Ok(()),
        false => Err(failed(job, &outcome)),
    }
}

const CACHE: &str = ".npm";

/// The packages as npm gets them: exactly the locked one where there is one.
fn packages(job: &Job<'_>) -> Vec<String> {
    let mut packages = job.order.wanted.packages.clone();
    if let Some(known) = job.known {
        packages[0] = format!("{}@{}", known.name, known.version);
    }
    packages
}

/// Packages whose install scripts fetch a browser, and the variables by which they are told to leave that out: see
/// Puppeteer's and Playwright's documentation.
const BROWSERS: [(&str, &str); 4] = [
    ("puppeteer", "PUPPETEER_SKIP_DOWNLOAD"),
    ("playwright", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD"),
    ("playwright-chromium", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD"),
    ("@playwright/browser-chromium", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD"),
];

/// The install scripts of all packages, at the place that the folder will have.
fn run_scripts(job: &Job<'_>, settings: &Settings, locked: &Locked, record: &Record) -> Result<(), Error> {
    let run = |words: &[&str]| {
        let at = job.store.folder(locked);
        let words = words.iter().chain(&[
            "--offline",
            "--foreground-scripts",
            "--no-update-notifier",
            "--no-progress",
        ]);
        let mut order = settings.order(job, &at, words.map(OsString::from).collect());
        order.write.push((job.staging.folder.clone(), at));
        order.allow = job.order.allow.to_vec();
        settings.show_headers(job, &mut order);
        let mut set = |name: &str| order.env.push((name.into(), "true".into()));
        // Newer npm asks its user first which packages may run scripts; the box is the answer here.
        set("npm_config_dangerously_allow_all_scripts");
        if job.order.allow.is_empty() {
            for (package, skip) in BROWSERS {
                if record.has_script_of(package) {
                    set(skip);
                    (job.tell)(&format!("without the browser that {package} would download"));
                }
            }
        }
        job.boxes.run(&order)
    };
    let mut outcome = run(&["rebuild"])?;
    if !outcome.succeeded && record.scripts().optional {
        // `npm rebuild` fails with any script; an installation leaves an optional package out.
        outcome = run(&[
            "ci",
            "--no-audit",
            "--no-fund",
            "--install-links=false",
            "--bin-links",
        ])?;
        if outcome.succeeded {
            let now = Record::read(&job.staging.folder.join("node_modules"))?;
            let gone = printable(record.unbuilt(&now).join(", "));
            (job.tell)(&format!(
                "without {gone}, which is optional and could not be built"
            ));
        }
    }
    if outcome.succeeded {
        return Ok(());
    }
    let package = printable(&locked.name);
    let said = format!("{}\n{}", outcome.stdout, outcome.stderr);
    let message = format!(
        "an install script of {package} or of what it needs failed in the box:\n{}",
        last_lines(&said, 12)
    );
    let error = Error::setup(message);
    Err(match outcome.blocked.as_slice() {
        [] => error.hint("scripts write into the package's folder alone, and reach no host"),
        hosts => {
            let flags: Vec<String> = hosts
                .iter()
                .map(|host| format!("--allow {}", printable(host)))
                .collect();
            error.hint(format!(
                "it wanted to reach {}; if it may: mcp-sandbox prepare {} -- COMMAND",
                printable(hosts.join(", ")),
                flags.join(" ")
            ))
        }
    })
}

/// What npm needs to install exactly the same again; a lock file that came from elsewhere does without.
fn keep_record(job: &Job<'_>, locked: &Locked) {
    let kept = record_file(job, locked);
    let folder = &job.staging.folder;
    let copied = kept.parent().map(fs::create_dir_all).unwrap_or(Ok(()));
    let copied = copied
        .and_then(|()| fs::copy(folder.join("package-lock.json"), &kept))
        .and_then(|_| fs::copy(folder.join("package.json"), kept.with_extension("manifest")));
    if copied.is_err() {
        let _ = fs::remove_file(&kept);
    }
}

fn record_file(job: &Job<'_>, locked: &Locked) -> PathBuf {
    let folder = job.order.facts.profile.state_dir.join("resolved");
    folder.join(format!("npm-{}.json", locked.fingerprint()))
}

/// npm's error as one of ours, by its code.
fn failed(job: &Job<'_>, outcome: &Outcome) -> Error {
    let said = format!("{}\n{}", outcome.stdout, outcome.stderr);
    let code = said.lines().find_map(|line| {
        line.trim_start()
            .strip_prefix("npm error code ")
            .or(line.strip_prefix("npm ERR! code "))
    });
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("npm error") || line.starts_with("npm ERR!"))
        .filter(|line| !line.contains("A complete log of this run"))
        .collect();
    let lines = if lines.is_empty() {
        said.clone()
    } else {
        lines.join("\n")
    };
    let asked = printable(job.order.wanted.requested());
    let message = format!(
        "npm could not install {asked} in the box:\n{}",
        last_lines(&lines, 10)
    );
    let error = Error::setup(message);
    if !outcome.blocked.is_empty() {
        let hosts = printable(outcome.blocked.join(", "));
        return error.hint(format!(
            "npm wanted to reach {hosts}, which its settings do not name as a registry; if that is where the packages \
             are: mcp-sandbox prepare --allow HOST -- COMMAND"
        ));
    }
    error.hint(match code.unwrap_or_default().trim() {
        "E404" | "ETARGET" | "ENOVERSIONS" => "is the name and the version right? `npm config get registry` says who was asked",
        "E401" | "E403" | "ENEEDAUTH" => "the registry wants to know who asks: npm's own settings hold the token",
        "ENOSPC" | "EDQUOT" => "the disk is full: make room, or set XDG_CACHE_HOME to a folder on another one",
        "EINTEGRITY" => {
            "what came is not what its hash says: a damaged download, or a package that was changed; if you trust the new \
             one: mcp-sandbox prepare --upgrade -- COMMAND"
        }
        "ENOTFOUND" | "EAI_AGAIN" | "ECONNREFUSED" | "ECONNRESET" | "EHOSTUNREACH" | "ENETUNREACH" | "ETIMEDOUT" | "ERR_SOCKET_TIMEOUT"
        | "EIDLETIMEOUT" | "FETCH_ERROR" => {
            "the registry cannot be reached, and the first start needs it; later starts do not"
        }
        _ => "nothing was changed; the same may work later",
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes)
        .map_err(|error| Error::setup(format!("cannot write {}: {}", quote(path), reason(&error))))
}
