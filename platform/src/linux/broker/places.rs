//! Everywhere a socket is known in the caller's process: descriptors that are duplicates, and epoll instances.
//!
//! A socket that takes another's place takes that one number. Where the old one lives on, because it was duplicated, it must
//! be replaced there as well. Where the caller watched it before it connected it (Netty, nginx and Asio do), the new one must
//! be watched: an epoll instance forgets a socket that nobody holds any more, so that is looked at before.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::stat::fstat;
use nix::unistd::Pid;

use super::super::sys;
use super::caller::{Callers, closes_on_exec};

/// Notices whether a socket lives on after our own descriptor of it is closed.
///
/// An epoll instance forgets a socket when the last descriptor of it is closed anywhere (epoll(7)), and reports one that
/// is not connected at once (EPOLLHUP), so it tells by one call that does not wait.
pub struct Witness(Epoll);

impl Witness {
    pub fn new() -> nix::Result<Self> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Witness)
    }

    /// Watches a socket that is not connected.
    pub fn watch(&self, socket: BorrowedFd) -> nix::Result<()> {
        self.0.add(socket, EpollEvent::new(EpollFlags::EPOLLHUP, 0))
    }

    /// Watches it no more.
    pub fn forget(&self, socket: BorrowedFd) {
        let _ = self.0.delete(socket);
    }

    /// Gives our descriptor up. Where the socket lives on, by other descriptors, its number is returned. A call of another
    /// thread may only have kept it for a moment: then it is gone, and there is no number.
    ///
    /// # Errors
    /// EACCES where the table of the instance cannot be read, EMFILE and the like where no new one can be made.
    pub fn close(&mut self, socket: OwnedFd) -> nix::Result<Option<u64>> {
        drop(socket);
        let mut events = [EpollEvent::empty()];
        match self.0.wait(&mut events, EpollTimeout::ZERO) {
            Ok(0) | Err(_) => Ok(None),
            // It stays in this instance as long as it lives, and would be told of again.
            Ok(_) => std::mem::replace(self, Witness::new()?).inode(),
        }
    }

    /// The number of what is watched, if it still lives.
    fn inode(&self) -> nix::Result<Option<u64>> {
        let text = fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", self.0.0.as_raw_fd()));
        let text = text.map_err(|_| Errno::EACCES)?;
        Ok(text.lines().find_map(inode_watched))
    }
}

/// The number by which a socket is told from others (inode(7)).
fn inode(socket: BorrowedFd) -> nix::Result<u64> {
    fstat(socket).map(|stat| stat.st_ino)
}

/// A socket in an epoll instance of the caller.
#[derive(Debug, PartialEq, Eq)]
pub struct Registration {
    /// The number it was registered by.
    number: RawFd,
    events: u32,
    data: u64,
}

/// The most descriptors that are looked at. A process with more keeps the old socket where it was, and is told of.
const MOST_DESCRIPTORS: usize = 4096;

/// Where a socket is known besides.
pub struct Found {
    /// Numbers, and whether each closes on execution.
    numbers: Vec<(RawFd, bool)>,
    watching: Vec<Watching>,
}

/// An epoll instance of the caller, and how it knows the socket.
pub type Watching = (OwnedFd, Registration);

/// Finds what else the thread's process calls `inode`. All of it is read through the thread's number, so whether the call
/// still waits must be asked before it is used.
///
/// # Errors
/// EMFILE when there are too many descriptors to look at.
pub fn find(callers: &mut Callers, thread: Pid, inode: u64) -> nix::Result<Found> {
    let (sockets, epolls) = descriptors(thread, inode)?;
    let watching = registrations(callers, thread, inode, epolls)?;
    let flags = |number| (number, closes_on_exec(callers.flags(thread, number)));
    Ok(Found {
        numbers: sockets.into_iter().map(flags).collect(),
        watching,
    })
}

/// Finds which epoll instances of the thread's process know `socket`. `made` is when the box last made an instance.
///
/// # Errors
/// Those of pidfd_getfd(2).
pub fn watching(
    callers: &mut Callers,
    thread: Pid,
    socket: BorrowedFd,
    made: Instant,
) -> nix::Result<Vec<Watching>> {
    let numbers = callers.epolls(thread, made, instances);
    match numbers.is_empty() {
        true => Ok(Vec::new()),
        false => registrations(callers, thread, inode(socket)?, numbers),
    }
}

/// Lets those who knew the old socket know `new`.
///
/// # Errors
/// Those of epoll_ctl(2).
pub fn watch_again(watching: &[Watching], new: BorrowedFd) -> nix::Result<()> {
    watching
        .iter()
        .try_for_each(|(epoll, watched)| register(epoll.as_fd(), watched, new))
}

fn registrations(
    callers: &mut Callers,
    thread: Pid,
    inode: u64,
    epolls: Vec<RawFd>,
) -> nix::Result<Vec<Watching>> {
    let mut found = Vec::new();
    for number in epolls {
        // One that was closed meanwhile knows nothing.
        let Ok(table) = fs::File::open(format!("/proc/{thread}/fdinfo/{number}")) else {
            continue;
        };
        if let Some(watched) = registration_in(table, inode)? {
            found.push((callers.descriptor(thread, number)?, watched));
        }
    }
    Ok(found)
}

impl Found {
    /// Calls `replace` for each number. Returns who watches the socket.
    ///
    /// # Errors
    /// What could not be replaced.
    pub fn replace(self, replace: impl Fn(RawFd, bool) -> nix::Result<()>) -> nix::Result<Vec<Watching>> {
        self.numbers
            .iter()
            .try_for_each(|(number, close_on_exec)| replace(*number, *close_on_exec))?;
        Ok(self.watching)
    }
}

/// Enough for a thread that makes four system calls.
const STACK: usize = 64 << 10;

/// The thread's descriptors that are the socket, and those that are epoll instances.
fn descriptors(thread: Pid, inode: u64) -> nix::Result<(Vec<RawFd>, Vec<RawFd>)> {
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let (mut sockets, mut epolls) = (Vec::new(), Vec::new());
    let entries = fs::read_dir(format!("/proc/{thread}/fd")).map_err(|_| Errno::EACCES)?;
    for (count, entry) in entries.flatten().enumerate() {
        if count >= MOST_DESCRIPTORS {
            return Err(Errno::EMFILE);
        }
        let (Some(number), Ok(target)) = (
            entry.file_name().to_str().and_then(|name| name.parse().ok()),
            fs::read_link(entry.path()),
        ) else {
            continue;
        };
        if target == socket {
            sockets.push(number);
        } else if target.as_os_str() == EPOLL {
            epolls.push(number);
        }
    }
    Ok((sockets, epolls))
}

/// The thread's numbers of epoll instances among its first descriptors, where programs have them.
fn instances(thread: Pid) -> Vec<RawFd> {
    let entries = fs::read_dir(format!("/proc/{thread}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let is_epoll =
        |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == EPOLL);
    let found = entries.take(MOST_DESCRIPTORS).filter(is_epoll);
    found
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// What the link of an instance's descriptor says (proc_pid_fd(5)).
const EPOLL: &str = "anon_inode:[eventpoll]";

/// The most that is read of the table of one epoll instance, in bytes: some fifty thousand lines.
const LONGEST_TABLE: u64 = 4 << 20;

/// Where a socket stands in the table of an epoll instance (proc_pid_fdinfo(5)).
///
/// # Errors
/// EMFILE when the table is too long to look at.
fn registration_in(table: impl Read, inode: u64) -> nix::Result<Option<Registration>> {
    let mut lines = BufReader::new(table.take(LONGEST_TABLE));
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
        let found = registration(&line, inode);
        if found.is_some() {
            return Ok(found);
        }
        line.clear();
    }
    match lines.into_inner().limit() {
        0 => Err(Errno::EMFILE),
        _ => Ok(None),
    }
}

/// What a line of the table says of a socket:
/// `tfd: 5 events: 19 data: 5 pos:0 ino:1a2b sdev:8`, the last four hexadecimal.
fn registration(line: &str, inode: u64) -> Option<Registration> {
    if inode_watched(line) != Some(inode) {
        return None;
    }
    let hex = |key| u64::from_str_radix(value(line, key)?, 16).ok();
    Some(Registration {
        number: value(line, "tfd")?.parse().ok()?,
        events: hex("events")? as u32,
        data: hex("data")?,
    })
}

/// Nothing on the lines about the instance itself.
fn inode_watched(line: &str) -> Option<u64> {
    value(line, "tfd")?;
    u64::from_str_radix(value(line, "ino")?, 16).ok()
}

/// The word after a key in such a line.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = line.split([':', ' ', '\t']).filter(|word| !word.is_empty());
    words.find(|word| *word == key)?;
    words.next()
}

/// Registers `new` in the caller's instance by the number that the caller knows it by: epoll_ctl(2) remembers the number
/// that it is called with, so a thread with a table of descriptors of its own gives it that number there.
fn register(epoll: BorrowedFd, watched: &Registration, new: BorrowedFd) -> nix::Result<()> {
    let work = || -> nix::Result<()> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?;
        let epoll = clear_of(epoll, watched.number)?;
        sys::duplicate_to(new, watched.number)?;
        let result = match sys::epoll_add(epoll.as_fd(), watched.number, watched.events, watched.data) {
            // Another thread of the server was sooner.
            Err(Errno::EEXIST) => Ok(()),
            result => result,
        };
        // The table goes with the thread, and whatever the number was in it.
        std::mem::forget(epoll);
        result
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).map_err(|_| Errno::EAGAIN)?;
        thread.join().map_err(|_| Errno::EIO)?
    })
}

/// The same descriptor by another number than `number`.
fn clear_of(fd: BorrowedFd, number: RawFd) -> nix::Result<OwnedFd> {
    loop {
        let other = fd.try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
        if other.as_raw_fd() != number {
            return Ok(other);
        }
        // Keeps the number taken, so that the next one differs.
        std::mem::forget(other);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::super::sockets::tcp_socket;
    use super::*;

    #[test]
    fn a_witness_tells_whether_a_socket_lives_on() {
        let mut witness = Witness::new().unwrap();
        for shared in [false, true] {
            let socket = tcp_socket(libc::AF_INET).unwrap();
            let other = shared.then(|| socket.try_clone().unwrap());
            witness.watch(socket.as_fd()).unwrap();
            let number = inode(socket.as_fd()).unwrap();
            assert_eq!(witness.inode(), Ok(Some(number)));
            assert_eq!(witness.close(socket), Ok(shared.then_some(number)));
            drop(other);
            assert_eq!(witness.inode(), Ok(None));
            assert_eq!(witness.close(tcp_socket(libc::AF_INET).unwrap()), Ok(None));
        }
    }

    #[test]
    fn registrations_are_read_from_the_table() {
        let text = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t2064\n\
                    tfd:        7 events: 8000001d data: ffffffff00000007  pos:0 ino:1a2b sdev:8\n\
                    tfd:        9 events:       19 data:                9  pos:0 ino:ff sdev:8\n";
        let found = Registration {
            number: 7,
            events: 0x8000_001d,
            data: 0xffff_ffff_0000_0007,
        };
        let registration = |inode| registration_in(text.as_bytes(), inode);
        assert_eq!(registration(0x1a2b), Ok(Some(found)));
        let other = registration(0xff).unwrap();
        assert_eq!(other.map(|one| one.number), Some(9));
        // The instance's own number is none of the table.
        assert_eq!(registration(0x2064), Ok(None));
        assert_eq!(registration(0x12), Ok(None));
    }

    #[test]
    fn a_table_without_end_is_not_read_to_its_end() {
        let line = b"tfd:        7 events:       19 data:                7  pos:0 ino:1a2b sdev:8\n";
        let endless = || line.chain(io::repeat(b'\n'));
        assert_eq!(registration_in(endless(), 0xff), Err(Errno::EMFILE));
        assert!(registration_in(endless(), 0x1a2b).unwrap().is_some());
    }
}
