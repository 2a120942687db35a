//! Which mechanism enforces each limit on this host: pure data, strongest first.
//!
//! A control group bounds the box as a whole, in the kernel. Where none is to be had, rlimits bound each process and
//! the supervisor watches the whole.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::limits::time;
use crate::{Access, Bytes, Groups, HomeKind, Kind, Legacy, Limit, Limits, Percent, Policy, Support};

/// How the limits of one run are enforced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enforcement {
    /// One entry per limit, in the order of [`Kind`].
    pub chosen: Vec<Chosen>,
    pub group: Option<Group>,
    /// Set in the server's process, for it and all its children.
    pub rlimits: Vec<(Rlimit, u64)>,
    pub watch: Watch,
}

/// One limit and its mechanism.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chosen {
    pub kind: Kind,
    /// As profiles write it.
    pub value: String,
    pub by: Means,
    /// The line that sets it.
    pub reason: String,
}

/// A mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// A group of the unified hierarchy, made by us.
    CgroupV2,
    /// A group of the unified hierarchy, made by systemd.
    SystemdScope,
    /// Groups of the hierarchies of version 1.
    CgroupV1,
    /// setrlimit(2).
    Rlimit,
    /// The supervisor looks at the box from time to time.
    Supervisor,
    /// A rlimit for each process, the supervisor for all of them.
    RlimitAndSupervisor,
    /// Memory of a fixed size, and the supervisor for what is mounted writable.
    TmpfsAndSupervisor,
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Means::CgroupV2 => "cgroup v2",
            Means::SystemdScope => "systemd scope",
            Means::CgroupV1 => "cgroup v1",
            Means::Rlimit => "rlimit",
            Means::Supervisor => "supervisor",
            Means::RlimitAndSupervisor => "rlimit and supervisor",
            Means::TmpfsAndSupervisor => "tmpfs and supervisor",
        })
    }
}

/// A control group for the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub place: Place,
    pub memory: Option<Bytes>,
    /// Init is not counted.
    pub processes: Option<u32>,
    pub cpu: Option<Percent>,
}

impl Group {
    pub fn means(&self) -> Means {
        match self.place {
            Place::Unified { .. } => Means::CgroupV2,
            Place::Scope { .. } => Means::SystemdScope,
            Place::Legacy(_) => Means::CgroupV1,
        }
    }
}

/// Where the group is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Unified { parent: PathBuf },
    Scope { bus: PathBuf },
    Legacy(Legacy),
}

/// A limit of a process (getrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rlimit {
    /// Per user and user namespace, init included.
    Processes,
    /// What a process may have of memory of its own to write to. Not RLIMIT_AS: V8 and Go reserve far more than they use.
    Data,
    OpenFiles,
    FileSize,
}

impl fmt::Display for Rlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rlimit::Processes => "processes and threads",
            Rlimit::Data => "bytes of private memory in each process",
            Rlimit::OpenFiles => "open files in each process",
            Rlimit::FileSize => "bytes in each file",
        })
    }
}

/// What the supervisor looks after.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    pub memory: Option<Bytes>,
    pub processes: Option<u32>,
    pub cpu: Option<Percent>,
    pub disk: Option<Bytes>,
    /// Paths of the host that the server can write to.
    pub writable: Vec<PathBuf>,
    /// Paths of the box that are memory.
    pub private: Vec<PathBuf>,
    pub timeout: Option<Duration>,
    pub idle: Option<Duration>,
}

/// How far RLIMIT_DATA lies above the limit of the memory: stacks and arenas count there in full, touched or not.
const UNTOUCHED: u64 = 256 << 20;

/// Chooses for every limit of the policy.
pub fn choose(policy: &Policy, support: &Support) -> Enforcement {
    let limits = &policy.limits;
    let mut choice = Enforcement {
        group: group(limits, &support.groups),
        ..Enforcement::default()
    };
    if let Some(limit) = &limits.memory {
        choice.memory(limit);
    }
    if let Some(limit) = &limits.cpu {
        let by = choice.grouped(|group| group.cpu.is_some());
        choice.watch.cpu = by.is_none().then_some(limit.value);
        choice.add(Kind::Cpu, limit, by.unwrap_or(Means::Supervisor));
    }
    if let Some(limit) = &limits.processes {
        choice.processes(limit, support);
    }
    for (kind, rlimit, most, limit) in [
        limits.open_files.as_ref().map(|limit| {
            let most = u64::from(limit.value);
            (Kind::OpenFiles, Rlimit::OpenFiles, most, shown(limit))
        }),
        limits
            .file_size
            .as_ref()
            .map(|limit| (Kind::FileSize, Rlimit::FileSize, limit.value.0, shown(limit))),
    ]
    .into_iter()
    .flatten()
    {
        choice.rlimits.push((rlimit, most));
        choice.add(kind, &limit, Means::Rlimit);
    }
    if let Some(limit) = &limits.disk {
        choice.watch.disk = Some(limit.value);
        choice.add(Kind::Disk, limit, Means::TmpfsAndSupervisor);
    }
    let clock = |kind, limit: &Limit<Duration>| Chosen {
        kind,
        value: time(limit.value),
        by: Means::Supervisor,
        reason: limit.reason.clone(),
    };
    choice.watch.timeout = limits.timeout.as_ref().map(|limit| limit.value);
    choice.watch.idle = limits.idle.as_ref().map(|limit| limit.value);
    let timeout = limits.timeout.as_ref().map(|limit| clock(Kind::Timeout, limit));
    let idle = limits.idle.as_ref().map(|limit| clock(Kind::Idle, limit));
    choice.chosen.extend(timeout.into_iter().chain(idle));
    choice.chosen.sort_by_key(|chosen| chosen.kind);
    choice.watch.writable = writable(policy);
    choice.watch.private = private(policy);
    choice
}

impl Enforcement {
    fn memory(&mut self, limit: &Limit<Bytes>) {
        let by = self.grouped(|group| group.memory.is_some());
        if by.is_none() {
            self.watch.memory = Some(limit.value);
            self.rlimits
                .push((Rlimit::Data, limit.value.0.saturating_add(UNTOUCHED)));
        }
        self.add(Kind::Memory, limit, by.unwrap_or(Means::RlimitAndSupervisor));
    }

    fn processes(&mut self, limit: &Limit<u32>, support: &Support) {
        let by = match self.grouped(|group| group.processes.is_some()) {
            Some(by) => by,
            None if support.counts_processes => {
                self.rlimits.push((Rlimit::Processes, u64::from(limit.value) + 1));
                Means::Rlimit
            }
            None => {
                self.watch.processes = Some(limit.value);
                Means::Supervisor
            }
        };
        self.add(Kind::Processes, limit, by);
    }

    fn grouped(&self, limits: impl Fn(&Group) -> bool) -> Option<Means> {
        let group = self.group.as_ref().filter(|group| limits(group))?;
        Some(group.means())
    }

    fn add<T: fmt::Display>(&mut self, kind: Kind, limit: &Limit<T>, by: Means) {
        self.chosen.push(Chosen {
            kind,
            value: limit.value.to_string(),
            by,
            reason: limit.reason.clone(),
        });
    }

    /// What the supervisor does for the limits, a line each for `--dry-run`.
    pub fn lines(&self) -> Vec<String> {
        let group = self.group.as_ref().map(ToString::to_string);
        let watch = &self.watch;
        let memory = watch.memory.map(|most| format!("memory {most}"));
        let processes = watch
            .processes
            .map(|most| format!("{most} processes and threads"));
        let cpu = watch.cpu.map(|most| format!("cpu {most}"));
        let growth = |most| format!("writable mounts grow by {most}");
        let disk = watch.disk.filter(|_| !watch.writable.is_empty()).map(growth);
        let timeout = watch.timeout.map(|most| format!("timeout {}", time(most)));
        let idle = watch.idle.map(|most| format!("idle {}", time(most)));
        let watched: Vec<String> = [memory, processes, cpu, disk, timeout, idle]
            .into_iter()
            .flatten()
            .collect();
        let watched = (!watched.is_empty()).then(|| format!("watch: {}", watched.join(", ")));
        group.into_iter().chain(watched).collect()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Unified { parent } => format!("make a control group below {}", crate::quote(parent)),
            Place::Scope { .. } => "ask systemd for a scope".into(),
            Place::Legacy(_) => "make control groups of version 1".into(),
        };
        let memory = self.memory.map(|most| format!("memory {most}, no more by swap"));
        let processes = self
            .processes
            .map(|most| format!("{most} processes and threads beside init"));
        let cpu = self.cpu.map(|most| format!("cpu {most}"));
        let limits: Vec<String> = [memory, processes, cpu].into_iter().flatten().collect();
        write!(f, "{place}: {}", limits.join(", "))
    }
}

/// A count or size as text, whichever it is.
fn shown<T: fmt::Display>(limit: &Limit<T>) -> Limit<String> {
    Limit {
        value: limit.value.to_string(),
        reason: limit.reason.clone(),
    }
}

/// The group for what the first place that can limit anything of it can limit; nothing where no group is wanted.
pub fn group(limits: &Limits, groups: &Groups) -> Option<Group> {
    let unified = groups.unified.as_ref().map(|unified| {
        let parent = unified.parent.clone();
        (Place::Unified { parent }, unified.controllers.clone())
    });
    let scope = groups.manager.as_ref().map(|manager| {
        let bus = manager.bus.clone();
        (Place::Scope { bus }, manager.controllers.clone())
    });
    let legacy = &groups.legacy;
    let controllers = [
        ("memory", &legacy.memory),
        ("pids", &legacy.pids),
        ("cpu", &legacy.cpu),
    ];
    let names = controllers
        .into_iter()
        .filter(|(_, parent)| parent.is_some())
        .map(|(name, _)| name.to_string());
    let legacy = (Place::Legacy(legacy.clone()), names.collect());
    let places = [unified, scope, Some(legacy)];
    places.into_iter().flatten().find_map(|(place, controllers)| {
        let can = |name: &str| controllers.iter().any(|one| one == name);
        let group = Group {
            place,
            memory: limits
                .memory
                .as_ref()
                .filter(|_| can("memory"))
                .map(|limit| limit.value),
            processes: limits
                .processes
                .as_ref()
                .filter(|_| can("pids"))
                .map(|limit| limit.value),
            cpu: limits
                .cpu
                .as_ref()
                .filter(|_| can("cpu"))
                .map(|limit| limit.value),
        };
        let any = group.memory.is_some() || group.processes.is_some() || group.cpu.is_some();
        any.then_some(group)
    })
}

fn writable(policy: &Policy) -> Vec<PathBuf> {
    let mounts = policy.mounts.iter().filter(|mount| mount.access == Access::Write);
    let home = match &policy.home.kind {
        HomeKind::Persistent(source) => Some(source.clone()),
        HomeKind::Ephemeral(_) => None,
    };
    mounts.map(|mount| mount.source.clone()).chain(home).collect()
}

fn private(policy: &Policy) -> Vec<PathBuf> {
    let home = match policy.home.kind {
        HomeKind::Ephemeral(_) => Some(policy.home.at.clone()),
        HomeKind::Persistent(_) => None,
    };
    ["/tmp".into(), "/dev/shm".into()]
        .into_iter()
        .chain(home)
        .collect()
}
