//! The last moments of our code in the server's process: rights are given up, then it becomes the server.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use caps::{CapSet, CapsHashSet};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getpeername, getsockname};
use nix::sys::stat::{Mode, fstat, umask};
use seccompiler::sock_filter;

use super::places::Brokered;
use super::plan::{Plan, Rights, Rule, Step};
use super::report::{Report, Who};
use super::{limits, sockets, sys, terminal};

/// What the server's process needs ready before the clone: nothing can then fail for want of it.
pub struct Server<'a> {
    pub filter: &'a [sock_filter],
    pub program: CString,
    pub argv: Vec<CString>,
    pub env: Vec<CString>,
    /// The umask the client gave us.
    pub umask: Mode,
}

/// Runs the steps of the server. Returns to nobody.
pub fn run(
    plan: &Plan,
    server: Server,
    rules: RulesetCreated,
    terminal: Option<OwnedFd>,
    channel: BorrowedFd,
) -> ! {
    let mut rules = Some(rules);
    for (index, step) in plan.server.iter().enumerate() {
        if let Err(errno) = perform(step, &server, &mut rules, terminal.as_ref(), channel) {
            let report = Report::Failed {
                who: Who::Server,
                step: index as u16,
                errno: errno as i32,
            };
            let _ = report.send(channel, &[]);
            sys::exit_now(1);
        }
    }
    sys::exit_now(1)
}

fn perform(
    step: &Step,
    server: &Server,
    rules: &mut Option<RulesetCreated>,
    terminal: Option<&OwnedFd>,
    channel: BorrowedFd,
) -> nix::Result<()> {
    match step {
        Step::NewSession => {
            nix::unistd::setsid()?;
            terminal.map_or(Ok(()), terminal::take)
        }
        Step::ChangeDirectory(to) => change_directory(to),
        Step::CloseDescriptors => {
            take_own_null_device()?;
            sys::cloexec_from(3)
        }
        Step::ResetSignalsAndUmask => {
            umask(server.umask | Mode::from_bits_truncate(0o022));
            sys::reset_signals()
        }
        Step::Limit { what, most } => limits::set_rlimit(*what, *most),
        Step::DropCapabilities { keep } => drop_capabilities(keep),
        Step::NoNewPrivileges => prctl::set_no_new_privs(),
        Step::Landlock { .. } => restrict(rules.take()),
        Step::Filter { broker: true, .. } => {
            let listener = sys::install_filter_with_listener(server.filter)?;
            Report::Filtered.send(channel, &[listener.as_fd()])
        }
        Step::Filter { broker: false, .. } => sys::install_filter(server.filter),
        Step::Execute { .. } => Err(sys::execve(&server.program, &server.argv, &server.env)),
        _ => Err(Errno::EINVAL),
    }
}

fn change_directory(to: &Path) -> nix::Result<()> {
    nix::unistd::chdir(to)?;
    // A directory outside the root makes getcwd(2) fail or answer "(unreachable)…".
    match nix::unistd::getcwd()? {
        path if path.is_absolute() => Ok(()),
        _ => Err(Errno::EXDEV),
    }
}

/// Empties every set but for `keep`, which goes into all of them so that it survives execve(2).
fn drop_capabilities(keep: &[String]) -> nix::Result<()> {
    let kept: CapsHashSet = keep.iter().filter_map(|name| name.parse().ok()).collect();
    let known = caps::runtime::thread_all_supported();
    for capability in known.difference(&kept) {
        caps::drop(None, CapSet::Bounding, *capability).map_err(refused)?;
    }
    caps::set(None, CapSet::Inheritable, &kept).map_err(refused)?;
    caps::clear(None, CapSet::Ambient).map_err(refused)?;
    kept.iter()
        .try_for_each(|capability| caps::raise(None, CapSet::Ambient, *capability))
        .map_err(refused)?;
    caps::set(None, CapSet::Effective, &kept).map_err(refused)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(refused)
}

fn refused(_: caps::errors::CapsError) -> Errno {
    Errno::EPERM
}

/// The ruleset of the plan, made before the fork: the crate allocates.
///
/// Everything the plan's ABI knows is handled, and what the kernel does not handle then is an error. Direct TCP connects
/// are denied as a second layer: a TCP socket of the host's network that reaches the server by whatever way cannot be
/// pointed elsewhere with connect(2). With a broker, which performs both calls, so are direct binds.
pub fn landlock(plan: &Plan) -> nix::Result<RulesetCreated> {
    let Some(Step::Landlock { abi, rules, broker }) = plan
        .server
        .iter()
        .find(|step| matches!(step, Step::Landlock { .. }))
    else {
        return Err(Errno::EINVAL);
    };
    let abi = version(*abi);
    let mut ruleset = ruleset(abi, *broker).map_err(|_| Errno::EINVAL)?;
    for Rule { at, rights, without } in rules {
        let path = CString::new(at.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
        let fd = sys::openat2(sys::cwd(), &path, libc::O_PATH, sys::RESOLVE_NO_SYMLINKS)?;
        ruleset = allow(ruleset, fd.as_fd(), access(*rights, abi) & !brokered(*without))?;
    }
    // One that is reached by a link lies elsewhere, or is not executed.
    if let Some(Ok(program)) = brokered_program(plan, rules) {
        ruleset = allow(ruleset, program.as_fd(), access(Rights::Read, abi))?;
    }
    standard_streams(ruleset, abi)
}

fn ruleset(abi: ABI, broker: bool) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
        if broker {
            ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
        }
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    ruleset.create()
}

/// A standard stream that is a file can be opened again by its `/dev/std…` name, for what it is open for now.
fn standard_streams(mut ruleset: RulesetCreated, abi: ABI) -> nix::Result<RulesetCreated> {
    for stream in [
        std::io::stdin().as_fd(),
        std::io::stdout().as_fd(),
        std::io::stderr().as_fd(),
    ] {
        if fstat(stream)?.st_mode & libc::S_IFMT != libc::S_IFREG {
            continue;
        }
        let flags = nix::fcntl::fcntl(stream, nix::fcntl::FcntlArg::F_GETFL)?;
        let write = AccessFs::WriteFile | AccessFs::Truncate;
        let rights = match flags & libc::O_ACCMODE {
            libc::O_RDONLY => AccessFs::ReadFile.into(),
            libc::O_WRONLY => write,
            _ => write | AccessFs::ReadFile,
        };
        ruleset = allow(ruleset, stream, rights & AccessFs::from_all(abi))?;
    }
    Ok(ruleset)
}

fn allow(ruleset: RulesetCreated, fd: BorrowedFd, rights: BitFlags<AccessFs>) -> nix::Result<RulesetCreated> {
    // Rights that only directories have are no error on a file.
    let is_directory = fstat(fd)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let rights = if is_directory {
        rights
    } else {
        rights & AccessFs::from_file(ABI::V9)
    };
    // A rule without rights is an error; of a file that is the broker's, none are left.
    if rights.is_empty() {
        return Ok(ruleset);
    }
    ruleset
        .add_rule(PathBeneath::new(fd, rights))
        .map_err(|_| Errno::EINVAL)
}

fn access(rights: Rights, abi: ABI) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match rights {
        Rights::List => AccessFs::ReadDir.into(),
        Rights::Data => read,
        Rights::Read => read | AccessFs::Execute,
        Rights::Device => (read | AccessFs::WriteFile | AccessFs::IoctlDev) & AccessFs::from_all(abi),
        Rights::Write => AccessFs::from_all(abi),
    }
}

/// Rights that are the broker's. A socket can be made past it: its name holds no content, and bind(2) is not the file
/// broker's.
fn brokered(without: Brokered) -> BitFlags<AccessFs> {
    let mut rights = BitFlags::EMPTY;
    if without.reads {
        rights |= AccessFs::ReadFile | AccessFs::Execute;
    }
    if without.writes {
        rights |= AccessFs::WriteFile | AccessFs::Truncate | AccessFs::Refer;
        rights |= AccessFs::RemoveDir | AccessFs::RemoveFile;
        rights |= AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym | AccessFs::MakeFifo;
        rights |= AccessFs::MakeChar | AccessFs::MakeBlock;
    }
    rights
}

/// The program itself, where it lies in a place that the kernel executes nothing from; it is judged before the launch.
fn brokered_program(plan: &Plan, rules: &[Rule]) -> Option<nix::Result<OwnedFd>> {
    let program = plan.server.iter().find_map(|step| match step {
        Step::Execute { program, .. } => Some(program),
        _ => None,
    })?;
    let mut around = rules.iter().filter(|rule| rule.without.reads);
    around.any(|rule| program.starts_with(&rule.at)).then(|| {
        let path = CString::new(program.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
        sys::openat2(sys::cwd(), &path, libc::O_PATH, sys::RESOLVE_NO_SYMLINKS)
    })
}

fn restrict(rules: Option<RulesetCreated>) -> nix::Result<()> {
    let status = rules
        .ok_or(Errno::EINVAL)?
        .restrict_self()
        .map_err(|_| Errno::EPERM)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => Err(Errno::ENOSYS),
    }
}

fn version(abi: u32) -> ABI {
    match abi {
        0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        _ => ABI::V7,
    }
}

/// Streams that are the null device of the host become the box's, which is mounted read-only: fchmod(2) on the host's
/// would change it for everybody.
fn take_own_null_device() -> nix::Result<()> {
    for (number, stream) in [
        (0, std::io::stdin().as_fd()),
        (1, std::io::stdout().as_fd()),
        (2, std::io::stderr().as_fd()),
    ] {
        let stat = fstat(stream)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFCHR || stat.st_rdev != libc::makedev(1, 3) {
            continue;
        }
        let mode =
            nix::fcntl::fcntl(stream, nix::fcntl::FcntlArg::F_GETFL)? & (libc::O_ACCMODE | libc::O_APPEND);
        let own = sys::openat2(sys::cwd(), c"/dev/null", mode, sys::RESOLVE_NO_SYMLINKS)?;
        match number {
            0 => nix::unistd::dup2_stdin(&own)?,
            1 => nix::unistd::dup2_stdout(&own)?,
            _ => nix::unistd::dup2_stderr(&own)?,
        }
    }
    Ok(())
}

/// Refuses standard streams that are a way out of the box: from an open directory (or an O_PATH descriptor)
/// every path of the host can be reached by openat(2), a block device is a disk, and a socket of the network stays in
/// the host's network: UDP sends anywhere, and TCP can be disconnected and then connected by MSG_FASTOPEN, which
/// Landlock does not see, or made to listen. A Unix socket that is not connected can take a name in the host's network.
/// Names the first such stream.
pub fn check_standard_streams() -> Result<(), &'static str> {
    let streams = [
        ("stdin", std::io::stdin().as_fd().try_clone_to_owned()),
        ("stdout", std::io::stdout().as_fd().try_clone_to_owned()),
        ("stderr", std::io::stderr().as_fd().try_clone_to_owned()),
    ];
    for (name, fd) in streams {
        let Ok(fd) = fd else { return Err(name) };
        let kind = fstat(&fd).map(|stat| stat.st_mode & libc::S_IFMT);
        let flags = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GETFL);
        if matches!(kind, Ok(libc::S_IFSOCK)) && !is_connected_unix_socket(fd.as_fd()) {
            return Err(name);
        }
        match (kind, flags) {
            (Ok(libc::S_IFDIR | libc::S_IFBLK), _) | (Err(_), _) | (_, Err(_)) => return Err(name),
            (_, Ok(flags)) if flags & libc::O_PATH != 0 => return Err(name),
            _ => {}
        }
    }
    Ok(())
}

/// Names those streams that are Unix sockets of the client, as the kernel chooses (autobind of unix(7)): a socket that has a
/// name takes no other, so a server that gets round us takes none that others of the host look for.
///
/// # Errors
/// ENOMEM, and ENOSPC when every name is taken.
pub fn name_standard_streams() -> nix::Result<()> {
    let family_alone = (libc::AF_UNIX as u16).to_ne_bytes();
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()].into_iter();
    let mut sockets = streams.filter(|stream| is_connected_unix_socket(*stream));
    sockets.try_for_each(|socket| sockets::bind(socket, &family_alone))
}

fn is_connected_unix_socket(fd: BorrowedFd) -> bool {
    let address = getsockname::<SockaddrStorage>(fd.as_raw_fd());
    let is_unix = address.is_ok_and(|address| address.family() == Some(AddressFamily::Unix));
    is_unix && getpeername::<SockaddrStorage>(fd.as_raw_fd()).is_ok()
}

/// A string for execve(2); nothing if it holds a NUL byte.
pub fn c_string(text: &OsStr) -> Option<CString> {
    CString::new(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::{ruleset, sys, version};

    #[test]
    fn every_abi_that_this_kernel_has_is_handled_in_full() {
        assert!((1..=sys::landlock_abi()).all(|abi| ruleset(version(abi), true).is_ok()));
    }
}
