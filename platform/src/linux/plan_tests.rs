//! Plans compared whole, and what holds for the plan of every policy.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::limits::Means;
use super::*;
use crate::{
    Command, Groups, Home, Kind, Limit, Limits, Link, Manager, Mount, Percent, Process, Unified, User,
};

fn mount(source: &str, at: &str, access: Access) -> Mount {
    Mount {
        source: source.into(),
        at: at.into(),
        access,
        create: false,
        reason: "test".into(),
    }
}

fn small() -> Policy {
    Policy {
        profile: "small".into(),
        command: Command {
            program: "/usr/bin/server".into(),
            argv: vec!["server".into(), "--all".into()],
            cwd: "/work".into(),
        },
        mounts: vec![
            mount("/etc/ssl/certs", "/etc/ssl/certs", Access::Read),
            mount("/usr/bin", "/usr/bin", Access::Read),
            Mount {
                create: true,
                ..mount("/home/a/project", "/work", Access::Write)
            },
            mount("/home/a/notes", "/work/notes", Access::Read),
        ],
        exclusions: Vec::new(),
        protected: Vec::new(),
        links: vec![Link {
            at: "/bin".into(),
            target: "usr/bin".into(),
        }],
        home: Home {
            at: "/home/a".into(),
            kind: HomeKind::Ephemeral(Bytes(1 << 30)),
        },
        tmp: Bytes(5_000_000),
        process: Process {
            spawn: false,
            user: User {
                uid: 1000,
                gid: 100,
                name: "a".into(),
            },
            capabilities: vec!["CAP_NET_BIND_SERVICE".into()],
            env: vec![("HOME".into(), "/home/a".into())],
        },
        network: Network::none(),
        limits: Limits::default(),
        observe: false,
    }
}

fn bind(source: &str, at: &str, access: Access) -> Bind {
    Bind {
        source: source.into(),
        at: at.into(),
        access,
        create_source: false,
        make_target: true,
    }
}

fn device(name: &'static str, major: u32, minor: u32) -> Step {
    Step::Device { name, major, minor }
}

fn link(at: &str, target: &str) -> Step {
    Step::Link {
        at: at.into(),
        target: target.into(),
    }
}

fn file(at: &str, content: &str) -> Step {
    Step::File {
        at: at.into(),
        content: content.into(),
    }
}

fn tmpfs(at: &str, size: u64, mode: u32) -> Step {
    Step::Tmpfs {
        at: at.into(),
        size: Bytes(size),
        mode,
    }
}

fn mask(at: &str) -> Step {
    Step::Mask { at: at.into() }
}

fn rule(at: &str, rights: Rights) -> Rule {
    Rule {
        at: at.into(),
        rights,
        without: Brokered::default(),
    }
}

/// A kernel with Landlock of this version, and everything else.
fn with_landlock(landlock_abi: u32) -> Support {
    Support {
        landlock_abi,
        ..Support::full()
    }
}

#[test]
fn a_whole_plan() {
    let plan = plan(&small(), &with_landlock(6)).unwrap();
    let init = [
        Step::ForgetCaller,
        Step::DieBeforeOthers,
        Step::BecomeUser { uid: 1000, gid: 100 },
        Step::DieWithSupervisor,
        Step::NewSession,
        Step::NewKeyring,
        Step::LoopbackUp,
        Step::OwnAddress([198, 18, 0, 1].into()),
        Step::StubSockets("127.0.0.1:53".parse().unwrap()),
        Step::HostName("mcp-sandbox"),
        Step::PrivateMounts,
        Step::Root { size: Bytes(1 << 20) },
        tmpfs("/tmp", 5_000_000, 0o1777),
        tmpfs("/home/a", 1 << 30, 0o700),
        device("null", 1, 3),
        device("zero", 1, 5),
        device("full", 1, 7),
        device("random", 1, 8),
        device("urandom", 1, 9),
        device("tty", 5, 0),
        Step::Terminals,
        tmpfs("/dev/shm", 64 << 20, 0o1777),
        link("/dev/fd", "/proc/self/fd"),
        link("/dev/stdin", "/proc/self/fd/0"),
        link("/dev/stdout", "/proc/self/fd/1"),
        link("/dev/stderr", "/proc/self/fd/2"),
        link("/dev/ptmx", "pts/ptmx"),
        Step::Proc,
        mask("/proc/kcore"),
        mask("/proc/keys"),
        mask("/proc/timer_list"),
        mask("/proc/sched_debug"),
        mask("/proc/kallsyms"),
        link("/bin", "usr/bin"),
        file(
            "/etc/passwd",
            "a:x:1000:100::/home/a:/bin/sh\nroot:x:0:0::/nonexistent:/bin/sh\n\
             nobody:x:65534:65534::/nonexistent:/bin/false\n",
        ),
        file("/etc/group", "a:x:100:\nroot:x:0:\nnogroup:x:65534:\n"),
        file("/etc/hosts", "127.0.0.1 localhost mcp-sandbox\n::1 localhost\n"),
        file("/etc/hostname", "mcp-sandbox\n"),
        file(
            "/etc/resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:6 attempts:2\n",
        ),
        file(
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        ),
        file("/etc/machine-id", "6d63702d73616e64626f782d626f7800\n"),
        link("/var/tmp", "/tmp"),
        Step::Bind(bind("/etc/ssl/certs", "/etc/ssl/certs", Access::Read)),
        Step::Bind(bind("/usr/bin", "/usr/bin", Access::Read)),
        Step::Bind(Bind {
            create_source: true,
            ..bind("/home/a/project", "/work", Access::Write)
        }),
        Step::Bind(Bind {
            make_target: false,
            ..bind("/home/a/notes", "/work/notes", Access::Read)
        }),
        Step::NoNestedNamespaces,
        Step::Pivot,
        Step::NoCoreDumps,
        Step::Fork,
    ];
    let server = [
        Step::NewSession,
        Step::ChangeDirectory("/work".into()),
        Step::CloseDescriptors,
        Step::ResetSignalsAndUmask,
        Step::DropCapabilities {
            keep: vec!["CAP_NET_BIND_SERVICE".into()],
        },
        Step::NoNewPrivileges,
        Step::Landlock {
            abi: 6,
            rules: vec![
                rule("/", Rights::List),
                rule("/etc", Rights::Data),
                rule("/proc", Rights::Data),
                rule("/dev", Rights::Device),
                rule("/dev/shm", Rights::Write),
                rule("/tmp", Rights::Write),
                rule("/home/a", Rights::Write),
                rule("/etc/ssl/certs", Rights::Data),
                rule("/usr/bin", Rights::Read),
                rule("/work", Rights::Write),
                rule("/work/notes", Rights::Read),
            ],
            broker: true,
        },
        Step::Filter {
            spawn: false,
            broker: true,
            files: Brokered::default(),
            observe: false,
        },
        Step::Execute {
            program: "/usr/bin/server".into(),
            argv: vec!["server".into(), "--all".into()],
            env: vec![("HOME".into(), "/home/a".into())],
        },
    ];
    assert_eq!(plan.landlock_abi, 6);
    assert_eq!(plan.init, init);
    assert_eq!(plan.server, server);
}

#[test]
fn a_persistent_home_is_bound_where_the_memory_would_be() {
    let (memory, mut kept) = (small(), small());
    kept.home.kind = HomeKind::Persistent("/state/homes/small".into());
    let [memory, kept] = [memory, kept].map(|policy| plan(&policy, &Support::full()).unwrap());
    let different = memory.init.iter().zip(&kept.init).filter(|(one, two)| one != two);
    let expected = Step::Bind(Bind {
        create_source: true,
        ..bind("/state/homes/small", "/home/a", Access::Write)
    });
    assert_eq!(
        different.collect::<Vec<_>>(),
        [(&tmpfs("/home/a", 1 << 30, 0o700), &expected)]
    );
    assert_eq!(memory.server, kept.server);
}

#[test]
fn what_lies_around_a_mount_is_held_in_place() {
    let mut policy = small();
    policy.mounts = vec![
        mount("/repo", "/w", Access::Write),
        mount("/hooks", "/w/a/b/hooks", Access::Read),
        mount("/out", "/w/a/out", Access::Write),
        mount("/deep", "/w/a/out/x/y", Access::Read),
        mount("/data", "/w/c/d", Access::Write),
    ];
    let plan = plan(&policy, &Support::full()).unwrap();
    let found: Vec<String> = binds(&plan).map(ToString::to_string).collect();
    let expected = [
        "bind \"/repo\" at \"/w\", writable",
        "bind \"/repo/a\" at \"/w/a\", writable",
        "bind \"/repo/a/b\" at \"/w/a/b\", writable",
        "bind \"/hooks\" at \"/w/a/b/hooks\", read-only",
        "bind \"/out\" at \"/w/a/out\", writable",
        "bind \"/out/x\" at \"/w/a/out/x\", writable",
        "bind \"/deep\" at \"/w/a/out/x/y\", read-only",
        "bind \"/repo/c\" at \"/w/c\", writable",
        "bind \"/data\" at \"/w/c/d\", writable",
    ];
    assert_eq!(found, expected);
}

/// Landlock takes nothing away below a place, so what is the broker's is left out of the rights of all around it.
#[test]
fn what_is_brokered_has_no_rights_of_the_kernels() {
    let mut policy = small();
    let pattern = crate::files::Pattern::parse(".env", "line").unwrap();
    policy.exclusions = vec![crate::files::Exclusion {
        base: "/data".into(),
        patterns: vec![pattern],
    }];
    policy.mounts = vec![
        mount("/data", "/home/a/way/data", Access::Read),
        mount("/tools", "/home/a/tools", Access::Read),
    ];
    let plan = plan(&policy, &Support::full()).unwrap();
    let without = |at: &str| {
        let rule = rules_of(&plan).iter().find(|rule| rule.at == Path::new(at));
        rule.unwrap().without.reads
    };
    assert!(without("/home/a/way/data") && without("/home/a"));
    assert!(!without("/home/a/tools") && !without("/tmp") && !without("/home/a/.npm"));
    let held = Step::Hold {
        at: "/home/a/way".into(),
    };
    assert!(plan.init.contains(&held));
    policy.exclusions.clear();
    assert_eq!(super::plan(&policy, &Support::full()).unwrap().files, None);
}

#[test]
fn var_tmp_makes_way_for_what_is_shown_there() {
    for at in ["/var", "/var/tmp", "/var/tmp/x/y"] {
        let mut policy = small();
        policy.mounts.push(mount("/data", at, Access::Read));
        let plan = plan(&policy, &Support::full()).unwrap();
        assert!(!plan.init.contains(&link("/var/tmp", "/tmp")), "{at}");
    }
}

#[test]
fn a_host_without_landlock_is_refused() {
    let refused = plan(&small(), &with_landlock(0)).unwrap_err();
    assert!(refused.cure.contains("landlock"), "{refused:?}");
    assert!(plan(&small(), &with_landlock(1)).is_ok());
}

/// A policy that reaches one port of the host's loopback.
fn reaching() -> Policy {
    let mut policy = small();
    let host = crate::net::Host::HostLoopback;
    let (text, reason) = ("localhost:5432".to_owned(), "test".to_owned());
    let ports = crate::net::Ports::new([5432..=5432]);
    policy.network.allow.push(crate::net::Rule {
        host,
        ports,
        text,
        reason,
    });
    policy
}

#[test]
fn a_network_needs_a_broker() {
    for (notification, word) in [
        (Notification::Taken, "listener"),
        (Notification::Forbidden, "ptrace_scope"),
        (Notification::Missing, "kernel"),
    ] {
        let support = Support {
            notification,
            ..Support::full()
        };
        let refused = plan(&reaching(), &support).unwrap_err();
        assert_eq!(refused.field, "network.allow");
        assert!(refused.reason.contains(word), "{refused:?}");
        let mut policy = reaching();
        policy.network.block = std::mem::take(&mut policy.network.allow);
        let plan = plan(&policy, &support).unwrap();
        assert_eq!(plan.network, None);
        let alone = |step: &Step| matches!(step, Step::Filter { broker: false, .. });
        assert!(plan.server.iter().any(alone));
        assert!(
            !plan
                .init
                .iter()
                .any(|step| matches!(step, Step::OwnAddress(_) | Step::StubSockets(_)))
        );
    }
    let plan = plan(&reaching(), &Support::full()).unwrap();
    assert_eq!(plan.network, Some(reaching().network));
}

#[test]
fn sockets_are_opened_for_what_needs_them() {
    let count = |dns, inspect| {
        let mut policy = reaching();
        (policy.network.dns, policy.network.inspect) = (dns, inspect);
        let plan = plan(&policy, &Support::full()).unwrap();
        let of = |wanted: fn(&Step) -> bool| plan.init.iter().filter(|step| wanted(step)).count();
        (
            of(|step| matches!(step, Step::StubSockets(_))),
            of(|step| matches!(step, Step::InspectorSocket(_))),
        )
    };
    assert_eq!(count(Dns::Filtered, Inspect::None), (1, 0));
    assert_eq!(count(Dns::Off, Inspect::None), (0, 0));
    assert_eq!(count(Dns::Filtered, Inspect::Sni), (1, 1));
}

/// Where mounts may lie: what profiles can name, which is neither the root nor the box's own folders.
fn place() -> impl Strategy<Value = PathBuf> {
    let part = prop::sample::select(vec!["a", "b", "c", "tmp", "x y", "\u{e9}"]);
    let top = prop::sample::select(vec![
        "/opt", "/srv", "/home/a", "/usr/lib", "/etc/ssl", "/tmp", "/var",
    ]);
    (top, prop::collection::vec(part, 1..4)).prop_map(|(top, parts)| {
        parts
            .into_iter()
            .fold(PathBuf::from(top), |path, part| path.join(part))
    })
}

/// Policies as `policy::resolve` makes them: mounts in the order of their targets, none twice.
fn policy() -> impl Strategy<Value = Policy> {
    let access = prop::sample::select(vec![Access::Read, Access::Write]);
    let mounts = prop::collection::btree_map(place(), (place(), access, any::<bool>()), 0..12);
    let capabilities = prop::sample::subsequence(vec!["CAP_KILL", "CAP_CHOWN"], 0..=2);
    (mounts, capabilities, any::<[bool; 2]>(), any::<u32>()).prop_map(
        |(mounts, capabilities, [spawn, kept], tmp)| {
            let mut policy = small();
            policy.mounts = mounts
                .into_iter()
                .map(|(at, (source, access, create))| Mount {
                    source,
                    at,
                    access,
                    create,
                    reason: String::new(),
                })
                .collect();
            policy.process.spawn = spawn;
            policy.process.capabilities = capabilities.into_iter().map(str::to_owned).collect();
            policy.tmp = Bytes(tmp.into());
            if kept {
                policy.home.kind = HomeKind::Persistent("/state/homes/x".into());
            }
            policy
        },
    )
}

fn binds(plan: &Plan) -> impl Iterator<Item = &Bind> {
    plan.init.iter().filter_map(|step| match step {
        Step::Bind(bind) => Some(bind),
        _ => None,
    })
}

/// The mount that shows what lies at `at`.
fn innermost<'a>(at: &Path, policy: &'a Policy) -> Option<&'a Mount> {
    let around = policy.mounts.iter().filter(|mount| at.starts_with(&mount.at));
    around.max_by_key(|mount| mount.at.components().count())
}

/// Whether the server could rename the directory `at`, and with it a mount.
fn is_hold(at: &Path, policy: &Policy) -> bool {
    let fixed = |mount: &Mount| mount.at != at && mount.at.starts_with(at);
    let movable = |outer: &Mount| outer.access == Access::Write && outer.at != at;
    policy.mounts.iter().any(fixed) && innermost(at, policy).is_some_and(movable)
}

fn rules_of(plan: &Plan) -> &[Rule] {
    let rules = plan.server.iter().find_map(|step| match step {
        Step::Landlock { rules, .. } => Some(rules),
        _ => None,
    });
    rules.expect("every plan has path rules")
}

/// Where the only step of this kind stands.
fn only(steps: &[Step], kind: impl Fn(&Step) -> bool) -> usize {
    let found: Vec<usize> = (0..steps.len()).filter(|index| kind(&steps[*index])).collect();
    assert_eq!(found.len(), 1, "{steps:?}");
    found[0]
}

proptest! {
    #[test]
    fn set_up_stands_in_the_order_that_makes_it_safe(policy in policy()) {
        let plan = plan(&policy, &Support::full()).unwrap();
        let init = &plan.init;
        // The death signal comes as soon as the last change of ids, which would clear it, is done.
        prop_assert_eq!(only(init, |step| *step == Step::ForgetCaller), 0);
        // A process that is not dumpable, as the new user is, may not.
        prop_assert_eq!(only(init, |step| *step == Step::DieBeforeOthers), 1);
        prop_assert_eq!(only(init, |step| matches!(step, Step::BecomeUser { .. })), 2);
        prop_assert_eq!(only(init, |step| *step == Step::DieWithSupervisor), 3);
        let private = only(init, |step| *step == Step::PrivateMounts);
        let root = only(init, |step| matches!(step, Step::Root { .. }));
        let proc = only(init, |step| *step == Step::Proc);
        let pivot = only(init, |step| *step == Step::Pivot);
        let fork = only(init, |step| *step == Step::Fork);
        prop_assert!(private < root && root < proc && proc < pivot);
        prop_assert_eq!(fork, init.len() - 1);
        let builds = |step: &Step| matches!(
            step,
            Step::Tmpfs { .. } | Step::Bind(_) | Step::Device { .. } | Step::Terminals | Step::Mask { .. }
                | Step::Link { .. } | Step::File { .. } | Step::Proc
        );
        prop_assert!(init.iter().enumerate().all(|(at, step)| !builds(step) || (root < at && at < pivot)));
        let mask = init.iter().position(|step| matches!(step, Step::Mask { .. }));
        prop_assert!(mask.is_some_and(|mask| proc < mask));
    }

    #[test]
    fn rights_are_given_up_in_the_order_that_lets_none_back(policy in policy()) {
        let plan = plan(&policy, &Support::full()).unwrap();
        let server = &plan.server;
        let drop = only(server, |step| matches!(step, Step::DropCapabilities { .. }));
        let no_new = only(server, |step| *step == Step::NoNewPrivileges);
        let landlock = only(server, |step| matches!(step, Step::Landlock { .. }));
        let filter = only(server, |step| matches!(step, Step::Filter { .. }));
        let execute = only(server, |step| matches!(step, Step::Execute { .. }));
        prop_assert!(drop < no_new && no_new < landlock && landlock < filter);
        prop_assert_eq!((filter, execute), (server.len() - 2, server.len() - 1));
        prop_assert_eq!(&server[drop], &Step::DropCapabilities { keep: policy.process.capabilities.clone() });
        prop_assert_eq!(&server[filter], &Step::Filter {
            spawn: policy.process.spawn,
            broker: true,
            files: Brokered::default(),
            observe: false,
        });
    }

    #[test]
    fn every_mount_has_one_bind_and_one_rule_that_agree(policy in policy()) {
        let plan = plan(&policy, &Support::full()).unwrap();
        let mut binds: BTreeMap<&Path, &Bind> = binds(&plan).map(|bind| (bind.at.as_path(), bind)).collect();
        for mount in &policy.mounts {
            let bind = binds.remove(mount.at.as_path()).expect("each mount is bound");
            prop_assert_eq!((&bind.source, bind.access, bind.create_source), (&mount.source, mount.access, mount.create));
            let rights: Vec<Rights> = rules_of(&plan)
                .iter()
                .filter(|rule| rule.at == mount.at)
                .map(|rule| rule.rights)
                .collect();
            let expected = match mount.access {
                Access::Write => Rights::Write,
                Access::Read if mount.at.starts_with("/etc") => Rights::Data,
                Access::Read => Rights::Read,
            };
            prop_assert_eq!(rights, [expected]);
        }
        // What is left over is the home, if it is kept, and what holds mounts in place.
        let kept = matches!(policy.home.kind, HomeKind::Persistent(_));
        prop_assert_eq!(binds.remove(policy.home.at.as_path()).is_some(), kept);
        prop_assert!(binds.into_keys().all(|at| is_hold(at, &policy)));
    }

    #[test]
    fn nothing_between_a_read_only_mount_and_a_writable_one_can_be_renamed(policy in policy()) {
        let plan = plan(&policy, &Support::full()).unwrap();
        let binds: BTreeMap<&Path, &Bind> = binds(&plan).map(|bind| (bind.at.as_path(), bind)).collect();
        let fixed = policy.mounts.iter().filter(|mount| mount.access == Access::Read);
        for at in fixed.flat_map(|mount| mount.at.ancestors()).filter(|at| is_hold(at, &policy)) {
            let outer = innermost(at, &policy).expect("a hold lies in a mount");
            let expected = Bind {
                make_target: false,
                ..bind("", at.to_str().unwrap(), Access::Write)
            };
            let found = Bind { source: "".into(), ..(*binds[at]).clone() };
            prop_assert_eq!(found, expected);
            prop_assert_eq!(binds[at].source.strip_prefix(&outer.source), at.strip_prefix(&outer.at));
            prop_assert!(rules_of(&plan).iter().any(|rule| rule.at == outer.at && rule.rights == Rights::Write));
            prop_assert!(["/tmp", "/home/a"].map(Path::new).contains(&at) || rules_of(&plan).iter().all(|rule| rule.at != at));
        }
    }

    #[test]
    fn only_what_is_writable_or_private_has_a_rule_to_write(policy in policy()) {
        let plan = plan(&policy, &Support::full()).unwrap();
        let private = ["/tmp", "/dev/shm", "/home/a"].map(Path::new);
        for rule in rules_of(&plan).iter().filter(|rule| rule.rights == Rights::Write) {
            let writable = policy.mounts.iter().any(|mount| mount.at == rule.at && mount.access == Access::Write);
            prop_assert!(writable || private.contains(&rule.at.as_path()), "{:?}", rule);
        }
    }

    #[test]
    fn outer_targets_come_first_and_inner_ones_are_not_made(policy in policy()) {
        let plan = plan(&policy, &Support::full()).unwrap();
        let binds: Vec<&Bind> = binds(&plan).filter(|bind| bind.at != policy.home.at).collect();
        for (index, bind) in binds.iter().enumerate() {
            let outer = |other: &&Bind| bind.at != other.at && bind.at.starts_with(&other.at);
            prop_assert!(!binds[index..].iter().any(outer), "{:?} before its outer one", bind);
            prop_assert_eq!(bind.make_target, !binds.iter().any(outer));
        }
    }

    #[test]
    fn a_plan_is_shown_step_by_step_and_without_values(mut policy in policy()) {
        policy.process.env.push(("TOKEN".into(), "s3cret-value".into()));
        let plan = plan(&policy, &Support::full()).unwrap();
        let lines = plan.lines();
        prop_assert_eq!(lines.len(), 4 + plan.init.len() + plan.server.len());
        prop_assert!(lines.iter().all(|line| !line.contains("s3cret-value") && !line.contains('\n')));
    }
}

fn limit<T>(value: T) -> Option<Limit<T>> {
    Some(Limit {
        value,
        reason: "test".into(),
    })
}

/// Every limit there is.
fn limited() -> Policy {
    let mut policy = small();
    policy.limits = Limits {
        memory: limit(Bytes(512 << 20)),
        cpu: limit(Percent(50)),
        processes: limit(64),
        open_files: limit(1024),
        disk: limit(Bytes(1 << 30)),
        file_size: limit(Bytes(1 << 20)),
        timeout: limit(std::time::Duration::from_secs(3600)),
        idle: limit(std::time::Duration::from_secs(60)),
    };
    policy
}

fn means(support: &Support) -> Vec<(Kind, Means)> {
    let plan = plan(&limited(), support).unwrap();
    plan.limits.chosen.iter().map(|one| (one.kind, one.by)).collect()
}

fn rlimits(plan: &Plan) -> Vec<String> {
    let limits = plan
        .server
        .iter()
        .filter(|step| matches!(step, Step::Limit { .. }));
    limits.map(ToString::to_string).collect()
}

/// What does not depend on control groups.
const ALWAYS: [(Kind, Means); 5] = [
    (Kind::OpenFiles, Means::Rlimit),
    (Kind::Disk, Means::TmpfsAndSupervisor),
    (Kind::FileSize, Means::Rlimit),
    (Kind::Timeout, Means::Supervisor),
    (Kind::Idle, Means::Supervisor),
];

fn whole(three: [Means; 3]) -> Vec<(Kind, Means)> {
    let kinds = [Kind::Memory, Kind::Cpu, Kind::Processes];
    kinds.into_iter().zip(three).chain(ALWAYS).collect()
}

#[test]
fn the_strongest_mechanism_of_the_host_is_chosen() {
    let controllers = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let mut support = Support::full();
    assert_eq!(
        means(&support),
        whole([Means::RlimitAndSupervisor, Means::Supervisor, Means::Rlimit])
    );
    support.groups.legacy.pids = Some("/v1/pids".into());
    assert_eq!(
        means(&support),
        whole([Means::RlimitAndSupervisor, Means::Supervisor, Means::CgroupV1])
    );
    let plan_of = |support: &Support| plan(&limited(), support).unwrap();
    assert_eq!(plan_of(&support).init[0], Step::JoinGroups);
    support.groups.manager = Some(Manager {
        bus: "/run/bus".into(),
        controllers: controllers(&["memory", "pids"]),
    });
    assert_eq!(
        means(&support),
        whole([Means::SystemdScope, Means::Supervisor, Means::SystemdScope])
    );
    support.groups.unified = Some(Unified {
        parent: "/v2".into(),
        controllers: controllers(&["cpu", "memory", "pids"]),
    });
    assert_eq!(means(&support), whole([Means::CgroupV2; 3]));
    assert_eq!(plan_of(&support).init[0], Step::ForgetCaller);
}

#[test]
fn root_is_counted_by_the_supervisor_where_nothing_else_counts_it() {
    let support = Support {
        counts_processes: false,
        ..Support::full()
    };
    let plan = plan(&limited(), &support).unwrap();
    assert_eq!(plan.limits.watch.processes, Some(64));
    assert!(!rlimits(&plan).iter().any(|line| line.contains("processes")));
}

#[test]
fn rlimits_are_set_before_rights_are_dropped() {
    let plan = plan(&limited(), &Support::full()).unwrap();
    let expected = [
        // 512 MiB and what is mapped without being touched.
        "limit bytes of private memory in each process to 805306368",
        // Init is counted.
        "limit processes and threads to 65",
        "limit open files in each process to 1024",
        "limit bytes in each file to 1048576",
    ];
    assert_eq!(rlimits(&plan), expected);
    let at = |wanted: fn(&Step) -> bool| plan.server.iter().position(wanted).unwrap();
    let limit = at(|step| matches!(step, Step::Limit { .. }));
    assert!(limit > at(|step| matches!(step, Step::ResetSignalsAndUmask)));
    assert!(limit < at(|step| matches!(step, Step::DropCapabilities { .. })));
    assert_eq!(
        plan.limits.lines(),
        ["watch: memory 512MiB, cpu 50%, writable mounts grow by 1GiB, timeout 1h, idle 1m"]
    );
}

#[test]
fn without_limits_there_is_no_group_and_nothing_to_watch() {
    let mut support = Support::full();
    support.groups = Groups {
        unified: Some(Unified {
            parent: "/v2".into(),
            controllers: vec!["memory".into()],
        }),
        ..Groups::default()
    };
    let plan = plan(&small(), &support).unwrap();
    assert_eq!((plan.limits.group.clone(), plan.limits.chosen.len()), (None, 0));
    assert_eq!((plan.limits.lines().len(), rlimits(&plan).len()), (0, 0));
}

#[test]
fn observing_adds_nothing_but_that_it_is_told_of() {
    let policy = small();
    let observed = Policy {
        observe: true,
        ..small()
    };
    let (plain, observed) = (
        plan(&policy, &Support::full()).unwrap(),
        plan(&observed, &Support::full()).unwrap(),
    );
    let mut same = observed.clone();
    same.server.iter_mut().for_each(|step| {
        if let Step::Filter { observe, .. } = step {
            assert!(*observe);
            *observe = false;
        }
    });
    assert_eq!(same, plain);
    assert!(
        observed
            .lines()
            .join("\n")
            .contains("is told of every file and program")
    );
}

#[test]
fn nobody_is_observed_where_nobody_can_be_told() {
    let observed = Policy {
        observe: true,
        mounts: Vec::new(),
        ..small()
    };
    let support = Support {
        notification: Notification::Missing,
        ..Support::full()
    };
    assert_eq!(plan(&observed, &support).unwrap_err().field, "learn");
    let plain = Policy {
        observe: false,
        ..observed
    };
    assert!(plan(&plain, &support).is_ok());
}
