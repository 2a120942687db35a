//! The system calls the server may make: one table, a reason per group.
//!
//! An allow-list: what is not named answers ENOSYS, as an older kernel would, so that C libraries fall
//! back (clone3 to clone, whose flags a filter can see). Calls in [`REFUSED`] answer EPERM instead, since
//! programs know that answer from them. Numbers of the x32 table never match and get ENOSYS.

/// A set of calls with the reason why the server may make them.
pub struct Group {
    pub reason: &'static str,
    pub calls: &'static [&'static str],
}

/// Calls allowed whatever their arguments.
pub const ALLOWED: &[Group] = &[
    Group {
        reason: "read and write open descriptors",
        calls: &[
            "read",
            "write",
            "readv",
            "writev",
            "pread64",
            "pwrite64",
            "preadv",
            "pwritev",
            "preadv2",
            "pwritev2",
            "lseek",
            "close",
            "close_range",
            "dup",
            "dup2",
            "dup3",
            "fcntl",
            "flock",
            "fsync",
            "fdatasync",
            "sync",
            "syncfs",
            "sync_file_range",
            "ftruncate",
            "fadvise64",
            "readahead",
            "sendfile",
            "splice",
            "tee",
            "vmsplice",
            "copy_file_range",
            "pipe",
            "pipe2",
            "cachestat",
        ],
    },
    Group {
        reason: "find, open and change files; mounts and Landlock decide which",
        calls: &[
            "open",
            "openat",
            "openat2",
            "creat",
            "stat",
            "lstat",
            "fstat",
            "newfstatat",
            "statx",
            "statfs",
            "fstatfs",
            "access",
            "faccessat",
            "faccessat2",
            "readlink",
            "readlinkat",
            "getdents",
            "getdents64",
            "getcwd",
            "chdir",
            "fchdir",
            "mkdir",
            "mkdirat",
            "rmdir",
            "unlink",
            "unlinkat",
            "rename",
            "renameat",
            "renameat2",
            "link",
            "linkat",
            "symlink",
            "symlinkat",
            "mknod",
            "mknodat",
            "truncate",
            "chmod",
            "fchmod",
            "fchmodat",
            "fchmodat2",
            "chown",
            "lchown",
            "fchown",
            "fchownat",
            "umask",
            "utime",
            "utimes",
            "futimesat",
            "utimensat",
            "getxattr",
            "lgetxattr",
            "fgetxattr",
            "listxattr",
            "llistxattr",
            "flistxattr",
            "setxattr",
            "lsetxattr",
            "fsetxattr",
            "removexattr",
            "lremovexattr",
            "fremovexattr",
            "inotify_init",
            "inotify_init1",
            "inotify_add_watch",
            "inotify_rm_watch",
        ],
    },
    Group {
        reason: "memory",
        calls: &[
            "brk",
            "mmap",
            "munmap",
            "mremap",
            "mprotect",
            "madvise",
            "msync",
            "mincore",
            "mlock",
            "mlock2",
            "munlock",
            "mlockall",
            "munlockall",
            "memfd_create",
            "memfd_secret",
            "mseal",
            "pkey_alloc",
            "pkey_free",
            "pkey_mprotect",
            "membarrier",
            "remap_file_pages",
            "get_mempolicy",
            "map_shadow_stack",
        ],
    },
    Group {
        reason: "processes and threads of its own",
        calls: &[
            "execve",
            "execveat",
            "exit",
            "exit_group",
            "wait4",
            "waitid",
            "getpid",
            "getppid",
            "gettid",
            "getpgid",
            "getpgrp",
            "setpgid",
            "getsid",
            "setsid",
            "set_tid_address",
            "set_robust_list",
            "get_robust_list",
            "futex",
            "futex_waitv",
            "futex_wake",
            "futex_wait",
            "futex_requeue",
            "rseq",
            "arch_prctl",
            "prctl",
            "pidfd_open",
            "pidfd_send_signal",
            "sched_yield",
            "sched_getaffinity",
            "sched_setaffinity",
            "sched_getparam",
            "sched_setparam",
            "sched_getscheduler",
            "sched_setscheduler",
            "sched_getattr",
            "sched_setattr",
            "sched_get_priority_max",
            "sched_get_priority_min",
            "sched_rr_get_interval",
            "getpriority",
            "setpriority",
            "ioprio_get",
            "ioprio_set",
            "getcpu",
            "restart_syscall",
            "uretprobe",
        ],
    },
    Group {
        reason: "signals; the PID namespace bounds whom they reach",
        calls: &[
            "kill",
            "tkill",
            "tgkill",
            "rt_sigaction",
            "rt_sigprocmask",
            "rt_sigpending",
            "rt_sigqueueinfo",
            "rt_tgsigqueueinfo",
            "rt_sigreturn",
            "rt_sigsuspend",
            "rt_sigtimedwait",
            "sigaltstack",
            "signalfd",
            "signalfd4",
            "pause",
            "alarm",
        ],
    },
    Group {
        reason: "time; reading clocks and waiting",
        calls: &[
            "clock_gettime",
            "clock_getres",
            "clock_nanosleep",
            "nanosleep",
            "gettimeofday",
            "time",
            "times",
            "getitimer",
            "setitimer",
            "timer_create",
            "timer_settime",
            "timer_gettime",
            "timer_getoverrun",
            "timer_delete",
            "timerfd_create",
            "timerfd_settime",
            "timerfd_gettime",
        ],
    },
    Group {
        reason: "wait for events",
        calls: &[
            "poll",
            "ppoll",
            "select",
            "pselect6",
            "epoll_create",
            "epoll_create1",
            "epoll_ctl",
            "epoll_ctl_old",
            "epoll_wait",
            "epoll_wait_old",
            "epoll_pwait",
            "epoll_pwait2",
            "eventfd",
            "eventfd2",
            "io_setup",
            "io_destroy",
            "io_submit",
            "io_cancel",
            "io_getevents",
            "io_pgetevents",
        ],
    },
    Group {
        reason: "sockets; the empty network namespace bounds whom they reach",
        calls: &[
            "socketpair",
            "accept",
            "accept4",
            "getsockname",
            "getpeername",
            "getsockopt",
            "shutdown",
            "recvfrom",
            "recvmsg",
            "recvmmsg",
        ],
    },
    Group {
        reason: "communication inside the IPC namespace",
        calls: &[
            "shmget",
            "shmat",
            "shmdt",
            "shmctl",
            "semget",
            "semop",
            "semtimedop",
            "semctl",
            "msgget",
            "msgsnd",
            "msgrcv",
            "msgctl",
            "mq_open",
            "mq_unlink",
            "mq_timedsend",
            "mq_timedreceive",
            "mq_notify",
            "mq_getsetattr",
        ],
    },
    Group {
        reason: "who and where am I, and limits that can only be lowered",
        calls: &[
            "getuid",
            "geteuid",
            "getgid",
            "getegid",
            "getgroups",
            "getresuid",
            "getresgid",
            "setuid",
            "setgid",
            "setreuid",
            "setregid",
            "setresuid",
            "setresgid",
            "setfsuid",
            "setfsgid",
            "setgroups",
            "capget",
            "capset",
            "uname",
            "sysinfo",
            "getrusage",
            "getrlimit",
            "setrlimit",
            "prlimit64",
            "getrandom",
        ],
    },
    Group {
        reason: "restrict itself further",
        calls: &[
            "seccomp",
            "landlock_create_ruleset",
            "landlock_add_rule",
            "landlock_restrict_self",
        ],
    },
];

/// Calls that make a process; left out of the list when the profile says `spawn = false`.
pub const SPAWN: Group = Group {
    reason: "child processes",
    calls: &["fork", "vfork"],
};

/// Calls that the broker performs. Without a broker they are the kernel's.
pub const BROKERED: Group = Group {
    reason: "what ties a socket to a place; the broker decides which",
    calls: &["connect", "bind", "listen"],
};

/// Calls that the broker is told of and the kernel carries out. Without a broker they are the kernel's alone.
pub const TOLD: Group = Group {
    reason: "what watches sockets: one that was watched before it is connected must be watched after",
    calls: &["epoll_create", "epoll_create1"],
};

/// Which arguments of setsockopt(2) are the option's level and number.
pub const SET_OPTION: [u8; 2] = [1, 2];

/// Options of sockets, a level and a number each, that the broker is told of when one is set: few programs do, so a
/// connection need not be asked for each of them. The kernel sets them. The names are those of socket(7), tcp(7), ip(7) and
/// ipv6(7).
pub const TOLD_OPTIONS: &[(u32, u32)] = &[
    // SO_SNDBUF, SO_RCVBUF, SO_OOBINLINE, SO_PRIORITY, SO_LINGER, SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, SO_TIMESTAMP,
    // SO_ZEROCOPY; SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW
    (1, 7),
    (1, 8),
    (1, 10),
    (1, 12),
    (1, 13),
    (1, 18),
    (1, 20),
    (1, 21),
    (1, 29),
    (1, 60),
    (1, 66),
    (1, 67),
    // TCP_SYNCNT, TCP_LINGER2, TCP_CONGESTION, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT
    (6, 7),
    (6, 8),
    (6, 13),
    (6, 18),
    (6, 25),
    // IP_TOS, IP_TTL
    (0, 1),
    (0, 2),
    // IPV6_UNICAST_HOPS, IPV6_TCLASS
    (41, 16),
    (41, 67),
];

/// Calls that change files or their names; the broker performs them where a mount is writable.
pub const CHANGES: Group = Group {
    reason: "what changes a file or its name; the broker decides which",
    calls: &[
        "creat",
        "truncate",
        "mkdir",
        "mkdirat",
        "mknod",
        "mknodat",
        "symlink",
        "symlinkat",
        "link",
        "linkat",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
        "rmdir",
    ],
};

/// Calls that open a file, and which argument holds the flags. `openat2`, whose flags a filter cannot see, does not exist
/// where the broker opens files: programs fall back, as on Linux before 5.6.
pub const OPENS: [(&str, u8); 2] = [("open", 1), ("openat", 2)];

/// Calls allowed with certain arguments only, compared as the kernel compares them. A call with several rows must pass
/// each, in this order.
pub const ARGUMENTS: &[(&str, Argument, Answer)] = &[
    // CLONE_NEW*: capabilities in a new user namespace open the whole mount and network surface of the kernel.
    (
        "clone",
        Argument::NoneOf {
            index: 0,
            bits: NAMESPACE_FLAGS,
        },
        Answer::NotPermitted,
    ),
    (
        "unshare",
        Argument::NoneOf {
            index: 0,
            bits: NAMESPACE_FLAGS,
        },
        Answer::NotPermitted,
    ),
    // TIOCSTI, TIOCLINUX, TIOCCONS: type into or take over a terminal (CVE-2017-5226, CVE-2023-28100). TIOCSETD,
    // TIOCEXCL, TIOCNXCL, TIOCVHANGUP: the user's terminal may be on stderr, where another line discipline, a lock
    // against every other open or a hang-up would take it from the user. The kernel compares 32 bits, so do we
    // (CVE-2019-10063).
    (
        "ioctl",
        Argument::NotIn {
            index: 1,
            values: &[0x5412, 0x541c, 0x541d, 0x5423, 0x540c, 0x540d, 0x5437],
        },
        Answer::NotPermitted,
    ),
    // BTRFS_IOC_SNAP_CREATE, _SUBVOL_CREATE, _SNAP_DESTROY and their second versions, BCH_IOCTL_SUBVOLUME_CREATE and
    // _DESTROY: they make and remove names through an open folder, past Landlock and whoever judges names.
    (
        "ioctl",
        Argument::NotIn {
            index: 1,
            values: &[
                0x5000_9401,
                0x5000_940e,
                0x5000_940f,
                0x5000_9417,
                0x5000_9418,
                0x5000_943f,
                0x4020_bc10,
                0x4020_bc11,
            ],
        },
        Answer::NotPermitted,
    ),
    // FS_IOC_RESVSP, FS_IOC_RESVSP64 and FS_IOC_ZERO_RANGE are fallocate(2) with FALLOC_FL_KEEP_SIZE by another name.
    (
        "ioctl",
        Argument::NotIn {
            index: 1,
            values: &[0x4030_5828, 0x4030_582a, 0x4030_5839],
        },
        Answer::NotSupported,
    ),
    // fallocate(2) as it grows a file, and with FALLOC_FL_PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE and UNSHARE_RANGE. With
    // FALLOC_FL_KEEP_SIZE alone a file takes space behind its end, and with INSERT_RANGE it grows, both past RLIMIT_FSIZE.
    (
        "fallocate",
        Argument::In {
            index: 1,
            values: &[0, 3, 8, 0x10, 0x40],
        },
        Answer::NotSupported,
    ),
    // Only asking (0xffffffff) and plain Linux: other personalities switch off address space randomisation.
    (
        "personality",
        Argument::In {
            index: 0,
            values: &[0, 0xffff_ffff],
        },
        Answer::NotPermitted,
    ),
    // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Packet, VSOCK, ALG, Bluetooth and the rest are refused.
    (
        "socket",
        Argument::In {
            index: 0,
            values: &[1, 2, 10, 16],
        },
        Answer::NoSuchFamily,
    ),
    // Of these families, what no protocol number asks for, TCP and UDP (6 and 17 are also families of netlink and mean
    // nothing to Unix sockets), and what the user namespace already keeps to the box's own loopback: ICMP, IPv6's ICMP
    // and raw packets. MPTCP (262), SCTP, DCCP, SMC open connections by ways of their own.
    (
        "socket",
        Argument::NotIn {
            index: 2,
            values: &[33, 132, 136, 256, 262],
        },
        Answer::NoSuchProtocol,
    ),
    // MSG_FASTOPEN connects without connect(2), and may do so after a disconnect.
    (
        "sendto",
        Argument::NoneOf {
            index: 3,
            bits: MSG_FASTOPEN,
        },
        Answer::NotSupported,
    ),
    (
        "sendmsg",
        Argument::NoneOf {
            index: 2,
            bits: MSG_FASTOPEN,
        },
        Answer::NotSupported,
    ),
    (
        "sendmmsg",
        Argument::NoneOf {
            index: 3,
            bits: MSG_FASTOPEN,
        },
        Answer::NotSupported,
    ),
    // Options that send the packets of a connection elsewhere than to the other side: IP_OPTIONS holds source routes,
    // IPV6_RTHDR, its older form and IPV6_2292PKTOPTIONS a routing header, SO_BINDTODEVICE and SO_BINDTOIFINDEX an
    // interface, SO_DONTROUTE passes gateways by. And TCP_ULP, which makes sockets of another kind of those of TCP
    // ("smc"), past the second row of "socket", and else puts TLS into the kernel, which programs then do themselves. An
    // option is a level and a number.
    (
        "setsockopt",
        Argument::NotBoth {
            indexes: SET_OPTION,
            pairs: &[
                (0, 4),
                (41, 57),
                (41, 5),
                (41, 6),
                (1, 5),
                (1, 25),
                (1, 62),
                (6, 31),
            ],
        },
        Answer::NotPermitted,
    ),
];

/// A condition on one 32-bit argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    In {
        index: u8,
        values: &'static [u32],
    },
    NotIn {
        index: u8,
        values: &'static [u32],
    },
    NoneOf {
        index: u8,
        bits: u32,
    },
    /// Two arguments are not one of these pairs.
    NotBoth {
        indexes: [u8; 2],
        pairs: &'static [(u32, u32)],
    },
}

/// What a call gets whose arguments are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// EPERM
    NotPermitted,
    /// EAFNOSUPPORT
    NoSuchFamily,
    /// EPROTONOSUPPORT
    NoSuchProtocol,
    /// EOPNOTSUPP
    NotSupported,
}

#[cfg(target_os = "linux")]
impl Answer {
    pub fn number(self) -> i32 {
        match self {
            Answer::NotPermitted => libc::EPERM,
            Answer::NoSuchFamily => libc::EAFNOSUPPORT,
            Answer::NoSuchProtocol => libc::EPROTONOSUPPORT,
            // What the kernel answers where fast open is switched off, and of file systems that reserve nothing.
            Answer::NotSupported => libc::EOPNOTSUPP,
        }
    }
}

const MSG_FASTOPEN: u32 = 0x2000_0000;

/// CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (clone(2)).
const NAMESPACE_FLAGS: u32 =
    0x80 | 0x2_0000 | 0x200_0000 | 0x400_0000 | 0x800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// Refused with EPERM: programs expect this answer from them, and a person reading a log understands it.
pub const REFUSED: &[Group] = &[
    Group {
        reason: "look into other processes",
        calls: &[
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "kcmp",
            "pidfd_getfd",
            "process_madvise",
        ],
    },
    Group {
        reason: "change the tree of mounts",
        calls: &[
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "move_mount",
            "open_tree",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "mount_setattr",
        ],
    },
    Group {
        reason: "join or make namespaces",
        calls: &["setns"],
    },
    Group {
        reason: "programs in the kernel and its counters",
        calls: &["bpf", "perf_event_open", "userfaultfd"],
    },
    Group {
        reason: "the kernel's keys",
        calls: &["add_key", "request_key", "keyctl"],
    },
    Group {
        reason: "files by handle, past every path",
        calls: &[
            "open_by_handle_at",
            "name_to_handle_at",
            "fanotify_init",
            "fanotify_mark",
        ],
    },
    Group {
        reason: "the machine itself",
        calls: &[
            "reboot",
            "kexec_load",
            "kexec_file_load",
            "init_module",
            "finit_module",
            "delete_module",
            "swapon",
            "swapoff",
            "acct",
            "syslog",
            "quotactl",
            "quotactl_fd",
            "settimeofday",
            "clock_settime",
            "adjtimex",
            "clock_adjtime",
            "sethostname",
            "setdomainname",
            "vhangup",
            "iopl",
            "ioperm",
            "modify_ldt",
            "mbind",
            "set_mempolicy",
            "migrate_pages",
            "move_pages",
            "lookup_dcookie",
        ],
    },
];

/// The names of all calls that may succeed.
pub fn allowed_names() -> impl Iterator<Item = &'static str> {
    let plain = ALLOWED
        .iter()
        .chain([&SPAWN, &BROKERED])
        .flat_map(|group| group.calls.iter().copied());
    plain.chain(conditional_names())
}

/// The names of the calls that [`ARGUMENTS`] has rows for.
pub fn conditional_names() -> impl Iterator<Item = &'static str> {
    let row = |at: usize| ARGUMENTS[at].0;
    (0..ARGUMENTS.len())
        .map(row)
        .enumerate()
        .filter(move |(at, name)| *at == 0 || row(at - 1) != *name)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::{ALLOWED, BROKERED, REFUSED, SPAWN, allowed_names, conditional_names};
    use std::collections::BTreeSet;

    #[test]
    fn no_call_stands_twice() {
        let mut seen = BTreeSet::new();
        assert!(allowed_names().all(|name| seen.insert(name)));
    }

    #[test]
    fn no_refused_call_is_allowed() {
        let allowed: BTreeSet<_> = allowed_names().collect();
        assert!(
            REFUSED
                .iter()
                .flat_map(|group| group.calls)
                .all(|name| !allowed.contains(name))
        );
    }

    #[test]
    fn every_group_gives_its_reason() {
        assert!(
            ALLOWED
                .iter()
                .chain(REFUSED)
                .chain([&SPAWN, &BROKERED])
                .all(|group| !group.reason.is_empty())
        );
    }

    #[test]
    fn the_list_leaves_out_what_the_design_denies() {
        let never = [
            "ptrace",
            "mount",
            "setns",
            "bpf",
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
            "keyctl",
            "userfaultfd",
            "perf_event_open",
            "clone3",
            "open_by_handle_at",
            "kexec_load",
            "init_module",
            "fsopen",
        ];
        assert!(
            never
                .iter()
                .all(|name| allowed_names().all(|allowed| allowed != *name))
        );
    }

    #[test]
    fn the_rows_of_a_call_stand_together() {
        let names: BTreeSet<_> = conditional_names().collect();
        assert_eq!(names.len(), conditional_names().count());
    }
}
