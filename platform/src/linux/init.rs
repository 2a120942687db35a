//! Init: PID 1 of the box. Sets up, starts the server, reaps, passes signals on, and ends with it.
//!
//! It runs in a copy of the supervisor made by clone3(2). The steps of the plan are carried out one by
//! one, in the order of the plan.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Gid, Pid, Uid};

use super::clone::fork;
use super::plan::{Bind, DIES_BEFORE, Plan, Step};
use super::report::{Report, Who};
use super::server::{self, Server};
use super::terminal::Terminal;
use super::tree::{Source, Tree};
use super::{compile, limits, pause, sys, wipe};

/// What the supervisor has prepared for init.
pub struct Handover<'a> {
    pub plan: &'a Plan,
    /// The descriptors the supervisor opened for the `Bind` steps, in order.
    pub sources: Vec<Source>,
    /// The control groups of the step `JoinGroups`.
    pub groups: Vec<OwnedFd>,
    /// Init's end of the channel to the supervisor.
    pub channel: OwnedFd,
    /// The signals that are blocked and passed on.
    pub signals: SigSet,
    pub server: Server<'a>,
    /// The client's own terminal is stdin and stdout: give the server a terminal of its own.
    pub interactive: bool,
}

/// Runs init to its end. Never returns to the supervisor's code.
pub fn run(handover: Handover) -> ! {
    let channel = handover.channel.as_fd().try_clone_to_owned();
    let Ok(channel) = channel else { sys::exit_now(1) };
    let mut step = 0;
    match set_up(handover, &mut step) {
        Ok(never) => match never {},
        Err(errno) => {
            let report = Report::Failed {
                who: Who::Init,
                step,
                errno: errno as i32,
            };
            let _ = report.send(channel.as_fd(), &[]);
            sys::exit_now(1)
        }
    }
}

/// The steps in order; `at` tells which one is being done.
fn set_up(handover: Handover, at: &mut u16) -> nix::Result<std::convert::Infallible> {
    let mut root = None;
    let mut terminal = None;
    let mut sockets = Vec::new();
    let mut sources = reopen(&handover, at)?.into_iter();
    for (index, step) in handover.plan.init.iter().enumerate() {
        *at = index as u16;
        if let Step::Root { size } = step {
            root = Some(Tree::mount(*size)?);
            continue;
        }
        match (&root, step) {
            (_, Step::JoinGroups) => limits::join(&handover.groups)?,
            (_, Step::ForgetCaller) => wipe::forget_arguments_and_environment()?,
            (_, Step::DieBeforeOthers) => die_before_others(),
            (_, Step::DieWithSupervisor) => die_with_supervisor(handover.channel.as_fd())?,
            (_, Step::BecomeUser { uid, gid }) => {
                wait_for_maps(handover.channel.as_fd())?;
                become_user(*uid, *gid)?;
            }
            (_, Step::NewSession) => drop(nix::unistd::setsid()?),
            (_, Step::NewKeyring) => sys::join_new_session_keyring()?,
            (_, Step::LoopbackUp) => sys::loopback_up()?,
            (_, Step::OwnAddress(address)) => sockets.push(sys::loopback_alias(*address)?),
            (_, Step::StubSockets(at)) => sockets.extend(stub_sockets(*at)?),
            (_, Step::InspectorSocket(at)) => sockets.push(inspector_socket(*at)?),
            (_, Step::HostName(name)) => nix::unistd::sethostname(name)?,
            (_, Step::PrivateMounts) => sys::make_mounts_private()?,
            (_, Step::NoNestedNamespaces) => forbid_nested_namespaces()?,
            (_, Step::NoCoreDumps) => setrlimit(Resource::RLIMIT_CORE, 0, 0)?,
            (Some(root), Step::Bind(bind)) => do_bind(root, bind, sources.next())?,
            (Some(root), Step::Terminals) => {
                root.terminals()?;
                terminal = handover.interactive.then(|| Terminal::open(root)).transpose()?;
            }
            (_, Step::Fork) => break,
            (Some(root), step) => build(root, step)?,
            (None, _) => return Err(Errno::EINVAL),
        }
    }
    start(handover, root.ok_or(Errno::EINVAL)?, terminal, sockets)
}

/// Opens the sources of the `Bind` steps in this mount namespace, while this is still the caller: what root's profile
/// gives another user need not lie where that user could walk to.
///
/// A descriptor of the old mount namespace cannot be cloned here, so each path is opened again. What it names now must be
/// what the supervisor judged (CVE-2021-30465: swapped between check and use).
fn reopen(handover: &Handover, at: &mut u16) -> nix::Result<Vec<Source>> {
    let steps = handover.plan.init.iter().enumerate();
    let binds = steps.filter_map(|(index, step)| match step {
        Step::Bind(bind) => Some((index, bind)),
        _ => None,
    });
    let open = |((index, bind), judged): ((usize, &Bind), &Source)| {
        *at = index as u16;
        let here = Source::open(&bind.source)?;
        here.is_same(judged).then_some(here).ok_or(Errno::ESTALE)
    };
    binds.zip(&handover.sources).map(open).collect()
}

/// The steps that only touch the new root.
fn build(root: &Tree, step: &Step) -> nix::Result<()> {
    match step {
        Step::Tmpfs { at, size, mode } => root.tmpfs(at, *size, *mode),
        Step::Device { name, major, minor } => root.device(name, *major, *minor),
        Step::Proc => root.proc(),
        Step::Mask { at } => root.mask(at),
        Step::Folder { at } => root.folder(at),
        Step::Hold { at } => root.hold(at),
        Step::Link { at, target } => root.link(at, target),
        Step::File { at, content } => root.file(at, content.as_bytes()),
        Step::Pivot => root.pivot(),
        _ => Err(Errno::EINVAL),
    }
}

/// Raises what all of the box inherits (proc_pid_oom_score_adj(5)). Where /proc does not let us, only an account of who was
/// killed may be lost.
fn die_before_others() {
    const FILE: &str = "/proc/self/oom_score_adj";
    const MOST: i32 = 1000;
    let own = std::fs::read_to_string(FILE).ok();
    if let Some(own) = own.and_then(|text| text.trim().parse::<i32>().ok()) {
        let _ = std::fs::write(FILE, MOST.min(own + DIES_BEFORE).to_string());
    }
}

/// PR_SET_PDEATHSIG, then a look whether the supervisor has died before it took effect.
fn die_with_supervisor(channel: BorrowedFd) -> nix::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let mut fds = [PollFd::new(channel, PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO)?;
    match fds[0].revents() {
        Some(events) if events.contains(PollFlags::POLLHUP) => sys::exit_now(1),
        _ => Ok(()),
    }
}

/// Takes the ids of the map. The capabilities in the new user namespace stay: they do not come from the uid.
fn become_user(uid: u32, gid: u32) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    prctl::set_keepcaps(true)?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    prctl::set_keepcaps(false)?;
    let all = caps::read(None, CapSet::Permitted).map_err(|_| Errno::EPERM)?;
    caps::set(None, CapSet::Effective, &all).map_err(|_| Errno::EPERM)?;
    // The supervisor could not have written the maps of a process that is not dumpable. From here on nobody
    // may look into this one: not the server, which does not exist yet, and not its user outside.
    prctl::set_dumpable(false)
}

fn do_bind(root: &Tree, bind: &Bind, source: Option<Source>) -> nix::Result<()> {
    let source = source.ok_or(Errno::EINVAL)?;
    root.bind(&source, &bind.at, bind.access, bind.make_target)
}

/// For queries over UDP and TCP; they belong to the box's network wherever they are used.
fn stub_sockets(at: SocketAddr) -> nix::Result<[OwnedFd; 2]> {
    let udp = UdpSocket::bind(at).map_err(errno)?;
    let tcp = TcpListener::bind(at).map_err(errno)?;
    udp.set_nonblocking(true).map_err(errno)?;
    tcp.set_nonblocking(true).map_err(errno)?;
    Ok([udp.into(), tcp.into()])
}

fn inspector_socket(at: Ipv4Addr) -> nix::Result<OwnedFd> {
    let listener = TcpListener::bind((at, 0)).map_err(errno)?;
    listener.set_nonblocking(true).map_err(errno)?;
    Ok(listener.into())
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The limit of the kernel as a second layer under the filter (user_namespaces(7)).
fn forbid_nested_namespaces() -> nix::Result<()> {
    std::fs::write("/proc/sys/user/max_user_namespaces", "0").map_err(errno)
}

/// Everything is in place: say so, wait for the word, start the server and stay.
fn start(
    handover: Handover,
    root: Tree,
    terminal: Option<Terminal>,
    sockets: Vec<OwnedFd>,
) -> nix::Result<std::convert::Infallible> {
    let Handover {
        plan,
        channel,
        signals,
        server,
        ..
    } = handover;
    let rules = server::landlock(plan)?;
    drop(root);
    pause::block()?;
    let root = sys::openat2(sys::cwd(), c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
    Report::Root.send(channel.as_fd(), &[root.as_fd()])?;
    drop(root);
    let (master, slave) = terminal.map(Terminal::split).unzip();
    let fds: Vec<BorrowedFd> = master.iter().chain(&sockets).map(AsFd::as_fd).collect();
    Report::Ready.send(channel.as_fd(), &fds)?;
    drop((master, sockets));
    match fork()? {
        None => server::run(plan, server, rules, slave, channel.as_fd()),
        Some(child) => {
            drop((slave, rules));
            stay(child, channel, signals)
        }
    }
}

/// One byte says that the maps are written; end of file means the supervisor is gone.
fn wait_for_maps(channel: BorrowedFd) -> nix::Result<()> {
    loop {
        match nix::unistd::read(channel, &mut [0]) {
            Ok(1) => return Ok(()),
            Err(Errno::EINTR) => continue,
            _ => sys::exit_now(1),
        }
    }
}

/// Gives up everything that is not needed to reap and to signal, and does that until the server ends.
fn stay(server: Pid, channel: OwnedFd, signals: SigSet) -> nix::Result<std::convert::Infallible> {
    let signals = SignalFd::with_flags(&pause::and(signals), SfdFlags::SFD_CLOEXEC)?;
    let filter = compile::init().map_err(|_| Errno::EINVAL)?;
    // The standard streams go too: a client must see the end of a stream when the server closes it.
    nix::unistd::dup2_stdin(&channel)?;
    nix::unistd::dup2_stdout(&signals)?;
    sys::close_from(2)?;
    let (channel, signals) = sys::first_two();
    // More than the server has, so that it can never trace this process (ptrace(2)); of use only inside.
    let kept: CapsHashSet = [Capability::CAP_KILL].into();
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept).map_err(|_| Errno::EPERM)?;
    }
    prctl::set_no_new_privs()?;
    sys::release_code();
    sys::install_filter(&filter)?;
    loop {
        let (signal, from_outside) = read_signal(signals)?;
        if let Some(order) = pause::order(signal, from_outside) {
            let _ = kill(Pid::from_raw(-1), order);
        } else if signal != Signal::SIGCHLD as u32 {
            pass_on(server, signal as i32);
        } else if let Some(status) = reap(server) {
            end_everything();
            let _ = Report::Ended { status }.send(channel, &[]);
            sys::exit_now(0);
        }
    }
}

/// Kills and collects what the server has left behind, so that its end is the end of every process of the box.
/// The supervisor need not wait for the kernel to take the namespaces down.
fn end_everything() {
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while nix::sys::wait::wait() != Err(Errno::ECHILD) {}
}

/// The number of the next signal of a signalfd(2), and whether it comes from outside the box.
fn read_signal(signals: BorrowedFd) -> nix::Result<(u32, bool)> {
    let mut info = [0; size_of::<libc::signalfd_siginfo>()];
    loop {
        match nix::unistd::read(signals, &mut info) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno),
            // ssi_signo is the first member, ssi_code the third, ssi_pid the fourth.
            Ok(_) => {
                let member = |index: usize| {
                    let at = index * 4;
                    u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]])
                };
                // Who sends it is 0 where it has no number here. Only kill(2) and its like cannot lie about that.
                let from_outside = member(2) == libc::SI_USER as u32 && member(3) == 0;
                return Ok((member(0), from_outside));
            }
        }
    }
}

/// To the server's process group; to the server alone before it has made one.
fn pass_on(server: Pid, signal: i32) {
    let Ok(signal) = Signal::try_from(signal) else {
        return;
    };
    if kill(Pid::from_raw(-server.as_raw()), signal).is_err() {
        let _ = kill(server, signal);
    }
}

/// Collects every child that has ended; the wait status of the server if it is among them.
fn reap(server: Pid) -> Option<i32> {
    loop {
        match sys::reap_any()? {
            (pid, status) if pid == server => return Some(status),
            _ => continue,
        }
    }
}
