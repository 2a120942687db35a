//! Whether system calls can be handed to the broker, and whether it can give a socket back.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{getgid, getuid};

use super::super::broker::{self, Ground, Opened};
use super::super::clone::{Side, clone};
use super::super::places::Brokered;
use super::super::report::{Report, Who};
use super::super::sockets::NetworkCookie;
use super::super::{compile, sys};
use super::Ability;
use super::child::{Trouble, in_child};
use super::restrictions::optional;
use crate::Notification;
use crate::net::{Denials, Dns, Host, Network, Ports, Rule};

pub const SWAP: Ability = Ability {
    inside: true,
    ..optional(
        "hosts: connections made by the broker",
        "no host can be allowed, and a server cannot connect to its own loopback",
        swap,
    )
};

/// What this process can do, in microseconds where nothing stands in the way. It must have a single thread.
pub fn notification() -> Notification {
    if NetworkCookie::own().is_err() {
        return Notification::Missing;
    }
    if is_forbidden() {
        return Notification::Forbidden;
    }
    if is_unfiltered() {
        return Notification::Works;
    }
    match in_child(install) {
        Ok(()) => Notification::Works,
        Err(Trouble::Failed(Errno::EBUSY)) => Notification::Taken,
        Err(_) => Notification::Missing,
    }
}

/// Yama's last step forbids what the broker does, pidfd_getfd(2) and process_vm_readv(2), whatever rights one has; the
/// steps before it do not, because whoever makes a user namespace has every right in it (the kernel's Yama.rst).
fn is_forbidden() -> bool {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    scope.is_ok_and(|scope| scope.trim() == "3")
}

/// No filter holds this process, so none with a listener does (proc_pid_status(5), Linux 5.10).
fn is_unfiltered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter_map(|line| line.strip_prefix("Seccomp_filters:"))
        .any(|count| count.trim() == "0")
}

fn install() -> Result<(), Trouble> {
    Ok(filtered().map(drop)?)
}

/// Puts the server's filter on this process; its listener.
fn filtered() -> nix::Result<OwnedFd> {
    let filter = compile::server(true, true, Brokered::default()).map_err(|_| Errno::EINVAL)?;
    prctl::set_no_new_privs()?;
    sys::install_filter_with_listener(&filter)
}

/// A whole connection: out of a network that has no way out, by the broker itself, to a listener on our loopback.
fn swap() -> Result<&'static str, Trouble> {
    in_child(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        // As in a launch: whoever makes the user namespace has every right in it, and the broker needs no other.
        let child = match clone(libc::CLONE_NEWUSER | libc::CLONE_NEWNET).map_err(Trouble::Clone)? {
            Side::Child => caller(theirs.as_fd(), port),
            Side::Parent { child, .. } => child,
        };
        drop(theirs);
        serve(ours.as_fd(), port)?;
        std::thread::spawn(move || {
            let greet = |(mut stream, _): (TcpStream, _)| stream.write_all(b"x");
            listener.accept().and_then(greet)
        });
        match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, errno) => Err(Trouble::Failed(Errno::from_raw(errno))),
            _ => Err(Trouble::Died),
        }
    })?;
    Ok("one made, and given to a process without a network")
}

/// The process without a network: it connects as a server does, and wants to hear one byte.
fn caller(channel: BorrowedFd, port: u16) -> ! {
    let hand_over = || -> Result<(), Trouble> {
        let boxed = UdpSocket::bind("0.0.0.0:0")?;
        let listener = filtered()?;
        Ok(Report::Filtered.send(channel, &[listener.as_fd(), boxed.as_fd()])?)
    };
    if let Err(trouble) = hand_over() {
        let errno = trouble.errno().unwrap_or(Errno::EIO) as i32;
        let (who, step) = (Who::Server, 0);
        let _ = Report::Failed { who, step, errno }.send(channel, &[]);
        sys::exit_now(1);
    }
    let heard = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| stream.read_exact(&mut [0]));
    let errno = heard.map_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO), |()| 0);
    sys::exit_now(errno)
}

fn serve(channel: BorrowedFd, port: u16) -> Result<(), Trouble> {
    let mut fds = match Report::receive(channel)? {
        Some((Report::Filtered, fds)) => fds.into_iter(),
        Some((Report::Failed { errno, .. }, _)) => return Err(Errno::from_raw(errno).into()),
        _ => return Err(Trouble::Died),
    };
    let (Some(listener), Some(boxed)) = (fds.next(), fds.next()) else {
        return Err(Trouble::Died);
    };
    let network = Network {
        allow: vec![Rule {
            host: Host::HostLoopback,
            ports: Ports::new([port..=port]),
            text: "localhost".into(),
            reason: "doctor".into(),
        }],
        dns: Dns::Off,
        ..Network::none()
    };
    let opened = Opened {
        boxed,
        stub: None,
        inspector: None,
    };
    let user = (getuid().as_raw(), getgid().as_raw());
    let ground = Ground::new(
        &network,
        &Denials::new(|_| {}, |_| {}),
        opened,
        user,
        false,
        sys::landlock_abi(),
    )?;
    broker::start(listener, ground)?;
    Ok(())
}
