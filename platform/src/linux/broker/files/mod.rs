//! Files: opens and changes them for the server where mounts alone cannot say what it may do.
//!
//! The broker finds the object that a call names, in the box's own root, and asks the rules about the name that the object
//! has, not about the one that was given. What it then does, it does to that very object. Where nothing is brokered the
//! call is the kernel's, and so is every call that leads nowhere: Landlock leaves the server no right at a brokered place
//! (see `places`), so whatever the arguments may have become by then, the kernel does nothing there.
//!
//! Changes of names wait in line here, one after the other: the server cannot rename between a judgement and its deed.

mod asked;
mod change;
mod find;
mod missed;
mod open;
mod plain;
mod twins;

use std::cell::OnceCell;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::super::compile;
use super::super::notify::Notification;
use super::super::places::{Files, Place};
use super::super::sys;
use super::{Answer, Broker};
use crate::files::{Act, FileDenial, Refusal, Rules, What};
use crate::net::Denials;
use asked::Asked;
pub(super) use asked::text;
pub(super) use find::path_of;
use find::{Found, Held, Root};
use missed::{Missed, Outcome};
use plain::Clear;
use twins::Twins;

/// What the broker knows about files.
pub struct Desk {
    files: Files,
    /// Compiled when they are first asked, which takes milliseconds that no launch needs to wait for: a server that is shown a
    /// folder for writing may never write.
    rules: OnceCell<Rules>,
    denials: Denials,
    missed: Missed,
    twins: Twins,
    clear: Clear,
    /// The box's root, from the first who called.
    root: Option<Root>,
    /// The kernel's Landlock handles truncation (ABI 3).
    truncation: bool,
}

/// Who carries a call out.
enum Deed {
    /// The kernel, under Landlock.
    Kernels,
    Done(Outcome),
}

type Done = nix::Result<Deed>;

impl Desk {
    pub fn new(files: &Files, denials: &Denials, landlock_abi: u32) -> Self {
        Desk {
            rules: OnceCell::new(),
            files: files.clone(),
            denials: denials.clone(),
            missed: Missed::default(),
            twins: Twins::default(),
            clear: Clear::default(),
            root: None,
            truncation: landlock_abi >= 3,
        }
    }

    /// # Errors
    /// EINVAL for a pattern that is none, which the profile would not have been read with.
    fn rules(&self) -> nix::Result<&Rules> {
        if let Some(rules) = self.rules.get() {
            return Ok(rules);
        }
        let rules = Rules::new(&self.files.exclusions, &self.files.protected).map_err(|_| Errno::EINVAL)?;
        Ok(self.rules.get_or_init(|| rules))
    }

    /// Whether something can be done with what is at a path of the box.
    ///
    /// # Errors
    /// EACCES, which is recorded.
    fn judge(&self, path: &Path, what: What, act: Act) -> nix::Result<()> {
        self.ask(path, |rules, host| rules.judge(host, what, act))
    }

    /// Whether a folder can go from one path of the box to another, with all that is in it.
    ///
    /// # Errors
    /// EACCES, which is recorded.
    fn judge_move(&self, from: &Path, to: &Path) -> nix::Result<()> {
        self.ask(from, |rules, host| {
            let to = self.files.place_of(to).and_then(|place| place.host_path(to));
            rules.judge_move(host, to.as_deref().unwrap_or(Path::new("/")))
        })
    }

    fn ask(&self, path: &Path, rule: impl Fn(&Rules, &Path) -> Result<(), Refusal>) -> nix::Result<()> {
        let place = self.files.place_of(path);
        let Some(host) = place.and_then(|place| place.host_path(path)) else {
            // Memory of the box, or nowhere.
            return Ok(());
        };
        rule(self.rules()?, &host).map_err(|refusal| self.refused(path, refusal))
    }

    fn refused(&self, path: &Path, refusal: Refusal) -> Errno {
        let path = path.to_owned();
        self.denials.record_file(FileDenial { path, refusal });
        Errno::EACCES
    }

    /// Asks about an object by each of its names, those that hard links give it among them where they are known.
    fn judge_object(&mut self, found: &Found, act: Act) -> nix::Result<()> {
        for name in found.names() {
            self.judge(name, found.what(), act)?;
        }
        let Some(place) = self.files.place_of(&found.path).cloned() else {
            return Ok(());
        };
        let mut twins = std::mem::take(&mut self.twins);
        let refused = self.rules().map(|rules| twins.refused(found, &place, rules, act));
        self.twins = twins;
        match refused? {
            Some(refusal) => Err(self.refused(&found.path, refusal)),
            None => Ok(()),
        }
    }

    /// Whether a Unix socket that was found can be connected to: to talk is to read.
    ///
    /// # Errors
    /// EACCES, which is recorded.
    pub(super) fn judge_socket(&mut self, file: &OwnedFd) -> nix::Result<()> {
        let file = file.try_clone().map_err(|_| Errno::EMFILE)?;
        self.judge_object(&Found::of(Held::Own(file))?, Act::Read)
    }

    /// The brokered place that a path of the box lies in.
    fn place(&self, path: &Path) -> Option<&Place> {
        self.files.place_of(path).filter(|place| place.brokered.any())
    }

    /// As between two mounts: what other rights hold for does not come along.
    fn same_place(&self, one: &Path, two: &Path) -> nix::Result<()> {
        let at = |path: &Path| self.files.place_of(path).map(|place| &place.at);
        (at(one) == at(two)).then_some(()).ok_or(Errno::EXDEV)
    }

    /// A place, and every folder on the way to one, has to stay, in the box and on the host. The kernel says so of the
    /// mount points of whoever asks (rename(2), unlink(2)), and those of the box are none of ours. What a mount shows may
    /// lie in what another shows; its rules are about where it lies on the host.
    ///
    /// # Errors
    /// EBUSY.
    fn movable(&self, path: &Path) -> nix::Result<()> {
        let host = self.files.place_of(path).and_then(|place| place.host_path(path));
        let held = self.files.places.iter().any(|place| {
            let source = place.source.as_ref().zip(host.as_ref());
            place.at.starts_with(path) || source.is_some_and(|(source, host)| source.starts_with(host))
        });
        (!held).then_some(()).ok_or(Errno::EBUSY)
    }

    fn writes(&self, path: &Path) -> bool {
        self.place(path).is_some_and(|place| place.brokered.writes)
    }

    /// Whether the filter hands a call over for this desk, and not only for it to be seen.
    pub(super) fn is_asked(&self, notification: &Notification) -> bool {
        compile::files_ask(self.files.brokered(), notification.call, &notification.arguments)
    }
}

impl Broker {
    /// A call on files; ENOSYS for any other.
    pub(super) fn file(&mut self, notification: &Notification) -> nix::Result<Answer> {
        let Some(mut desk) = self.desk.take() else {
            return Err(Errno::ENOSYS);
        };
        let answer = self.file_with(&mut desk, notification);
        self.desk = Some(desk);
        answer
    }

    fn file_with(&mut self, desk: &mut Desk, notification: &Notification) -> nix::Result<Answer> {
        if let Some(outcome) = desk.missed.take(notification) {
            return self.tell(desk, notification, outcome);
        }
        let asked = Asked::read(notification, &mut self.callers)?.ok_or(Errno::ENOSYS)?;
        if let Asked::Open { name, flags, .. } = &asked
            && let Some(plain) = self.identity.assumed(|| Ok(desk.open_plain(name, *flags)))?
        {
            return self.tell(desk, notification, plain);
        }
        if desk.root.is_none() {
            desk.root = Some(Root::of(notification.thread)?);
        }
        if !self.listener.waits(notification.id) {
            return Ok(Answer::Nothing);
        }
        let thread = notification.thread;
        match self.identity.assumed(|| desk.serve(asked, thread)) {
            Ok(Deed::Kernels) => Ok(Answer::CarryOut),
            Ok(Deed::Done(outcome)) => self.tell(desk, notification, outcome),
            Err(errno) => Err(errno),
        }
    }

    /// Lets the call return. Where a signal has interrupted it the server will call again, and gets then what it missed.
    fn tell(
        &mut self,
        desk: &mut Desk,
        notification: &Notification,
        outcome: Outcome,
    ) -> nix::Result<Answer> {
        let id = notification.id;
        let told = match &outcome {
            Outcome::Changed => self.listener.answer(id, Ok(())),
            Outcome::Opened {
                fd, close_on_exec, ..
            } => self.listener.give(id, fd.as_fd(), *close_on_exec),
        };
        match told {
            Ok(()) => Ok(Answer::Nothing),
            Err(Errno::ENOENT) => {
                desk.missed.keep(notification, outcome);
                Ok(Answer::Nothing)
            }
            Err(errno) => Err(errno),
        }
    }
}

impl Desk {
    fn serve(&mut self, asked: Asked, thread: nix::unistd::Pid) -> Done {
        let root = self.root.take().ok_or(Errno::EBADF)?;
        let done = match asked {
            Asked::Open { name, flags, mode } => self.open(&root, name, flags, mode, thread),
            Asked::Truncate { name, length } => self.truncate(&root, name, length, thread),
            Asked::Folder { name, mode } => self.make_folder(&root, name, mode, thread),
            Asked::Node { name, mode } => self.make_node(&root, name, mode, thread),
            Asked::Link { target, name } => self.make_link(&root, &target, name),
            Asked::HardLink { from, follow, to } => self.hard_link(&root, from, follow, to),
            Asked::Rename { from, to, flags } => self.rename(&root, from, to, flags),
            Asked::Remove { name, folder } => self.remove(&root, name, folder),
        };
        self.root = Some(root);
        done
    }
}

/// Gives this thread a umask of its own.
///
/// # Errors
/// Those of unshare(2), which needs no right for it.
pub fn own_umask() -> nix::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)
}

/// Makes something with the mode bits that the thread's umask lets through (`Umask` of proc_pid_status(5)).
fn with_umask_of<T>(thread: nix::unistd::Pid, make: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
    let status = sys::read_proc(format!("/proc/{thread}/status")).map_err(|_| Errno::ESRCH)?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let mask = line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(
        mask.ok_or(Errno::ESRCH)?,
    ));
    make()
}

/// An errno of a look-up: the kernel finds the same, or ends at Landlock.
fn kernels<T>(found: nix::Result<T>) -> Option<T> {
    found.ok()
}
