//! Namespaces, and the tree of mounts that is built in them.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::errno::Errno;

use super::super::sys;
use super::super::tree::{Source, Tree};
use super::child::{Trouble, in_namespaces, refused};
use super::{Ability, Act, required};
use crate::{Access, Bytes};

const MOUNTS: i32 = libc::CLONE_NEWNS;
const SIZE: Bytes = Bytes(1 << 20);

/// In the order in which a launch needs them. The first is what all others need.
pub const ALL: &[Ability] = &[
    Ability {
        inside: false,
        act: Act::MakeUserNamespace,
        ..ability(
            "user namespace",
            "there is no box without one: nothing else gives an ordinary user namespaces",
            user,
        )
    },
    ability(
        "mount namespace",
        "the server would see every file of the host",
        || new("mnt", libc::CLONE_NEWNS),
    ),
    ability(
        "PID namespace",
        "the server would see every process of the host",
        || new("pid", libc::CLONE_NEWPID),
    ),
    ability(
        "network namespace",
        "the server would reach every network of the host",
        || new("net", libc::CLONE_NEWNET),
    ),
    ability(
        "IPC namespace",
        "the server would reach the host's shared memory",
        || new("ipc", libc::CLONE_NEWIPC),
    ),
    ability("UTS namespace", "the server would learn the host's name", || {
        new("uts", libc::CLONE_NEWUTS)
    }),
    ability(
        "cgroup namespace",
        "the server would learn where in the host it runs",
        || new("cgroup", libc::CLONE_NEWCGROUP),
    ),
    ability(
        "loopback of its own",
        "servers could not talk to themselves",
        loopback,
    ),
    ability(
        "memory as a file system",
        "there is no private /tmp and no private home",
        tmpfs,
    ),
    ability(
        "mounts of host folders, read-only",
        "no program could be shown to the server",
        bind,
    ),
    ability("devices of its own", "there is no /dev/null in the box", device),
    Ability {
        act: Act::MountProc,
        ..ability(
            "/proc of its own",
            "node, java and many others do not start without /proc",
            proc,
        )
    },
    ability(
        "root of its own",
        "the host's files would stay within reach",
        pivot,
    ),
    ability(
        "limit on nested namespaces",
        "the filter would be the only thing that keeps the server from namespaces of its own",
        limit,
    ),
];

/// An ability that `run` needs, tried in a child in namespaces.
const fn ability(
    name: &'static str,
    cost: &'static str,
    prove: fn() -> Result<&'static str, Trouble>,
) -> Ability {
    Ability {
        inside: true,
        act: Act::UseCapability,
        ..required(name, cost, prove)
    }
}

/// AppArmor lets one be made and then withholds its capabilities, so one is used.
fn user() -> Result<&'static str, Trouble> {
    in_namespaces(libc::CLONE_NEWUTS, || Ok(nix::unistd::sethostname("doctor")?)).map_err(|trouble| {
        match trouble {
            Trouble::Failed(errno) => Trouble::Powerless(errno),
            other => other,
        }
    })?;
    Ok("made, our id mapped in it, its capabilities work")
}

/// Another namespace than ours, as /proc names it (namespaces(7)).
fn new(name: &'static str, flag: i32) -> Result<&'static str, Trouble> {
    let link = Path::new("/proc/self/ns").join(name);
    let ours = fs::read_link(&link)?;
    in_namespaces(flag, || match fs::read_link(&link)? == ours {
        true => Err(Trouble::NotRefused),
        false => Ok(()),
    })?;
    Ok("made, and another than ours")
}

fn loopback() -> Result<&'static str, Trouble> {
    in_namespaces(libc::CLONE_NEWNET, || {
        sys::loopback_up()?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        std::net::TcpStream::connect(listener.local_addr()?)?;
        Ok(())
    })?;
    Ok("brought up, and connected to")
}

/// A new root, attached and not yet entered.
fn tree() -> Result<Tree, Trouble> {
    sys::make_mounts_private()?;
    Ok(Tree::mount(SIZE)?)
}

fn tmpfs() -> Result<&'static str, Trouble> {
    in_namespaces(MOUNTS, || {
        let tree = tree()?;
        tree.tmpfs(Path::new("/tmp"), SIZE, 0o1777)?;
        tree.file(Path::new("/tmp/file"), b"text")?;
        // The size holds: twice as much does not fit.
        refused(
            tree.file(Path::new("/tmp/large"), &vec![0; 2 << 20]),
            Errno::ENOSPC,
        )
    })?;
    Ok("mounted, and its size holds")
}

fn bind() -> Result<&'static str, Trouble> {
    in_namespaces(MOUNTS, || {
        let (tree, at) = (tree()?, Path::new("/usr"));
        tree.bind(&Source::open(at)?, at, Access::Read, true)?;
        tree.open_with(at, libc::O_RDONLY | libc::O_DIRECTORY)?;
        // A file without a name, so that nothing is left even where it is not refused.
        refused(tree.open_with(at, libc::O_TMPFILE | libc::O_WRONLY), Errno::EROFS)
    })?;
    Ok("mounted, and writing is refused")
}

fn device() -> Result<&'static str, Trouble> {
    in_namespaces(MOUNTS, || {
        let tree = tree()?;
        tree.device("null", 1, 3)?;
        let null = tree.open_with(Path::new("/dev/null"), libc::O_WRONLY)?;
        nix::unistd::write(null.as_fd(), b"x")?;
        Ok(())
    })?;
    Ok("/dev/null mounted and written to")
}

fn proc() -> Result<&'static str, Trouble> {
    in_namespaces(MOUNTS | libc::CLONE_NEWPID, || {
        let tree = tree()?;
        tree.proc()?;
        tree.open_with(Path::new("/proc/1/status"), libc::O_RDONLY)?;
        // Ours has another number outside, and no other process is in the new namespace.
        refused(tree.open_with(Path::new("/proc/2"), libc::O_PATH), Errno::ENOENT)
    })?;
    Ok("mounted, with the box's processes only")
}

fn pivot() -> Result<&'static str, Trouble> {
    in_namespaces(MOUNTS, || {
        let tree = tree()?;
        tree.tmpfs(Path::new("/tmp"), SIZE, 0o1777)?;
        tree.pivot()?;
        refused(sys::openat2(sys::cwd(), c"/usr", libc::O_PATH, 0), Errno::ENOENT)?;
        refused(
            nix::unistd::mkdir("/made", nix::sys::stat::Mode::S_IRWXU),
            Errno::EROFS,
        )
    })?;
    Ok("entered, the host's is out of reach")
}

fn limit() -> Result<&'static str, Trouble> {
    in_namespaces(0, || {
        fs::write("/proc/sys/user/max_user_namespaces", "0")?;
        refused(
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER),
            Errno::ENOSPC,
        )
    })?;
    Ok("set, and the kernel refuses the next")
}
