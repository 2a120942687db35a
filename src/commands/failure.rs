//! A launch that failed, told to a person: what, why, and what to do.

use mcp_sandbox_platform::linux::{Act, Bind, LaunchError, LimitRefused, Step, describe, diagnose};
use mcp_sandbox_platform::{Unenforceable, quote};

use crate::error::{Error, Kind};

const ENOENT: i32 = 2;
const EACCES: i32 = 13;
const EEXIST: i32 = 17;
const ENOTDIR: i32 = 20;
const ELOOP: i32 = 40;
const ESTALE: i32 = 116;

/// The doctor tries every ability by itself and knows the cure of each.
const ASK_THE_DOCTOR: &str =
    "run `mcp-sandbox doctor`: it finds out what this host forbids and tells the cure";

/// A launch error as an error with its kind, so that it gets its own exit code.
pub fn of_launch(error: LaunchError) -> Error {
    match error {
        LaunchError::Source { bind, errno } => source(&bind, errno),
        LaunchError::Clone { errno } => {
            let message = format!("this host makes no namespaces for us: {}", describe(errno));
            of_host(message, Act::MakeUserNamespace, errno)
        }
        LaunchError::Map { errno } => {
            let message = format!("this host lets us map no user id: {}", describe(errno));
            of_host(message, Act::MapIds, errno)
        }
        LaunchError::Step { step, errno } => of_step(&step, errno),
        LaunchError::Lost => Error::setup("the box was killed from outside before the server ended"),
        LaunchError::Limit { kind, why } => match why {
            LimitRefused::Kernel(errno) => limit(kind, &describe(errno)),
            LimitRefused::Manager(said) => limit(kind, &said),
        },
        LaunchError::Prepare { what } => Error::setup(what),
    }
}

fn limit(kind: mcp_sandbox_platform::Kind, why: &str) -> Error {
    use mcp_sandbox_platform::Kind;
    match kind {
        Kind::Idle => Error::setup(format!(
            "nobody can tell whether stdin and stdout are idle (\"resources.idle\"): {why}"
        ))
        .hint("start it with streams of its own user, or drop idle"),
        Kind::Disk => Error::setup(format!(
            "nobody can tell how much what is mounted writable grows (\"resources.disk\"): {why}"
        ))
        .hint("mount a folder of another file system"),
        _ => Error::setup(format!("the control group of the box cannot be made: {why}")).hint(ASK_THE_DOCTOR),
    }
}

/// Something in the policy that this host cannot do.
pub fn of_plan(error: Unenforceable) -> Error {
    Error::setup(error.to_string()).hint(error.cure)
}

fn source(bind: &Bind, errno: i32) -> Error {
    let message = format!(
        "cannot open {} to show it in the box: {}",
        quote(&bind.source),
        describe(errno)
    );
    let error = Error::setup(message);
    match errno {
        ENOENT if !bind.make_target => {
            error.hint("make it: it lies inside another mount, where nothing is ever made")
        }
        ENOENT => error.hint("make it, or give the mount create = true"),
        _ => error,
    }
}

fn of_step(step: &Step, errno: i32) -> Error {
    let why = describe(errno);
    match step {
        Step::Execute { program, .. } => of_execution(&quote(program), errno, &why),
        Step::ChangeDirectory(to) => Error::setup(format!("cannot work in {} of the box: {why}", quote(to)))
            .hint("name a folder that a mount shows with --cwd"),
        Step::Bind(bind) if errno == ESTALE => Error::setup(format!(
            "{} was replaced by something else while the box was set up",
            quote(&bind.source)
        ))
        .hint("nothing was started; find out who writes to the folder it lies in, then try again"),
        Step::Bind(bind) if errno == ENOENT => Error::setup(format!(
            "there is nothing to mount on at {} of the box",
            quote(&bind.at)
        ))
        .hint(
            "it lies inside another mount, where nothing is ever made: make it there, or choose another `at`",
        ),
        Step::Bind(Bind { at, .. }) | Step::Link { at, .. } if [ELOOP, EEXIST].contains(&errno) => {
            Error::setup(format!(
                "nothing can be put at {} of the box: a symbolic link or a file is in the way",
                quote(at)
            ))
            .hint("only a folder goes on a folder and a file on a file; a server of an earlier run may have left what is there")
        }
        Step::Proc => of_host(
            format!("cannot mount /proc in the box: {why}"),
            Act::MountProc,
            errno,
        ),
        step => of_host(
            format!("setting up the box failed: could not {step}: {why}"),
            act(step),
            errno,
        ),
    }
}

/// What the host refuses, with the reason as far as its settings tell.
fn of_host(message: String, act: Act, errno: i32) -> Error {
    let why = diagnose(act, errno).why;
    let error = Error::setup(message);
    let error = if why.is_empty() { error } else { error.hint(why) };
    error.hint(ASK_THE_DOCTOR)
}

/// The first steps that need a capability are where AppArmor's restriction of user namespaces shows.
fn act(step: &Step) -> Act {
    match step {
        Step::BecomeUser { .. }
        | Step::LoopbackUp
        | Step::HostName(_)
        | Step::PrivateMounts
        | Step::Root { .. } => Act::UseCapability,
        _ => Act::Other,
    }
}

fn of_execution(program: &str, errno: i32, why: &str) -> Error {
    match errno {
        ENOENT | ENOTDIR => Error::new(
            Kind::NotFound,
            format!("{program}, or the interpreter it names, does not exist in the box"),
        )
        .hint("`mcp-sandbox explain` shows what the box contains; add what is missing with --read"),
        EACCES => Error::new(
            Kind::NotExecutable,
            format!("{program} cannot be executed: {why}"),
        )
        .hint("it must be an executable file outside /etc, /proc and mounts without execution"),
        _ => Error::new(
            Kind::NotExecutable,
            format!("{program} cannot be executed: {why}"),
        ),
    }
}
