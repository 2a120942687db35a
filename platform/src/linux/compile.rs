//! The filter's table compiled to BPF.
//!
//! seccompiler compiles the conditions on arguments. It tests one number after the other, which for three
//! hundred calls costs more than a millisecond at every launch (the kernel walks the program once per call
//! when it is installed), so the decision by number is a search tree of our own in front:
//!
//! 1. check the architecture: from seccompiler; another one kills the process
//! 2. find the call's number: allow, refuse, or go on to one of the sections below
//! 3. conditions on arguments: from seccompiler, a section for each; one that is met may lead to the next
//!
//! The tests run the whole program for every number and compare its answer with the table.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

use super::filter::{
    ALLOWED, ARGUMENTS, Argument, BROKERED, CHANGES, OPENS, REFUSED, SET_OPTION, SPAWN, TOLD, TOLD_OPTIONS,
    conditional_names,
};
use super::numbers::number;
use super::places::Brokered;
use super::uses::{OF_DESCRIPTORS, USES};

type Result<T> = std::result::Result<T, seccompiler::BackendError>;

/// What init may still do: wait, read signals, signal the server, tell the supervisor, end.
const INIT: [&str; 13] = [
    "read",
    "write",
    "close",
    "sendto",
    "sendmsg",
    "wait4",
    "kill",
    "ppoll",
    "exit_group",
    "rt_sigreturn",
    "brk",
    "munmap",
    "mmap",
];

/// How many instructions of a compiled section check the architecture.
const ARCHITECTURE_CHECK: usize = 3;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Errno(i32),
    /// The broker answers.
    Notify,
    /// The arguments decide, in this section.
    Arguments(usize),
}

/// A search tree over ranges of numbers, and the sections its leaves lead to.
struct Program {
    verdicts: BTreeMap<u32, Verdict>,
    sections: Vec<BpfProgram>,
}

/// The filter of the server, which hands calls to a broker if there is one, and those on files as far as it asks for them.
pub fn server(spawn: bool, broker: bool, files: Brokered) -> Result<BpfProgram> {
    program(spawn, broker, files)?.assemble()
}

/// The same for a server that is observed: the broker is told of every file and program as well.
pub fn observed(spawn: bool, files: Brokered) -> Result<BpfProgram> {
    let mut program = program(spawn, true, files)?;
    program.hand_over_uses()?;
    program.assemble()
}

fn program(spawn: bool, broker: bool, files: Brokered) -> Result<Program> {
    let mut program = Program {
        verdicts: BTreeMap::new(),
        sections: Vec::new(),
    };
    program.decide(
        REFUSED.iter().flat_map(|group| group.calls),
        Verdict::Errno(libc::EPERM),
    );
    program.decide(ALLOWED.iter().flat_map(|group| group.calls), Verdict::Allow);
    program.decide(
        SPAWN.calls,
        if spawn {
            Verdict::Allow
        } else {
            Verdict::Errno(libc::EPERM)
        },
    );
    program.decide(
        BROKERED.calls,
        if broker { Verdict::Notify } else { Verdict::Allow },
    );
    if broker {
        program.decide(TOLD.calls, Verdict::Notify);
    }
    for name in conditional_names() {
        let rows = ARGUMENTS.iter().filter(|(call, ..)| *call == name);
        let conditions = rows.map(|(_, argument, answer)| {
            let rules = match name {
                "clone" if !spawn => vec![threads_only()?],
                _ => permitting(*argument)?,
            };
            Ok((rules, answer.number()))
        });
        let told = broker && name == "setsockopt";
        let at_last = told.then(|| not_both(SET_OPTION, TOLD_OPTIONS)).transpose()?;
        program.decide_by_arguments(name, conditions.collect::<Result<_>>()?, at_last)?;
    }
    if files.any() {
        program.hand_over_files(files)?;
    }
    Ok(program)
}

/// Flags of opens that are the kernel's, as masks and values of which one fits: a descriptor that leads nowhere but to a
/// name; where the broker opens for reading, a folder to be listed; where it opens for writing alone, what only reads.
pub fn kernels_opens(files: Brokered) -> [(i32, i32); 2] {
    let path = (libc::O_PATH, libc::O_PATH);
    let temporary = libc::O_TMPFILE & !libc::O_DIRECTORY;
    let other = match (files.reads, files.writes) {
        (true, _) => {
            let only_folder = libc::O_CREAT | libc::O_TMPFILE | libc::O_ACCMODE;
            (only_folder, libc::O_DIRECTORY)
        }
        (false, true) => (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | temporary, 0),
        (false, false) => (0, 0),
    };
    [path, other]
}

/// Whether a call is handed over where `files` are the broker's, whoever else is told of it.
pub fn files_ask(files: Brokered, call: i64, arguments: &[u64; 6]) -> bool {
    let known = |name: &&str| number(name) == Some(call);
    if let Some((_, index)) = OPENS.iter().find(|(name, _)| known(name)) {
        let flags = arguments[usize::from(*index)] as i32;
        let kernels = kernels_opens(files);
        return !kernels.iter().any(|(mask, value)| flags & mask == *value);
    }
    files.writes && CHANGES.calls.iter().any(known)
}

/// Rules of which one lets a call pass whose argument has one of these values under its mask.
fn masked(index: u8, pairs: &[(i32, i32)]) -> Result<Vec<SeccompRule>> {
    let pairs = pairs.iter();
    pairs
        .map(|(mask, value)| rule([(index, SeccompCmpOp::MaskedEq(*mask as u64), *value as u64)]))
        .collect()
}

/// The filter of init after it has forked the server.
pub fn init() -> Result<BpfProgram> {
    let mut program = Program {
        verdicts: BTreeMap::new(),
        sections: Vec::new(),
    };
    program.decide(&INIT, Verdict::Allow);
    program.assemble()
}

const LANDLOCK: &[&str] = &[
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
];

impl Program {
    fn decide<'a>(&mut self, names: impl IntoIterator<Item = &'a &'static str>, verdict: Verdict) {
        let numbers = names.into_iter().filter_map(|name| number(name));
        self.verdicts
            .extend(numbers.map(|number| (number as u32, verdict)));
    }

    fn hand_over_files(&mut self, files: Brokered) -> Result<()> {
        self.decide(&["openat2"], Verdict::Errno(libc::ENOSYS));
        // Whoever restricts itself further would not be restricted in what is done for it, and must know.
        self.decide(LANDLOCK, Verdict::Errno(libc::ENOSYS));
        if files.writes {
            self.decide(CHANGES.calls, Verdict::Notify);
        }
        for (name, index) in OPENS {
            let Some(number) = number(name) else { continue };
            let harmless = masked(index, &kernels_opens(files))?;
            self.or_notify(number, harmless)?;
        }
        Ok(())
    }

    /// Hands over every call that tells what the server uses. Whoever decides about them still does.
    fn hand_over_uses(&mut self) -> Result<()> {
        self.decide(&["openat2"], Verdict::Errno(libc::ENOSYS));
        self.decide(USES.iter().map(|shown| &shown.call), Verdict::Notify);
        for (name, index) in OF_DESCRIPTORS {
            let Some(number) = number(name) else { continue };
            let of_descriptor = masked(index, &[(libc::AT_EMPTY_PATH, libc::AT_EMPTY_PATH)])?;
            self.or_notify(number, of_descriptor)?;
        }
        Ok(())
    }

    /// Lets the call pass where one of the rules fits; else the broker answers.
    fn or_notify(&mut self, number: i64, rules: Vec<SeccompRule>) -> Result<()> {
        self.verdicts
            .insert(number as u32, Verdict::Arguments(self.sections.len()));
        self.sections.push(or_notify([(number, rules)].into())?);
        Ok(())
    }

    /// Refuses the call where a condition is not met; one that meets them all passes, by `or_notify` if there are such
    /// rules.
    fn decide_by_arguments(
        &mut self,
        name: &str,
        conditions: Vec<(Vec<SeccompRule>, i32)>,
        at_last: Option<Vec<SeccompRule>>,
    ) -> Result<()> {
        let Some(number) = number(name) else { return Ok(()) };
        self.verdicts
            .insert(number as u32, Verdict::Arguments(self.sections.len()));
        let at_last = at_last.map(|rules| or_notify([(number, rules)].into()));
        let mut whole = at_last.transpose()?.unwrap_or_default();
        // From the last to the first, since each leads to what follows it.
        for (rules, errno) in conditions.into_iter().rev() {
            let mut section = section([(number, rules)].into(), errno)?;
            if whole.is_empty() {
                whole = section;
                continue;
            }
            lead_on(&mut section);
            whole = section
                .into_iter()
                .chain(whole.into_iter().skip(ARCHITECTURE_CHECK))
                .collect();
        }
        self.sections.push(whole);
        Ok(())
    }

    fn assemble(self) -> Result<BpfProgram> {
        // An empty section has the check of the architecture that stands first.
        let mut program = section(BTreeMap::new(), libc::ENOSYS)?;
        program.truncate(ARCHITECTURE_CHECK);
        program.push(statement(
            libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
            NUMBER_OFFSET,
        ));
        let mut tree = Tree {
            code: Vec::new(),
            jumps: Vec::new(),
        };
        tree.search(&ranges(&self.verdicts));
        let mut starts = Vec::new();
        let mut end = tree.code.len();
        for section in &self.sections {
            starts.push(end);
            end += section.len() - ARCHITECTURE_CHECK;
        }
        for (at, section) in tree.jumps {
            tree.code[at].k = (starts[section] - at - 1) as u32;
        }
        program.extend(tree.code);
        program.extend(
            self.sections
                .into_iter()
                .flat_map(|section| section.into_iter().skip(ARCHITECTURE_CHECK)),
        );
        Ok(program)
    }
}

/// Lets a section that is met go on behind its end instead of allowing the call.
fn lead_on(section: &mut BpfProgram) {
    let end = section.len();
    let allow = statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW);
    for (at, step) in section.iter_mut().enumerate() {
        if (step.code, step.k) == (allow.code, allow.k) {
            *step = statement(libc::BPF_JMP | libc::BPF_JA, (end - at - 1) as u32);
        }
    }
}

/// Offset of `nr` in struct seccomp_data.
const NUMBER_OFFSET: u32 = 0;

/// First number of every run of equal verdicts, from 0 to the end of all numbers. x32 numbers lie far above
/// the last one known and fall into the last run, ENOSYS.
fn ranges(verdicts: &BTreeMap<u32, Verdict>) -> Vec<(u32, Verdict)> {
    let unknown = Verdict::Errno(libc::ENOSYS);
    let mut ranges = vec![(0, unknown)];
    let mut next = 0;
    for (&number, &verdict) in verdicts {
        if number > next {
            ranges.push((next, unknown));
        }
        ranges.push((number, verdict));
        next = number + 1;
    }
    ranges.push((next, unknown));
    ranges.reverse();
    ranges.dedup_by_key(|(first, _)| *first);
    ranges.reverse();
    ranges.dedup_by_key(|(_, verdict)| *verdict);
    ranges
}

struct Tree {
    code: BpfProgram,
    /// Jumps to sections whose distance is not known yet.
    jumps: Vec<(usize, usize)>,
}

impl Tree {
    /// Code that finds the range of the loaded number by halving.
    fn search(&mut self, ranges: &[(u32, Verdict)]) {
        if let [(_, verdict)] = ranges {
            return self.leaf(*verdict);
        }
        let (lower, upper) = ranges.split_at(ranges.len() / 2);
        // At or above the pivot: skip the lower half, by a jump that reaches any distance.
        let test = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
        self.code.push(sock_filter {
            code: test as u16,
            jt: 0,
            jf: 1,
            k: upper[0].0,
        });
        let jump = self.code.len();
        self.code.push(statement(libc::BPF_JMP | libc::BPF_JA, 0));
        self.search(lower);
        self.code[jump].k = (self.code.len() - jump - 1) as u32;
        self.search(upper);
    }

    fn leaf(&mut self, verdict: Verdict) {
        let action = match verdict {
            Verdict::Allow => libc::SECCOMP_RET_ALLOW,
            Verdict::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
            Verdict::Notify => libc::SECCOMP_RET_USER_NOTIF,
            Verdict::Arguments(section) => {
                self.jumps.push((self.code.len(), section));
                return self.code.push(statement(libc::BPF_JMP | libc::BPF_JA, 0));
            }
        };
        self.code.push(statement(libc::BPF_RET | libc::BPF_K, action));
    }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

fn section(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<BpfProgram> {
    let otherwise = SeccompAction::Errno(errno as u32);
    SeccompFilter::new(
        rules,
        otherwise,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// Rules of which one lets the call pass; else the broker answers. seccompiler has no such action, so an errno that no
/// call has stands for it.
fn or_notify(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<BpfProgram> {
    const STAND_IN: i32 = 4095;
    let stand_in = libc::SECCOMP_RET_ERRNO | STAND_IN as u32;
    let mut section = section(rules, STAND_IN)?;
    for step in &mut section {
        if (step.code, step.k) == ((libc::BPF_RET | libc::BPF_K) as u16, stand_in) {
            step.k = libc::SECCOMP_RET_USER_NOTIF;
        }
    }
    Ok(section)
}

/// Threads share the thread group; anything else made by clone(2) is a child process.
fn threads_only() -> Result<SeccompRule> {
    let thread = libc::CLONE_THREAD as u64;
    rule([(0, SeccompCmpOp::MaskedEq(thread), thread)])
}

/// Rules of which one matches when the call may be made.
fn permitting(argument: Argument) -> Result<Vec<SeccompRule>> {
    match argument {
        Argument::In { index, values } => values
            .iter()
            .map(|value| rule([(index, SeccompCmpOp::Eq, (*value).into())]))
            .collect(),
        Argument::NotIn { index, values } => Ok(vec![rule(
            values
                .iter()
                .map(|value| (index, SeccompCmpOp::Ne, (*value).into())),
        )?]),
        Argument::NoneOf { index, bits } => {
            Ok(vec![rule([(index, SeccompCmpOp::MaskedEq(bits.into()), 0)])?])
        }
        Argument::NotBoth { indexes, pairs } => not_both(indexes, pairs),
    }
}

/// A pair differs where its first differs from all, or is one and the second is none of those that go with it.
fn not_both([first, second]: [u8; 2], pairs: &[(u32, u32)]) -> Result<Vec<SeccompRule>> {
    let mut firsts: Vec<u32> = pairs.iter().map(|(first, _)| *first).collect();
    firsts.sort_unstable();
    firsts.dedup();
    let other = firsts
        .iter()
        .map(|value| (first, SeccompCmpOp::Ne, u64::from(*value)));
    let mut rules = vec![rule(other)?];
    for value in &firsts {
        let with_it = pairs.iter().filter(|(first, _)| first == value);
        let none = with_it.map(|(_, refused)| (second, SeccompCmpOp::Ne, u64::from(*refused)));
        rules.push(rule(
            [(first, SeccompCmpOp::Eq, u64::from(*value))]
                .into_iter()
                .chain(none),
        )?);
    }
    Ok(rules)
}

/// All conditions at once, each on the lower 32 bits of an argument.
fn rule(conditions: impl IntoIterator<Item = (u8, SeccompCmpOp, u64)>) -> Result<SeccompRule> {
    let conditions = conditions.into_iter();
    let conditions =
        conditions.map(|(index, op, value)| SeccompCondition::new(index, SeccompCmpArgLen::Dword, op, value));
    SeccompRule::new(conditions.collect::<Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::filter::allowed_names;
    use std::collections::BTreeSet;

    const ARCH: u32 = if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else {
        0xc000_00b7
    };
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

    fn errno(number: i32) -> u32 {
        libc::SECCOMP_RET_ERRNO | number as u32
    }

    /// What the kernel's interpreter answers (struct seccomp_data, classic BPF).
    fn run(program: &[sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
        let mut data = Vec::from(number.to_ne_bytes());
        data.extend(arch.to_ne_bytes());
        data.extend([0; 8]);
        args.iter().for_each(|arg| data.extend(arg.to_ne_bytes()));
        let (mut at, mut accumulator) = (0, 0u32);
        loop {
            let step = &program[at];
            at += 1;
            let skip = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
            match u32::from(step.code) {
                0x20 => accumulator = u32::from_ne_bytes(data[step.k as usize..][..4].try_into().unwrap()),
                0x54 => accumulator &= step.k,
                0x05 => at += step.k as usize,
                0x15 => at += skip(accumulator == step.k),
                0x25 => at += skip(accumulator > step.k),
                0x35 => at += skip(accumulator >= step.k),
                0x06 => return step.k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn call(spawn: bool, name: &str, args: [u64; 6]) -> u32 {
        run(
            &server(spawn, true, Brokered::default()).unwrap(),
            ARCH,
            number(name).unwrap() as u32,
            args,
        )
    }

    #[test]
    fn every_number_gets_the_answer_of_the_table() {
        let program = server(true, true, Brokered::default()).unwrap();
        let numbers = |names: &mut dyn Iterator<Item = &'static str>| -> BTreeSet<u32> {
            names.filter_map(number).map(|number| number as u32).collect()
        };
        let by_arguments = numbers(&mut conditional_names());
        let brokered = numbers(&mut BROKERED.calls.iter().chain(TOLD.calls).copied());
        let allowed = numbers(&mut allowed_names());
        let refused = numbers(&mut REFUSED.iter().flat_map(|group| group.calls.iter().copied()));
        for number in (0..1024).filter(|number| !by_arguments.contains(number)) {
            let expected = match number {
                _ if brokered.contains(&number) => libc::SECCOMP_RET_USER_NOTIF,
                _ if allowed.contains(&number) => ALLOW,
                _ if refused.contains(&number) => errno(libc::EPERM),
                _ => errno(libc::ENOSYS),
            };
            assert_eq!(run(&program, ARCH, number, [0; 6]), expected, "call {number}");
        }
    }

    #[test]
    fn numbers_of_the_x32_table_do_not_exist() {
        let program = server(true, true, Brokered::default()).unwrap();
        assert!(
            (0..1024).all(|number| run(&program, ARCH, 0x4000_0000 | number, [0; 6]) == errno(libc::ENOSYS))
        );
    }

    #[test]
    fn another_architecture_kills() {
        let program = server(true, true, Brokered::default()).unwrap();
        assert_eq!(
            run(&program, 0x4000_0003, 0, [0; 6]),
            libc::SECCOMP_RET_KILL_PROCESS
        );
    }

    #[test]
    fn namespaces_cannot_be_asked_for() {
        assert_eq!(call(true, "clone", [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(
            call(true, "unshare", [libc::CLONE_FILES as u64, 0, 0, 0, 0, 0]),
            ALLOW
        );
        for bit in [
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWNS,
            libc::CLONE_NEWNET,
            libc::CLONE_NEWPID,
            0x80,
        ] {
            let flags = [bit as u64 | 0xffff_0000_0000_0000, 0, 0, 0, 0, 0];
            assert_eq!(call(true, "clone", flags), errno(libc::EPERM));
            assert_eq!(call(true, "unshare", flags), errno(libc::EPERM));
        }
    }

    #[test]
    fn terminals_cannot_be_typed_into_or_taken_whatever_the_upper_half_says() {
        const TIOCVHANGUP: u64 = 0x5437;
        let typing = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCCONS];
        let taking = [libc::TIOCSETD, libc::TIOCEXCL, libc::TIOCNXCL, TIOCVHANGUP];
        for request in typing.into_iter().chain(taking) {
            for upper in [0, 1 << 32, u64::MAX << 32] {
                assert_eq!(
                    call(true, "ioctl", [0, request | upper, 0, 0, 0, 0]),
                    errno(libc::EPERM)
                );
            }
        }
        assert_eq!(call(true, "ioctl", [0, libc::TCGETS, 0, 0, 0, 0]), ALLOW);
    }

    /// Encoded as _IOW(type, number, size) of asm-generic/ioctl.h: the list of the filter is of finished numbers.
    #[test]
    fn no_folder_is_made_or_copied_through_a_descriptor() {
        let write = |kind: u64, number: u64, size: u64| 1 << 30 | size << 16 | kind << 8 | number;
        // struct btrfs_ioctl_vol_args and _v2 have 4096 bytes, struct bch_ioctl_subvolume 32.
        let btrfs = [1, 14, 15, 23, 24, 63].map(|number| write(0x94, number, 4096));
        let bcachefs = [16, 17].map(|number| write(0xbc, number, 32));
        for request in btrfs.into_iter().chain(bcachefs) {
            assert_eq!(
                call(true, "ioctl", [3, request, 0, 0, 0, 0]),
                errno(libc::EPERM),
                "{request:x}"
            );
        }
    }

    #[test]
    fn only_four_socket_families_exist() {
        for family in 0..64 {
            let known = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].contains(&family);
            let expected = if known { ALLOW } else { errno(libc::EAFNOSUPPORT) };
            assert_eq!(
                call(true, "socket", [family as u64, 1, 0, 0, 0, 0]),
                expected,
                "family {family}"
            );
        }
    }

    #[test]
    fn protocols_with_ways_of_their_own_do_not_exist() {
        for (protocol, expected) in [
            (0, ALLOW),
            (6, ALLOW),
            (17, ALLOW),
            (132, errno(libc::EPROTONOSUPPORT)),
            (262, errno(libc::EPROTONOSUPPORT)),
            (262 | 1 << 32, errno(libc::EPROTONOSUPPORT)),
        ] {
            assert_eq!(
                call(true, "socket", [2, 1, protocol, 0, 0, 0]),
                expected,
                "{protocol}"
            );
        }
        assert_eq!(
            call(true, "socket", [17, 1, 262, 0, 0, 0]),
            errno(libc::EAFNOSUPPORT)
        );
    }

    #[test]
    fn fast_open_is_not_supported() {
        let fast = libc::MSG_FASTOPEN as u64 | libc::MSG_NOSIGNAL as u64;
        for (name, index) in [("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)] {
            let mut arguments = [0; 6];
            arguments[index] = libc::MSG_NOSIGNAL as u64;
            assert_eq!(call(true, name, arguments), ALLOW);
            arguments[index] = fast;
            assert_eq!(call(true, name, arguments), errno(libc::EOPNOTSUPP));
        }
    }

    #[test]
    fn options_that_lead_packets_elsewhere_are_refused() {
        for (level, name) in [
            (libc::IPPROTO_IP, libc::IP_OPTIONS),
            (libc::IPPROTO_IPV6, libc::IPV6_RTHDR),
            (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
            (libc::IPPROTO_TCP, libc::TCP_ULP),
        ] {
            let arguments = |level: i32, name: i32| [3, level as u64, name as u64, 0, 0, 0];
            assert_eq!(
                call(true, "setsockopt", arguments(level, name)),
                errno(libc::EPERM)
            );
            assert_eq!(call(true, "setsockopt", arguments(libc::SOL_UDP, name)), ALLOW);
        }
        assert_eq!(
            call(true, "setsockopt", [3, 1, libc::SO_KEEPALIVE as u64, 0, 0, 0]),
            ALLOW
        );
    }

    #[test]
    fn the_broker_is_told_of_options_that_few_set() {
        let options = TOLD_OPTIONS.iter().map(|(level, name)| (*level, *name, true));
        let common = [
            (6, libc::TCP_NODELAY as u32, false),
            (1, libc::SO_KEEPALIVE as u32, false),
        ];
        let of_other_level = [(17, libc::TCP_SYNCNT as u32, false)];
        for (level, name, told) in options.chain(common).chain(of_other_level) {
            for broker in [true, false] {
                let program = server(true, broker, Brokered::default()).unwrap();
                let arguments = [3, u64::from(level) | 1 << 32, name.into(), 0, 0, 0];
                let expected = if told && broker {
                    libc::SECCOMP_RET_USER_NOTIF
                } else {
                    ALLOW
                };
                let found = run(&program, ARCH, libc::SYS_setsockopt as u32, arguments);
                assert_eq!(found, expected, "{level} {name} {broker}");
            }
        }
    }

    #[test]
    fn the_brokers_calls_are_the_kernels_without_one() {
        for (broker, expected) in [(true, libc::SECCOMP_RET_USER_NOTIF), (false, ALLOW)] {
            let program = server(true, broker, Brokered::default()).unwrap();
            let calls = BROKERED.calls.iter().chain(TOLD.calls);
            for number in calls.filter_map(|name| number(name)) {
                assert_eq!(run(&program, ARCH, number as u32, [0; 6]), expected);
            }
        }
    }

    #[test]
    fn opens_wait_for_the_broker_by_their_flags() {
        let (notify, reads) = (libc::SECCOMP_RET_USER_NOTIF, 0);
        let (path, folder) = (libc::O_PATH, libc::O_DIRECTORY | libc::O_CLOEXEC);
        for (flags, of_reads, of_writes) in [
            (reads, notify, ALLOW),
            (libc::O_CLOEXEC | libc::O_NONBLOCK, notify, ALLOW),
            (path, ALLOW, ALLOW),
            (path | libc::O_CREAT | libc::O_RDWR, ALLOW, ALLOW),
            (folder, ALLOW, ALLOW),
            (folder | libc::O_CREAT, notify, notify),
            (folder | libc::O_RDWR, notify, notify),
            (libc::O_TMPFILE | libc::O_RDWR, notify, notify),
            (libc::O_TMPFILE, notify, notify),
            (libc::O_WRONLY, notify, notify),
            (libc::O_RDWR, notify, notify),
            (3, notify, notify),
            (libc::O_CREAT, notify, notify),
            (libc::O_TRUNC, notify, notify),
            (libc::O_APPEND, notify, ALLOW),
        ] {
            for (reads, writes, expected) in [
                (true, false, of_reads),
                (true, true, of_reads),
                (false, true, of_writes),
                (false, false, ALLOW),
            ] {
                let program = server(true, true, Brokered { reads, writes }).unwrap();
                for (name, index) in OPENS {
                    let Some(number) = number(name) else { continue };
                    let mut arguments = [0; 6];
                    arguments[usize::from(index)] = flags as u64 | 1 << 40;
                    let found = run(&program, ARCH, number as u32, arguments);
                    let asked = files_ask(Brokered { reads, writes }, number, &arguments);
                    assert_eq!(asked, expected == notify);
                    assert_eq!(found, expected, "{name} {flags:o} {reads} {writes}");
                }
            }
        }
    }

    #[test]
    fn changes_wait_for_the_broker_where_something_is_writable() {
        for (reads, writes, change, open) in [
            (false, false, ALLOW, ALLOW),
            (true, false, ALLOW, errno(libc::ENOSYS)),
            (false, true, libc::SECCOMP_RET_USER_NOTIF, errno(libc::ENOSYS)),
        ] {
            let program = server(true, true, Brokered { reads, writes }).unwrap();
            for name in CHANGES.calls.iter().filter_map(|name| number(name)) {
                assert_eq!(run(&program, ARCH, name as u32, [0; 6]), change);
            }
            assert_eq!(run(&program, ARCH, libc::SYS_openat2 as u32, [0; 6]), open);
            // Whoever would restrict itself further is told that it cannot, where that would not hold.
            for name in LANDLOCK {
                let number = number(name).unwrap() as u32;
                assert_eq!(run(&program, ARCH, number, [0; 6]), open);
            }
        }
    }

    #[test]
    fn a_server_that_is_observed_hands_over_what_it_uses() {
        let notify = libc::SECCOMP_RET_USER_NOTIF;
        let (none, all) = (
            Brokered::default(),
            Brokered {
                reads: true,
                writes: true,
            },
        );
        for files in [none, all] {
            let (plain, observed) = (server(true, true, files).unwrap(), observed(true, files).unwrap());
            for name in USES.iter().filter_map(|shown| number(shown.call)) {
                assert_eq!(run(&observed, ARCH, name as u32, [0; 6]), notify, "{name}");
            }
            let execve = number("execve").unwrap() as u32;
            assert_eq!(run(&plain, ARCH, execve, [0; 6]), ALLOW);
            for (name, index) in OF_DESCRIPTORS {
                let Some(number) = number(name) else { continue };
                let mut arguments = [0; 6];
                arguments[usize::from(index)] = libc::AT_EMPTY_PATH as u64;
                assert_eq!(run(&observed, ARCH, number as u32, arguments), ALLOW, "{name}");
            }
            // What else there is stays as it was.
            let told: Vec<&str> = USES.iter().map(|shown| shown.call).collect();
            for name in allowed_names().filter(|name| !told.contains(name) && *name != "openat2") {
                let Some(number) = number(name) else { continue };
                let of = |program| run(program, ARCH, number as u32, [0; 6]);
                assert_eq!(of(&observed), of(&plain), "{name}");
            }
        }
    }

    #[test]
    fn without_spawn_only_threads_are_made() {
        let thread = libc::CLONE_THREAD as u64 | libc::CLONE_VM as u64;
        assert_eq!(call(false, "clone", [thread, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(
            call(false, "clone", [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]),
            errno(libc::EPERM)
        );
        if cfg!(target_arch = "x86_64") {
            assert_eq!(call(false, "fork", [0; 6]), errno(libc::EPERM));
            assert_eq!(call(true, "fork", [0; 6]), ALLOW);
        }
    }

    #[test]
    fn init_keeps_a_handful() {
        let program = init().unwrap();
        let answer = |name: &str| run(&program, ARCH, number(name).unwrap() as u32, [0; 6]);
        assert_eq!(answer("wait4"), ALLOW);
        assert!(
            ["openat", "execve", "socket", "mount", "clone"]
                .iter()
                .all(|name| answer(name) != ALLOW)
        );
    }
}
