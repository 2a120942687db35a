//! The file that a learned profile is written to: as a whole or not at all, and never through a link.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use crate::error::{Error, reason};

/// A place in a folder that is held open: whoever renames folders meanwhile does not change where the file goes.
pub struct Output {
    path: PathBuf,
    folder: OwnedFd,
    name: OsString,
    /// What is there already is replaced.
    force: bool,
}

impl Output {
    /// Looks at the place before anything starts.
    ///
    /// # Errors
    /// The folder cannot be opened, or the file exists and may not be replaced.
    pub fn open(path: &Path, force: bool) -> Result<Self, Error> {
        let path = match path.to_string_lossy().contains('/') {
            true => path.to_owned(),
            false => Path::new(".").join(path),
        };
        let failed = |error: io::Error| cannot_write(&path, &error);
        let name = path
            .file_name()
            .ok_or_else(|| failed(io::Error::from(io::ErrorKind::IsADirectory)))?
            .to_owned();
        let around = path.parent().unwrap_or(Path::new("."));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = open(around, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let there = fstatat(&folder, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).is_ok();
        if there && !force {
            return Err(exists(&path));
        }
        Ok(Output {
            path,
            folder,
            name,
            force,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file under another name first.
    ///
    /// # Errors
    /// Such as on a full disk, or when the file has come to exist meanwhile and may not be replaced.
    pub fn write(&self, text: &str) -> Result<(), Error> {
        let failed = |error: io::Error| cannot_write(&self.path, &error);
        let mut temporary = OsString::from(".");
        temporary.push(&self.name);
        temporary.push(format!(".{}", std::process::id()));
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let made = openat(
            &self.folder,
            temporary.as_os_str(),
            flags,
            Mode::from_bits_truncate(0o644),
        );
        let mut file = File::from(made.map_err(|errno| failed(errno.into()))?);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let placed = written.and_then(|()| self.place(&temporary).map_err(Into::into));
        let Err(error) = placed else { return Ok(()) };
        let _ = unlinkat(&self.folder, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir);
        match error.kind() {
            io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            _ => Err(failed(error)),
        }
    }

    /// Gives the file its name. A link (link(2)) never replaces what has that name already.
    fn place(&self, temporary: &OsStr) -> nix::Result<()> {
        let folder = self.folder.as_fd();
        let c_name = |name: &OsStr| CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL);
        let (from, to) = (c_name(temporary)?, c_name(&self.name)?);
        if self.force {
            return renameat(folder, from.as_c_str(), folder, to.as_c_str());
        }
        linkat(folder, from.as_c_str(), folder, to.as_c_str(), AtFlags::empty())?;
        unlinkat(folder, from.as_c_str(), UnlinkatFlags::NoRemoveDir)
    }
}

fn exists(path: &Path) -> Error {
    Error::setup(format!("{} exists already", quote(path)))
        .hint("name another file with --output, or replace it with --force")
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::setup(format!("cannot write {}: {}", quote(path), reason(error)))
        .hint("name a file with --output in a folder that you may write to")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Output;

    #[test]
    fn what_is_there_stays_unless_it_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        let output = Output::open(&path, false).unwrap();
        output.write("one").unwrap();
        assert!(output.write("two").is_err() && Output::open(&path, false).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        Output::open(&path, true).unwrap().write("three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing else is left"
        );
    }

    #[test]
    fn a_link_is_replaced_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("p.toml"), folder.path().join("victim"));
        fs::write(&victim, "kept").unwrap();
        let output = Output::open(&path, false).unwrap();
        symlink(&victim, &path).unwrap();
        assert!(output.write("text").is_err());
        Output::open(&path, true).unwrap().write("text").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }
}
