//! The supervisor's side of a launch: open, clone, map, hand over.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use super::broker::{Ground, Opened};
use super::clone::{NAMESPACES, Side, clone_into};
use super::init::{self, Handover};
use super::limits::{Unprepared, Watcher, Why};
use super::names::StubSockets;
use super::plan::{Bind, Plan, Step};
use super::relay::Relay;
use super::report::{Report, Who};
use super::server::{Server, c_string, name_standard_streams};
use super::tree::Source;
use super::{compile, sys, terminal};
use crate::Kind;
use crate::net::{Denials, Dns, Inspect};
use crate::observed::Observed;

/// A box whose set-up is done and whose server is being started.
pub struct Sandbox {
    pub(super) init: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) channel: OwnedFd,
    pub(super) signals: SigSet,
    /// Nothing of the box is left but init on its way out.
    pub(super) ended: bool,
    /// To and from the server's terminal, when a person talks to it.
    pub(super) terminal: Option<Relay>,
    /// Nothing once the account is made.
    pub(super) limits: Option<Watcher>,
    /// What the broker needs, until there is one.
    pub(super) ground: Option<Ground>,
}

/// What is written down of a run while it goes on.
#[derive(Clone)]
pub struct Records {
    pub denials: Denials,
    /// Stays empty but for a plan that observes.
    pub observed: Observed,
}

/// Where a launch failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchError {
    /// The source of a mount could not be opened or made.
    Source { bind: Bind, errno: i32 },
    /// No namespaces could be made.
    Clone { errno: i32 },
    /// The id maps could not be written.
    Map { errno: i32 },
    /// A step inside failed.
    Step { step: Step, errno: i32 },
    /// The box ended without a word.
    Lost,
    /// The mechanism chosen for a limit does not work.
    Limit { kind: Kind, why: Why },
    /// A filter or an argument could not be prepared.
    Prepare { what: &'static str },
}

/// The signals that are passed on to the server.
pub const PASSED_ON: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
];

/// Carries out the plan up to the point where init starts the server. `records` gets what the server is refused and, where
/// the plan observes, what it uses.
///
/// The process must have a single thread. Signals in [`PASSED_ON`], SIGCHLD and SIGWINCH are blocked from here on.
///
/// # Errors
/// Names the step that failed. Nothing is left behind: an unfinished box ends with its init.
pub fn launch(plan: &Plan, records: &Records) -> Result<Sandbox, LaunchError> {
    let umask_of_client = umask(Mode::from_bits_truncate(0o022));
    let sources = open_sources(plan)?;
    let prepared = prepare(plan)?;
    leave_groups(plan).map_err(|_| LaunchError::Prepare {
        what: "root's own groups cannot be left; start as the user that the server becomes",
    })?;
    let server = Server {
        filter: &prepared.filter,
        umask: umask_of_client,
        ..prepared.server
    };
    let signals = block_signals();
    let interactive = [std::io::stdin().as_fd(), std::io::stdout().as_fd()]
        .into_iter()
        .all(terminal::is_terminal);
    if !interactive {
        terminal::write_only().map_err(|_| LaunchError::Prepare {
            what: "stdout or stderr is a terminal of another user, where the server could read what is typed; \
                   redirect it",
        })?;
    }
    name_standard_streams().map_err(|_| LaunchError::Prepare {
        what: "a Unix socket given as stdin, stdout or stderr takes no name, so the server could choose one on the host; \
               give it a pipe",
    })?;
    let mut limits = Watcher::prepare(&plan.limits).map_err(limit)?;
    let groups = limits.to_join().map_err(limit)?;
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(cloning)?;
    // The files of a process that is not dumpable belong to root, the id maps of its child among them.
    prctl::set_dumpable(true).map_err(cloning)?;
    let namespaces = NAMESPACES.iter().fold(0, |flags, (_, flag)| flags | flag);
    match clone_into(namespaces, limits.to_start_in()).map_err(cloning)? {
        Side::Child => {
            drop(ours);
            std::mem::forget(limits);
            init::run(Handover {
                plan,
                sources,
                groups,
                channel: theirs,
                signals,
                server,
                interactive,
            })
        }
        Side::Parent { child, pidfd } => {
            drop((theirs, groups));
            let admitted = limits.admit(child);
            let mapped = map_ids(plan, child);
            let _ = prctl::set_dumpable(false);
            let mut sandbox = Sandbox {
                init: child,
                pidfd,
                channel: ours,
                signals,
                ended: false,
                terminal: None,
                limits: Some(limits),
                ground: None,
            };
            // An init that has ended could not be admitted, and has said why it ended.
            if !sys::has_ended(child) {
                admitted.map_err(limit)?;
            }
            let mut opened = sandbox.wait_until_ready(plan, mapped)?.into_iter();
            if interactive {
                sandbox.terminal = opened.next().map(Relay::new);
            }
            sandbox.ground = ground(plan, records, opened).map_err(|_| LaunchError::Prepare {
                what: "no thread or descriptor is left for the broker of the network",
            })?;
            Ok(sandbox)
        }
    }
}

fn cloning(errno: Errno) -> LaunchError {
    LaunchError::Clone { errno: errno as i32 }
}

fn limit(Unprepared { kind, why }: Unprepared) -> LaunchError {
    LaunchError::Limit { kind, why }
}

fn open_sources(plan: &Plan) -> Result<Vec<Source>, LaunchError> {
    let binds = plan.init.iter().filter_map(|step| match step {
        Step::Bind(bind) => Some(bind),
        _ => None,
    });
    let owner = ids(plan);
    binds
        .map(|bind| {
            let opened = match Source::open(&bind.source) {
                Err(Errno::ENOENT) if bind.create_source => Source::make(&bind.source, owner),
                other => other,
            };
            opened.map_err(|errno| LaunchError::Source {
                bind: bind.clone(),
                errno: errno as i32,
            })
        })
        .collect()
}

struct Prepared {
    filter: seccompiler::BpfProgram,
    server: Server<'static>,
}

fn prepare(plan: &Plan) -> Result<Prepared, LaunchError> {
    let mut filter = None;
    let mut server = None;
    for step in &plan.server {
        match step {
            Step::Filter {
                spawn,
                files,
                observe: true,
                ..
            } => filter = compile::observed(*spawn, *files).ok(),
            Step::Filter {
                spawn, broker, files, ..
            } => filter = compile::server(*spawn, *broker, *files).ok(),
            Step::Execute { program, argv, env } => {
                let pair = |(name, value): &(std::ffi::OsString, std::ffi::OsString)| {
                    let mut pair = name.clone();
                    pair.push("=");
                    pair.push(value);
                    c_string(&pair)
                };
                server = (|| {
                    Some(Server {
                        filter: &[],
                        program: c_string(program.as_os_str())?,
                        argv: argv.iter().map(|word| c_string(word)).collect::<Option<_>>()?,
                        env: env.iter().map(pair).collect::<Option<_>>()?,
                        umask: Mode::empty(),
                    })
                })();
            }
            _ => {}
        }
    }
    Ok(Prepared {
        filter: filter.ok_or(LaunchError::Prepare {
            what: "the system-call filter does not compile",
        })?,
        server: server.ok_or(LaunchError::Prepare {
            what: "an argument or variable holds a NUL byte",
        })?,
    })
}

fn block_signals() -> SigSet {
    let mut signals: SigSet = PASSED_ON.into_iter().collect();
    signals.add(Signal::SIGCHLD);
    let mut blocked = signals;
    blocked.add(Signal::SIGWINCH);
    // Cannot fail: the set is valid.
    let _ = blocked.thread_block();
    sys::expect_children();
    signals
}

/// Root that starts a server as another user leaves its own groups. The server, which may not call setgroups(2) in its
/// user namespace, would have them for good, and with them what they may read.
fn leave_groups(plan: &Plan) -> nix::Result<()> {
    match ids(plan) {
        Some((uid, _)) if uid != nix::unistd::geteuid().as_raw() => nix::unistd::setgroups(&[]),
        _ => Ok(()),
    }
}

/// The user and group that the server runs as.
fn ids(plan: &Plan) -> Option<(u32, u32)> {
    plan.init.iter().find_map(|step| match step {
        Step::BecomeUser { uid, gid } => Some((*uid, *gid)),
        _ => None,
    })
}

/// The ids of the plan.
fn map_ids(plan: &Plan, child: Pid) -> nix::Result<()> {
    let (uid, gid) = ids(plan).ok_or(Errno::EINVAL)?;
    write_maps(child, uid, gid)
}

/// One user and one group, each mapped to itself (user_namespaces(7)).
pub(super) fn write_maps(child: Pid, uid: u32, gid: u32) -> nix::Result<()> {
    let write = |name: &str, text: &str| {
        let mut file = File::options()
            .write(true)
            .open(Path::new("/proc").join(child.to_string()).join(name))?;
        file.write_all(text.as_bytes())
    };
    let result = write("setgroups", "deny")
        .and_then(|()| write("gid_map", &format!("{gid} {gid} 1")))
        .and_then(|()| write("uid_map", &format!("{uid} {uid} 1")));
    result.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

/// What the broker goes by, from the sockets that init has opened in the order of its steps.
fn ground(
    plan: &Plan,
    records: &Records,
    mut opened: impl Iterator<Item = OwnedFd>,
) -> nix::Result<Option<Ground>> {
    let Some(network) = &plan.network else {
        return Ok(None);
    };
    let mut next = || opened.next().ok_or(Errno::EBADF);
    let boxed = next()?;
    let stub = match network.dns {
        Dns::Filtered => Some(StubSockets {
            udp: next()?,
            tcp: next()?,
        }),
        Dns::Off => None,
    };
    let inspector = match network.inspect {
        Inspect::Sni => Some(next()?),
        Inspect::None => None,
    };
    let opened = Opened {
        boxed,
        stub,
        inspector,
    };
    let keeps = |step: &Step| match step {
        Step::DropCapabilities { keep } => keep.iter().any(|name| name == "CAP_NET_BIND_SERVICE"),
        _ => false,
    };
    let user = ids(plan).ok_or(Errno::EINVAL)?;
    let keeps = plan.server.iter().any(keeps);
    let ground = Ground::new(network, &records.denials, opened, user, keeps, plan.landlock_abi)?;
    let observes = |step: &Step| matches!(step, Step::Filter { observe: true, .. });
    let observed = plan.server.iter().any(observes).then(|| records.observed.clone());
    let ground = ground.observing(observed);
    Ok(Some(ground.with_files(plan.files.as_ref())))
}

impl Sandbox {
    /// Tells init that the maps are written, and waits until it has done its part.
    ///
    /// Init may have failed at a step before it, which is then why the maps of the dead process could not be written:
    /// its own word comes first.
    fn wait_until_ready(
        &mut self,
        plan: &Plan,
        mapped: nix::Result<()>,
    ) -> Result<Vec<OwnedFd>, LaunchError> {
        match mapped {
            // Should init be gone, what it said is read below.
            Ok(()) => drop(nix::unistd::write(&self.channel, &[1])),
            // End of file ends an init that waits for the maps.
            Err(_) => drop(shutdown(self.channel.as_raw_fd(), Shutdown::Write)),
        }
        let report = match Report::receive(self.channel.as_fd()) {
            Ok(Some((Report::Root, root))) => {
                if let (Some(root), Some(limits)) = (root.into_iter().next(), &mut self.limits) {
                    limits.see(root);
                }
                Report::receive(self.channel.as_fd())
            }
            other => other,
        };
        match (report, mapped) {
            (Ok(Some((Report::Ready, opened))), Ok(())) => Ok(opened),
            (Ok(Some((report @ Report::Failed { .. }, _))), _) => Err(failure(report, plan)),
            (_, Err(errno)) => Err(LaunchError::Map { errno: errno as i32 }),
            _ => Err(LaunchError::Lost),
        }
    }
}

/// The report of a failed step as an error.
pub(super) fn failure(report: Report, plan: &Plan) -> LaunchError {
    let Report::Failed { who, step, errno } = report else {
        return LaunchError::Lost;
    };
    let steps = match who {
        Who::Init => &plan.init,
        Who::Server => &plan.server,
    };
    match steps.get(usize::from(step)) {
        Some(step) => LaunchError::Step {
            step: step.clone(),
            errno,
        },
        None => LaunchError::Lost,
    }
}

impl Drop for Sandbox {
    /// A box nobody supervises any more ends.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let _ = sys::signal_pidfd(self.pidfd.as_fd(), libc::SIGKILL);
        let _ = nix::sys::wait::waitpid(self.init, None);
    }
}
