//! `demo`: a hostile MCP server, first bare, then in the default box, and what each of its attempts came to.
//!
//! Three processes of this binary play: the owner of the throw-away folder, who only waits and tidies up,
//! however the play ends; the client, who sets the stage; and the server, started bare and with `run`.

mod attempt;
mod attempts;
mod client;
mod raw;
mod server;
mod stage;
mod table;
mod verdict;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};

use nix::sys::signal::{SigSet, Signal};

use super::out;
use crate::cli::{DEMO_PART, DemoPart};
use crate::error::{Error, reason};
use client::Session;
use serde_json::Value;
use stage::Stage;
use verdict::{Summary, Told, Verdict};

/// Bytes of randomness in the token that every secret contains.
const TOKEN_BYTES: usize = 24;

/// Plays it and tidies up.
///
/// # Errors
/// The stage cannot be set, or the box not be started. An attempt that was not stopped is exit code 1.
pub fn run(json: bool) -> Result<ExitCode, Error> {
    let signals = hold_signals();
    let folder = Folder::make()?;
    let mut client = client(&folder)?;
    client.args(json.then_some("--json"));
    let mut client = client.spawn().map_err(not_started)?;
    Ok(wait(&mut client, &signals).into())
}

/// Plays it for the doctor.
///
/// # Errors
/// What the client says when it could not play to the end.
pub fn summary() -> Result<Summary, Error> {
    let signals = hold_signals();
    let played = Folder::make().and_then(|folder| {
        let mut client = client(&folder)?;
        client.arg("--json").output().map_err(not_started)
    });
    let _ = signals.thread_unblock();
    let output = played?;
    let result = serde_json::from_slice::<Value>(&output.stdout)
        .and_then(|mut played| serde_json::from_value(played["summary"].take()));
    result.map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or("the client of the demo was killed");
        Error::setup(first.strip_prefix("error: ").unwrap_or(first))
    })
}

/// Whether the hostile server starts in the default box and answers.
///
/// # Errors
/// Why it does not.
pub fn starts() -> Result<(), Error> {
    Session::start(boxed(Path::new("/nonexistent"))?).map(drop)
}

/// Before there is anything to tidy up: a signal from here on waits until it is looked for.
fn hold_signals() -> SigSet {
    raw::wait_for_children();
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        signals.add(signal);
    }
    let _ = signals.thread_block();
    signals
}

fn client(folder: &Folder) -> Result<Command, Error> {
    let mut command = Command::new(own_program()?);
    command
        .args([DEMO_PART, "client"])
        .arg(&folder.path)
        .arg(&folder.token)
        .env(stage::VARIABLE, &folder.token);
    Ok(command)
}

fn not_started(error: std::io::Error) -> Error {
    Error::setup(format!("cannot start the demo's client: {}", reason(&error)))
}

/// The exit code of the client; 128 plus the signal that ended it or us.
fn wait(client: &mut Child, signals: &SigSet) -> u8 {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => match client.try_wait() {
                Ok(Some(status)) => return code(status),
                Ok(None) => {}
                Err(_) => return 1,
            },
            Ok(signal) => {
                let _ = client.kill();
                let _ = client.wait();
                return 128 + signal as u8;
            }
            Err(_) => {}
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    signal.or(status.code()).unwrap_or(1) as u8
}

/// The throw-away folder and the token of its secrets.
struct Folder {
    path: PathBuf,
    token: String,
}

impl Folder {
    fn make() -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            Error::setup(format!("cannot make a folder for the demo: {}", reason(&error)))
                .hint("set TMPDIR to a folder that you may write to")
        };
        let mut bytes = [0; TOKEN_BYTES];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .map_err(failed)?;
        let token = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let template = std::env::temp_dir().join("mcp-sandbox-demo.XXXXXX");
        let path = nix::unistd::mkdtemp(&template).map_err(|errno| failed(errno.into()))?;
        Ok(Folder { path, token })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_file(stage::drop_file(&self.token));
        // What the play has started is being killed; it may still make a file meanwhile.
        for _ in 0..10 {
            if fs::remove_dir_all(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        out::warn(&format!(
            "cannot remove {}",
            mcp_sandbox_platform::quote(&self.path)
        ));
    }
}

/// Plays one of the parts.
///
/// # Errors
/// Whatever keeps it from playing.
pub fn part(part: DemoPart) -> Result<ExitCode, Error> {
    // The owner of the folder has blocked the signals it waits for, and a mask is inherited.
    let _ = SigSet::empty().thread_set_mask();
    match part {
        DemoPart::Client { folder, token, json } => {
            end_with_parent()?;
            play(&folder, &token, json)
        }
        DemoPart::Server => server::serve().map(|()| ExitCode::SUCCESS),
        DemoPart::Bystander { .. } => {
            end_with_parent()?;
            stand_by()
        }
    }
}

fn end_with_parent() -> Result<(), Error> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|errno| Error::setup(format!("cannot ask to end with the parent: {errno}")))
}

/// Does nothing until stdin ends.
fn stand_by() -> Result<ExitCode, Error> {
    let mut out = std::io::stdout();
    let _ = out.write_all(b"!").and_then(|()| out.flush());
    let _ = std::io::stdin().read(&mut [0]);
    Ok(ExitCode::SUCCESS)
}

/// The client's part: the stage, both runs, the table.
fn play(folder: &Path, token: &str, json: bool) -> Result<ExitCode, Error> {
    let mut stage = Stage::set(folder, token)?;
    let bare = tell(&mut stage, bare()?)?;
    let boxed = tell(&mut stage, boxed(folder)?)?;
    let verdicts: Vec<Verdict> = attempt::all()
        .zip(bare.iter().zip(&boxed))
        .map(|(attempt, (bare, boxed))| Verdict::new(attempt, bare, boxed))
        .collect();
    let summary = verdict::summary(&verdicts);
    if json {
        let json = serde_json::json!({"version": 1, "attempts": verdicts, "summary": summary});
        out::print(&format!("{json:#}\n"))?;
    } else {
        out::print(&table::text(&verdicts, summary, out::colours()))?;
    }
    Ok(if summary.holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Lets the server try everything, and looks from outside after each attempt.
fn tell(stage: &mut Stage, command: Command) -> Result<Vec<Told>, Error> {
    let mut session = Session::start(command)?;
    session.type_line(&stage.scene().token);
    attempt::all()
        .map(|attempt| {
            let answer = session.call(attempt, stage.scene())?;
            let seen = attempt.seen.map(|seen| stage.happened(seen));
            Ok(Told { answer, seen })
        })
        .collect()
}

/// The server as every client starts it today.
fn bare() -> Result<Command, Error> {
    let mut command = Command::new(own_program()?);
    command.args([DEMO_PART, "server"]);
    Ok(command)
}

/// The same server in the default box: our own `run`, without any profile of the user's.
fn boxed(folder: &Path) -> Result<Command, Error> {
    let program = own_program()?;
    let mut command = Command::new(&program);
    command
        .args(["run", "--quiet", "--profile", "default", "--"])
        .arg(&program)
        .args([DEMO_PART, "server"])
        .env("XDG_CONFIG_HOME", folder);
    Ok(command)
}

fn own_program() -> Result<OsString, Error> {
    std::env::current_exe()
        .map(PathBuf::into_os_string)
        .map_err(|error| Error::setup(format!("cannot find our own program file: {}", reason(&error))))
}
