//! Who the broker is while it acts for the server: nobody who may do more than the server.

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;

use super::super::sys;

/// The server's user and group, and whether they are ours.
pub struct Identity {
    uid: u32,
    gid: u32,
    /// Root started the server as another user.
    differs: bool,
}

impl Identity {
    pub fn of(uid: u32, gid: u32) -> Self {
        let differs = uid != nix::unistd::geteuid().as_raw();
        Identity { uid, gid, differs }
    }

    /// Gives up this thread's capabilities. Root's would open files that the server's user may not open. What is needed
    /// of the box stays: the one who made a user namespace has every capability in it (user_namespaces(7)).
    pub fn keep_only_what_is_needed(&self) -> nix::Result<()> {
        let change = [Capability::CAP_SETUID, Capability::CAP_SETGID];
        let kept: CapsHashSet = change.into_iter().filter(|_| self.differs).collect();
        let had = caps::read(None, CapSet::Permitted).map_err(|_| Errno::EPERM)?;
        let kept = kept.intersection(&had).copied().collect();
        caps::set(None, CapSet::Effective, &kept).map_err(|_| Errno::EPERM)?;
        caps::set(None, CapSet::Permitted, &kept).map_err(|_| Errno::EPERM)
    }

    /// Does something as the server's user: permissions of a Unix socket's file are those of whoever connects, and the
    /// other side asks who that was (SO_PEERCRED of unix(7)).
    pub fn assumed<T>(&self, act: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
        if !self.differs {
            return act();
        }
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        sys::set_effective_ids(self.uid, self.gid)?;
        let result = act();
        sys::set_effective_ids(uid.as_raw(), gid.as_raw()).map(|()| result)?
    }
}
