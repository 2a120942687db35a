//! Policy and support to plan: pure data on every operating system, printed and compared in tests.
//!
//! The order is the security argument; each step says in [`Step`] why it stands where it does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::limits::{self, Enforcement, Rlimit};
use super::places::{Brokered, Files};
use super::{etc, filter};
use crate::net::{Dns, Inspect, Network, OWN_ADDRESS};
use crate::{Access, Bytes, HomeKind, Notification, Policy, Support, Unenforceable, quote};

/// The names of the namespaces of the tier `namespaces`.
pub const NAMESPACES: [&str; 7] = ["user", "mount", "pid", "network", "ipc", "uts", "cgroup"];

/// Everything that will be done for one run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub landlock_abi: u32,
    /// What the supervisor does about the limits.
    pub limits: Enforcement,
    /// What the broker goes by; without one the box has no network and cannot connect to its own loopback either.
    pub network: Option<Network>,
    /// What the broker goes by when it opens and changes files for the server; without it the kernel does.
    pub files: Option<Files>,
    /// Done by init, PID 1 of the box.
    pub init: Vec<Step>,
    /// Done by the server's process before it becomes the server.
    pub server: Vec<Step>,
}

/// One act of set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Enter the control groups of version 1 that the supervisor has made: first, so that everything counts.
    JoinGroups,
    /// Overwrite the caller's arguments and environment, which /proc/1 would show (bubblewrap leaks secrets so).
    ForgetCaller,
    /// Let the kernel kill the box before what is the user's own, when memory is short: see [`DIES_BEFORE`].
    DieBeforeOthers,
    /// Die when the supervisor dies: directly after the change of ids, which would clear the death signal
    /// (PR_SET_PDEATHSIG(2const)). Until then, the end of the channel to the supervisor says the same.
    DieWithSupervisor,
    /// Become the user of the policy once the supervisor has written the id maps (which it does meanwhile),
    /// keeping capabilities in the new user namespace.
    BecomeUser { uid: u32, gid: u32 },
    /// A session without a controlling terminal: TIOCSTI cannot reach the user's shell (CVE-2017-5226).
    NewSession,
    /// An anonymous session keyring: the user's keys stay outside.
    NewKeyring,
    /// Bring 127.0.0.1 up in the empty network namespace.
    LoopbackUp,
    /// An address of the box's own beside the loopback's, so that programs that look for one find IPv4 usable.
    OwnAddress(Ipv4Addr),
    /// The sockets of the stub resolver, made here and handed to the supervisor.
    StubSockets(SocketAddr),
    /// Where connections that are inspected arrive, made here and handed to the supervisor.
    InspectorSocket(Ipv4Addr),
    /// A host name of our own in the UTS namespace.
    HostName(&'static str),
    /// No mount propagates in or out.
    PrivateMounts,
    /// The new root: an empty tmpfs.
    Root { size: Bytes },
    /// Memory of a fixed size.
    Tmpfs { at: PathBuf, size: Bytes, mode: u32 },
    /// A path of the host, opened without symbolic links and compared with what the supervisor opened: init does that for
    /// all of them before its first step, while it is still the caller.
    Bind(Bind),
    /// A device of the host, checked to be that device.
    Device {
        name: &'static str,
        major: u32,
        minor: u32,
    },
    /// Terminals of our own.
    Terminals,
    /// The processes of this PID namespace, read-only as a whole: no sysctl, no sysrq, no /proc/self/mem.
    Proc,
    /// Hide a file of /proc behind the null device.
    Mask { at: PathBuf },
    /// A folder of memory or of the persistent home.
    Folder { at: PathBuf },
    /// The same on the way to a mount, bound onto itself: a mount point cannot be renamed (EBUSY, rename(2)). The server
    /// would otherwise move what is mounted below to where Landlock and the broker take it for something else.
    Hold { at: PathBuf },
    /// A symbolic link of the new root.
    Link { at: PathBuf, target: PathBuf },
    /// A small synthetic file of the new root.
    File { at: PathBuf, content: String },
    /// No user namespace can be made below this one.
    NoNestedNamespaces,
    /// Make the new root the only one, and read-only.
    Pivot,
    /// No core files: they would hold secrets.
    NoCoreDumps,
    /// Fork the server; init keeps CAP_KILL alone, so the server can never trace it, and a filter of a few calls.
    Fork,
    /// Go to the working directory and make sure it lies inside (CVE-2024-21626).
    ChangeDirectory(PathBuf),
    /// Put the box's own null device in the place of standard streams that are the host's (whose mode root could change
    /// through them), and mark every descriptor from 3 up close-on-exec: until then the channel to the supervisor
    /// tells of failures.
    CloseDescriptors,
    /// Default signal handlers, nothing blocked, umask at least 022.
    ResetSignalsAndUmask,
    /// A limit that the kernel keeps per process.
    Limit { what: Rlimit, most: u64 },
    /// Keep these capabilities, drop all others from every set.
    DropCapabilities { keep: Vec<String> },
    /// No program gains rights by being executed.
    NoNewPrivileges,
    /// Path rules on the same objects that were mounted; where the ABI has them, no TCP connect past the broker, no TCP
    /// bind past it if there is one, and scopes.
    Landlock {
        abi: u32,
        rules: Vec<Rule>,
        broker: bool,
    },
    /// The system calls that may be made; last, since everything above needs more. Those of the broker wait for it.
    Filter {
        spawn: bool,
        broker: bool,
        files: Brokered,
        /// The broker is told of every file and program that the server uses.
        observe: bool,
    },
    /// Become the server.
    Execute {
        program: PathBuf,
        argv: Vec<OsString>,
        env: Vec<(OsString, OsString)>,
    },
}

/// A path of the host in the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub source: PathBuf,
    pub at: PathBuf,
    pub access: Access,
    /// Make the source directory on the host when it is missing.
    pub create_source: bool,
    /// The target lies on memory of ours and is made; elsewhere it must exist, so no stub is ever left on a disk.
    pub make_target: bool,
}

/// What Landlock allows below one path of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub at: PathBuf,
    pub rights: Rights,
    /// Rights left out, since the broker decides instead.
    pub without: Brokered,
}

/// Sets of Landlock rights by purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rights {
    /// List directories.
    List,
    /// List and read, never execute.
    Data,
    /// List, read and execute.
    Read,
    /// Read and write existing devices.
    Device,
    /// Everything.
    Write,
}

/// Size of the root: it holds only directories, links and a few small files.
const ROOT_SIZE: Bytes = Bytes(1 << 20);
/// Size of `/dev/shm`.
const SHM_SIZE: Bytes = Bytes(64 << 20);
/// By how much a process of the box is preferred when memory is short and one has to be killed, in thousandths of what there
/// is (proc_pid_oom_score_adj(5)): to a process of the user's, and to the one of ours that stays in a scope to tell of it.
pub const DIES_BEFORE: i32 = 100;

/// The character devices of the box (`admin-guide/devices` of the kernel documentation).
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Files of /proc that tell about the host as a whole.
const MASKED: [&str; 5] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/kallsyms",
];

/// More of them, which only root may read: they stay shut by their mode for everybody else.
const MASKED_FROM_ROOT: [&str; 6] = [
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/pagetypeinfo",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
];

/// Makes the plan of one run.
///
/// # Errors
/// The first part of the policy that `support` cannot enforce.
pub fn plan(policy: &Policy, support: &Support) -> Result<Plan, Unenforceable> {
    if support.landlock_abi == 0 {
        return Err(Unenforceable {
            field: "access by open descriptors".into(),
            reason: "the kernel has no Landlock, or it is switched off".into(),
            cure: "use Linux 5.13 or newer and add \"landlock\" to the lsm= list of the kernel command line"
                .into(),
        });
    }
    let limits = limits::choose(policy, support);
    let network = network(policy, support)?;
    let broker = network.is_some();
    let files = Files::of(
        policy,
        FIXED.iter().map(|(at, _)| at.into()).chain(programs(policy)),
    );
    if files.is_some() && !broker {
        return Err(no_files(policy));
    }
    if policy.observe && !broker {
        return Err(Unenforceable {
            field: "learn".into(),
            reason: "it needs the kernel to hand system calls to us, which this host does not".into(),
            cure: "learn on Linux 5.14 or newer, outside of other sandboxes; `mcp-sandbox doctor` tries it"
                .into(),
        });
    }
    Ok(Plan {
        landlock_abi: support.landlock_abi,
        init: joining(&limits)
            .chain(init(policy, network.as_ref(), files.as_ref()))
            .collect(),
        server: server(policy, support, broker, &limits, files.as_ref()),
        limits,
        network,
        files,
    })
}

/// There is nobody to ask about files.
fn no_files(policy: &Policy) -> Unenforceable {
    let (field, cure) = match policy.exclusions.is_empty() {
        false => ("exclude", "mount folders that hold nothing to be excluded"),
        true => ("access = \"write\"", "mount read-only"),
    };
    Unenforceable {
        field: format!("{field} of filesystem.mounts"),
        reason: "it needs the kernel to hand system calls to us, which this host does not".into(),
        cure: format!(
            "use Linux 5.14 or newer, outside of other sandboxes, or {cure}; `mcp-sandbox doctor` tries it"
        ),
    }
}

/// What the broker goes by, if there can be one. A box without a network can do without.
fn network(policy: &Policy, support: &Support) -> Result<Option<Network>, Unenforceable> {
    let elsewhere = "use Linux 5.14 or newer, outside of other sandboxes (WSL2: not with mirrored networking), or \
                     allow no host; `mcp-sandbox doctor` tries it";
    let (reason, cure) = match support.notification {
        Notification::Works => return Ok(Some(policy.network.clone())),
        _ if policy.network.is_empty() => return Ok(None),
        Notification::Taken => (
            "a seccomp filter with a listener holds this process already, and there can be one",
            elsewhere,
        ),
        Notification::Forbidden => (
            "kernel.yama.ptrace_scope is 3, and nobody may read where a server connects to",
            "set kernel.yama.ptrace_scope to 2 or less in /etc/sysctl.d and boot again, or allow no host",
        ),
        Notification::Missing => (
            "the kernel cannot hand system calls to us, or sockets back",
            elsewhere,
        ),
    };
    Err(Unenforceable {
        field: "network.allow".into(),
        reason: reason.into(),
        cure: cure.into(),
    })
}

/// Only groups of version 1 are joined from inside: in the others a process is started.
fn joining(limits: &Enforcement) -> impl Iterator<Item = Step> {
    let group = limits.group.as_ref();
    let joins = group.is_some_and(|group| matches!(group.place, limits::Place::Legacy(_)));
    joins.then_some(Step::JoinGroups).into_iter()
}

fn init(policy: &Policy, network: Option<&Network>, files: Option<&Files>) -> Vec<Step> {
    let user = &policy.process.user;
    let mut steps = vec![
        Step::ForgetCaller,
        Step::DieBeforeOthers,
        Step::BecomeUser {
            uid: user.uid,
            gid: user.gid,
        },
        Step::DieWithSupervisor,
        Step::NewSession,
        Step::NewKeyring,
        Step::LoopbackUp,
    ];
    steps.extend(network.into_iter().flat_map(sockets));
    steps.extend([
        Step::HostName("mcp-sandbox"),
        Step::PrivateMounts,
        Step::Root { size: ROOT_SIZE },
        Step::Tmpfs {
            at: "/tmp".into(),
            size: policy.tmp,
            mode: 0o1777,
        },
    ]);
    steps.extend(home(policy));
    let executing = programs(policy).filter(|_| home_is_brokered(policy, files));
    steps.extend(executing.map(|at| Step::Folder { at }));
    steps.extend(devices());
    steps.push(Step::Proc);
    let of_root = MASKED_FROM_ROOT.iter().filter(|_| user.uid == 0);
    steps.extend(
        MASKED
            .iter()
            .chain(of_root)
            .map(|at| Step::Mask { at: at.into() }),
    );
    steps.extend(policy.links.iter().map(|link| Step::Link {
        at: link.at.clone(),
        target: link.target.clone(),
    }));
    steps.extend(
        etc::files(policy, network)
            .into_iter()
            .map(|(at, content)| Step::File {
                at: at.into(),
                content,
            }),
    );
    steps.extend(var_tmp(policy));
    if files.is_some() {
        steps.extend(ways(policy).into_iter().map(|at| Step::Hold { at }));
    }
    steps.extend(binds(policy).into_iter().map(Step::Bind));
    steps.extend([
        Step::NoNestedNamespaces,
        Step::Pivot,
        Step::NoCoreDumps,
        Step::Fork,
    ]);
    steps
}

/// What the broker needs of the network namespace.
fn sockets(network: &Network) -> Vec<Step> {
    let mut steps = vec![Step::OwnAddress(OWN_ADDRESS)];
    if network.dns == Dns::Filtered {
        steps.push(Step::StubSockets(etc::STUB));
    }
    if network.inspect == Inspect::Sni {
        steps.push(Step::InspectorSocket(Ipv4Addr::LOCALHOST));
    }
    steps
}

/// The mounts of the policy, and what holds them in place; an outer target comes before an inner one.
fn binds(policy: &Policy) -> Vec<Bind> {
    let mounts = policy.mounts.iter().map(|mount| Bind {
        source: mount.source.clone(),
        at: mount.at.clone(),
        access: mount.access,
        create_source: mount.create,
        make_target: !policy
            .mounts
            .iter()
            .any(|outer| outer.at != mount.at && mount.at.starts_with(&outer.at)),
    });
    let mut binds: Vec<Bind> = mounts.chain(holds(policy)).collect();
    binds.sort_by(|one, two| one.at.cmp(&two.at));
    binds
}

/// Every folder of the home or of memory on the way to a mount, an outer one first.
fn ways(policy: &Policy) -> BTreeSet<PathBuf> {
    let bases = [Path::new("/tmp"), Path::new("/dev/shm"), &policy.home.at];
    let mounted = |at: &Path| policy.mounts.iter().any(|mount| at.starts_with(&mount.at));
    let above = policy
        .mounts
        .iter()
        .flat_map(|mount| mount.at.ancestors().skip(1));
    let writable = |at: &&Path| bases.iter().any(|base| at.starts_with(base) && at != base);
    let made = |at: &&Path| *at != policy.home.at && !mounted(at);
    above.filter(writable).filter(made).map(Path::to_owned).collect()
}

/// Every directory between a mount and a writable one around it, bound onto itself: a mount point cannot be
/// renamed (EBUSY, rename(2)), any other directory could, and the server would put its own where the mount was. The
/// Landlock rule of the writable mount covers them.
fn holds(policy: &Policy) -> Vec<Bind> {
    let mounts = &policy.mounts;
    let between: BTreeSet<&Path> = mounts
        .iter()
        .flat_map(|mount| mount.at.ancestors().skip(1))
        .collect();
    let hold = |at: &Path| {
        let around = mounts.iter().filter(|outer| at.starts_with(&outer.at));
        let outer = around.max_by_key(|outer| outer.at.components().count())?;
        let inner = at.strip_prefix(&outer.at).ok()?;
        let movable = outer.access == Access::Write && outer.at != at;
        movable.then(|| Bind {
            source: outer.source.join(inner),
            at: at.to_owned(),
            access: Access::Write,
            create_source: false,
            make_target: false,
        })
    };
    between.into_iter().filter_map(hold).collect()
}

/// `/var/tmp` is `/tmp`, unless something of the host is shown there.
fn var_tmp(policy: &Policy) -> Option<Step> {
    let at = Path::new("/var/tmp");
    let mut places = policy
        .mounts
        .iter()
        .map(|mount| &mount.at)
        .chain([&policy.home.at]);
    let taken = places.any(|place| place.starts_with(at) || at.starts_with(place));
    (!taken).then(|| Step::Link {
        at: at.into(),
        target: "/tmp".into(),
    })
}

fn home(policy: &Policy) -> Option<Step> {
    let at = policy.home.at.clone();
    Some(match &policy.home.kind {
        HomeKind::Ephemeral(size) => Step::Tmpfs {
            at,
            size: *size,
            mode: 0o700,
        },
        HomeKind::Persistent(source) => Step::Bind(Bind {
            source: source.clone(),
            at,
            access: Access::Write,
            create_source: true,
            make_target: true,
        }),
    })
}

fn devices() -> impl Iterator<Item = Step> {
    let nodes = DEVICES
        .iter()
        .map(|&(name, major, minor)| Step::Device { name, major, minor });
    let links = DEVICE_LINKS.iter().map(|(at, target)| Step::Link {
        at: at.into(),
        target: target.into(),
    });
    nodes
        .chain([
            Step::Terminals,
            Step::Tmpfs {
                at: "/dev/shm".into(),
                size: SHM_SIZE,
                mode: 0o1777,
            },
        ])
        .chain(links)
}

/// Folders of the home that programs are installed into. Where the home around them is the broker's, they stay the
/// kernel's, which executes nothing else there.
const PROGRAMS: [&str; 3] = [".cache", ".local", ".npm"];

fn programs(policy: &Policy) -> impl Iterator<Item = PathBuf> {
    let home = policy.home.at.clone();
    let mounted = |at: &PathBuf| !policy.mounts.iter().any(|mount| mount.at == *at);
    PROGRAMS
        .into_iter()
        .map(move |name| home.join(name))
        .filter(mounted)
}

fn home_is_brokered(policy: &Policy, files: Option<&Files>) -> bool {
    files.is_some_and(|files| files.brokered_at(&policy.home.at).any())
}

fn server(
    policy: &Policy,
    support: &Support,
    broker: bool,
    limits: &Enforcement,
    files: Option<&Files>,
) -> Vec<Step> {
    let mut steps = vec![
        Step::NewSession,
        Step::ChangeDirectory(policy.command.cwd.clone()),
        Step::CloseDescriptors,
        Step::ResetSignalsAndUmask,
    ];
    let rlimits = limits.rlimits.iter();
    steps.extend(rlimits.map(|&(what, most)| Step::Limit { what, most }));
    steps.extend([
        Step::DropCapabilities {
            keep: policy.process.capabilities.clone(),
        },
        Step::NoNewPrivileges,
        Step::Landlock {
            abi: support.landlock_abi,
            rules: rules(policy, files),
            broker,
        },
        Step::Filter {
            spawn: policy.process.spawn,
            broker,
            files: files.map(Files::brokered).unwrap_or_default(),
            observe: policy.observe,
        },
        Step::Execute {
            program: policy.command.program.clone(),
            argv: policy.command.argv.clone(),
            env: policy.process.env.clone(),
        },
    ]);
    steps
}

/// What every box has.
const FIXED: [(&str, Rights); 6] = [
    ("/", Rights::List),
    ("/etc", Rights::Data),
    ("/proc", Rights::Data),
    ("/dev", Rights::Device),
    ("/dev/shm", Rights::Write),
    ("/tmp", Rights::Write),
];

/// One rule per place of the box, from the same list the mounts come from.
fn rules(policy: &Policy, files: Option<&Files>) -> Vec<Rule> {
    let rule = |at: &Path, rights| Rule {
        at: at.to_owned(),
        rights,
        without: files.map(|files| files.brokered_at(at)).unwrap_or_default(),
    };
    let fixed = FIXED.map(|(at, rights)| rule(Path::new(at), rights));
    let home = rule(&policy.home.at, Rights::Write);
    let executing = programs(policy).filter(|_| home_is_brokered(policy, files));
    let executing = executing.map(|at| rule(&at, Rights::Write));
    let mounts = policy.mounts.iter().map(|mount| {
        let rights = match mount.access {
            Access::Write => Rights::Write,
            Access::Read if mount.at.starts_with("/etc") => Rights::Data,
            Access::Read => Rights::Read,
        };
        rule(&mount.at, rights)
    });
    fixed
        .into_iter()
        .chain([home])
        .chain(executing)
        .chain(mounts)
        .collect()
}

impl Plan {
    /// The plan as numbered lines for `--dry-run`.
    pub fn lines(&self) -> Vec<String> {
        let supervisor = [
            "leave the groups of root, if the server becomes another user".to_string(),
            "open terminals on stdout and stderr again, for writing only, unless the server gets its own"
                .to_string(),
            format!("clone into new namespaces: {}", NAMESPACES.join(", ")),
            "write the id maps: one user, one group, setgroups denied".to_string(),
        ];
        let limits = self.limits.lines();
        let steps = supervisor
            .into_iter()
            .chain(limits)
            .map(|line| ("supervisor", line))
            .chain(self.init.iter().map(|step| ("init", step.to_string())))
            .chain(self.server.iter().map(|step| ("server", step.to_string())));
        steps
            .enumerate()
            .map(|(index, (who, line))| format!("{:>3} {who:<10} {line}", index + 1))
            .collect()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| quote(path);
        match self {
            Step::JoinGroups => f.write_str("join the control groups"),
            Step::ForgetCaller => f.write_str("overwrite the caller's arguments and environment"),
            Step::DieBeforeOthers => write!(f, "oom_score_adj up by {DIES_BEFORE}"),
            Step::DieWithSupervisor => f.write_str("die when the supervisor dies"),
            Step::BecomeUser { uid, gid } => {
                write!(f, "become user {uid}, group {gid} when the id maps are written")
            }
            Step::NewSession => f.write_str("start a session without the caller's terminal"),
            Step::NewKeyring => f.write_str("join an empty session keyring"),
            Step::LoopbackUp => f.write_str("bring up the loopback of the empty network namespace"),
            Step::OwnAddress(address) => write!(f, "give the loopback the address {address}"),
            Step::StubSockets(at) => write!(f, "open the resolver's sockets at {at} and hand them out"),
            Step::InspectorSocket(at) => write!(f, "open the inspector's socket at {at} and hand it out"),
            Step::HostName(name) => write!(f, "call the host {name}"),
            Step::PrivateMounts => f.write_str("make every mount private"),
            Step::Root { size } => write!(f, "mount an empty root of {size}"),
            Step::Tmpfs { at, size, mode } => {
                write!(f, "mount {size} of memory at {} with mode {mode:04o}", path(at))
            }
            Step::Bind(bind) => write!(f, "{bind}"),
            Step::Device { name, major, minor } => write!(f, "show the device /dev/{name} ({major}:{minor})"),
            Step::Terminals => f.write_str("mount private terminals at /dev/pts"),
            Step::Proc => f.write_str("mount /proc of this box, read-only"),
            Step::Mask { at } => write!(f, "hide {} if it exists", path(at)),
            Step::Folder { at } => write!(f, "make the folder {}", path(at)),
            Step::Hold { at } => write!(f, "make the folder {} and hold it in place", path(at)),
            Step::Link { at, target } => write!(f, "link {} to {}", path(at), path(target)),
            Step::File { at, content } => write!(f, "write {} ({} bytes)", path(at), content.len()),
            Step::NoNestedNamespaces => f.write_str("allow no namespace below this one"),
            Step::Pivot => f.write_str("make the new root the only one, read-only"),
            Step::NoCoreDumps => f.write_str("forbid core dumps"),
            Step::Fork => f.write_str("fork the server; keep CAP_KILL and a filter of a few calls"),
            Step::ChangeDirectory(to) => write!(f, "go to {} and check that it lies inside", path(to)),
            Step::CloseDescriptors => {
                f.write_str("take the box's own null device; close every descriptor from 3 up on execution")
            }
            Step::ResetSignalsAndUmask => f.write_str("reset signal handlers and mask; umask at least 022"),
            Step::Limit { what, most } => write!(f, "limit {what} to {most}"),
            Step::DropCapabilities { keep } if keep.is_empty() => f.write_str("drop all capabilities"),
            Step::DropCapabilities { keep } => write!(f, "drop all capabilities but {}", keep.join(", ")),
            Step::NoNewPrivileges => f.write_str("set no_new_privs"),
            Step::Landlock { abi, rules, broker } => {
                // The ABIs that brought them (kernel document userspace-api/landlock, "Previous limitations").
                let connect = match (*abi >= 4, broker) {
                    (true, true) => ", no TCP connect or bind",
                    (true, false) => ", no TCP connect",
                    (false, _) => "",
                };
                let scopes = if *abi >= 6 { ", scopes" } else { "" };
                let brokered = match rules.iter().any(|rule| rule.without.any()) {
                    true => ", none for files that are the broker's",
                    false => "",
                };
                let rules = rules.len();
                write!(
                    f,
                    "enforce Landlock ABI {abi}: {rules} path rules{brokered}{connect}{scopes}"
                )
            }
            Step::Filter {
                spawn,
                broker,
                files,
                observe,
            } => {
                let children = if *spawn { "" } else { ", no child processes" };
                let calls = filter::allowed_names().count();
                write!(f, "allow {calls} system calls{children}")?;
                if *broker {
                    write!(f, "; {} wait for the broker", filter::BROKERED.calls.join(", "))?;
                }
                f.write_str(match (files.reads, files.writes) {
                    (true, true) => ", so does what opens or changes files",
                    (true, false) => ", so does what opens files",
                    (false, true) => ", so does what changes files",
                    (false, false) => "",
                })?;
                f.write_str(match observe {
                    true => "; it is told of every file and program",
                    false => "",
                })
            }
            Step::Execute { program, argv, env } => {
                write!(
                    f,
                    "execute {} with {} arguments and {} variables",
                    path(program),
                    argv.len(),
                    env.len()
                )
            }
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Read => "read-only",
            Access::Write => "writable",
        };
        write!(f, "bind {} at {}, {access}", quote(&self.source), quote(&self.at))?;
        if self.create_source {
            f.write_str(", made if missing")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
