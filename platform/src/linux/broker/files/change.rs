//! Names made, changed and removed for the server: each by its folder, which was found, and its last part, which is
//! never followed.

use std::ffi::CStr;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, RenameFlags, renameat2};
use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};
use nix::unistd::{Pid, UnlinkatFlags, linkat, symlinkat, unlinkat};

use super::super::super::sys;
use super::asked::{Base, Name};
use super::find::{self, Entry, Root, our_name};
use super::missed::Outcome;
use super::{Deed, Desk, Done, kernels, with_umask_of};
use crate::files::{Act, What};

const DONE: Done = Ok(Deed::Done(Outcome::Changed));

impl Desk {
    /// The entry that a call is about; nothing where it is the kernel's to say what is wrong.
    ///
    /// # Errors
    /// ENOENT where the folder is missing in a place of ours. Left to the kernel, the call would end at Landlock once
    /// another thread has made the folder meanwhile, and who makes folders in parallel expects ENOENT and tries again.
    pub(super) fn entry(&self, root: &Root, name: Name) -> nix::Result<Option<Entry>> {
        let written = find::written(&name);
        match find::entry(root, name) {
            Err(Errno::ENOENT) if written.is_some_and(|path| self.writes(&path)) => Err(Errno::ENOENT),
            found => Ok(kernels(found).flatten()),
        }
    }

    /// The same, if it lies in a place of ours.
    fn own_entry(&self, root: &Root, name: Name) -> nix::Result<Option<Entry>> {
        let entry = self.entry(root, name)?;
        Ok(entry.filter(|entry| self.writes(&entry.path)))
    }

    pub(super) fn make_folder(&self, root: &Root, name: Name, mode: u32, thread: Pid) -> Done {
        let Some(entry) = self.own_entry(root, name)? else {
            return Ok(Deed::Kernels);
        };
        self.judge_new(&entry, What::Folder)?;
        let mode = Mode::from_bits_truncate(mode);
        with_umask_of(thread, || {
            mkdirat(entry.folder.fd.as_fd(), entry.name.as_c_str(), mode)
        })?;
        DONE
    }

    pub(super) fn make_node(&self, root: &Root, name: Name, mode: u32, thread: Pid) -> Done {
        let Some(entry) = self.own_entry(root, name)? else {
            return Ok(Deed::Kernels);
        };
        let kind = match mode & libc::S_IFMT {
            0 | libc::S_IFREG => SFlag::S_IFREG,
            libc::S_IFIFO => SFlag::S_IFIFO,
            libc::S_IFSOCK => SFlag::S_IFSOCK,
            _ => return Err(Errno::EPERM),
        };
        self.judge_new(&entry, What::File)?;
        let mode = Mode::from_bits_truncate(mode);
        with_umask_of(thread, || {
            mknodat(entry.folder.fd.as_fd(), entry.name.as_c_str(), kind, mode, 0)
        })?;
        DONE
    }

    pub(super) fn make_link(&self, root: &Root, target: &CStr, name: Name) -> Done {
        let Some(entry) = self.own_entry(root, name)? else {
            return Ok(Deed::Kernels);
        };
        self.judge_new(&entry, What::Link)?;
        symlinkat(target, entry.folder.fd.as_fd(), entry.name.as_c_str())?;
        DONE
    }

    pub(super) fn hard_link(&mut self, root: &Root, from: Name, follow: bool, to: Name) -> Done {
        // Without following, the link of /proc itself would be meant; an empty path names no link.
        let of_descriptor = matches!(from.base, Base::Descriptor(_));
        if of_descriptor && !follow && !from.path.is_empty() {
            return Ok(Deed::Kernels);
        }
        let Some(to) = self.entry(root, to)? else {
            return Ok(Deed::Kernels);
        };
        let Some(from) = kernels(find::object(root, from, follow)) else {
            return Ok(Deed::Kernels);
        };
        if !root.holds(from.fd.as_fd()) {
            return Ok(Deed::Kernels);
        }
        if !self.writes(&to.path) && !self.writes(&from.path) {
            return Ok(Deed::Kernels);
        }
        self.same_place(&from.path, &to.path)?;
        self.judge_object(&from, Act::Read)?;
        self.judge_object(&from, Act::Change)?;
        self.judge_new(&to, from.what())?;
        let ours = our_name(from.fd.as_fd());
        let folder = to.folder.fd.as_fd();
        linkat(
            sys::cwd(),
            ours.as_c_str(),
            folder,
            to.name.as_c_str(),
            AtFlags::AT_SYMLINK_FOLLOW,
        )?;
        DONE
    }

    /// What comes to a name, what was there, and with RENAME_EXCHANGE what goes the other way: each must be allowed at
    /// both. A folder takes along what is in it.
    pub(super) fn rename(&self, root: &Root, from: Name, to: Name, flags: u32) -> Done {
        let entries = (self.entry(root, from)?, self.entry(root, to)?);
        let (Some(from), Some(to)) = entries else {
            return Ok(Deed::Kernels);
        };
        if !self.writes(&from.path) && !self.writes(&to.path) {
            return Ok(Deed::Kernels);
        }
        self.movable(&from.path)?;
        self.movable(&to.path)?;
        self.same_place(&from.path, &to.path)?;
        let coming = from.what()?.ok_or(Errno::ENOENT)?;
        let there = to.what()?;
        for what in [Some(coming), there].into_iter().flatten() {
            for path in [&from.path, &to.path] {
                self.judge(path, what, Act::Change)?;
            }
            if what == What::Folder {
                self.judge_move(&from.path, &to.path)?;
            }
        }
        let (one, two) = (from.folder.fd.as_fd(), to.folder.fd.as_fd());
        let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        renameat2(one, from.name.as_c_str(), two, to.name.as_c_str(), flags)?;
        DONE
    }

    pub(super) fn remove(&self, root: &Root, name: Name, folder: bool) -> Done {
        let Some(entry) = self.own_entry(root, name)? else {
            return Ok(Deed::Kernels);
        };
        self.movable(&entry.path)?;
        let what = entry.what()?.ok_or(Errno::ENOENT)?;
        self.judge(&entry.path, what, Act::Change)?;
        let how = match folder {
            true => UnlinkatFlags::RemoveDir,
            false => UnlinkatFlags::NoRemoveDir,
        };
        unlinkat(entry.folder.fd.as_fd(), entry.name.as_c_str(), how)?;
        DONE
    }

    /// What is there already answers by itself, as programs expect of a second `mkdir -p`.
    fn judge_new(&self, entry: &Entry, what: What) -> nix::Result<()> {
        match entry.what()? {
            Some(_) => Err(Errno::EEXIST),
            None => self.judge(&entry.path, what, Act::Change),
        }
    }
}
