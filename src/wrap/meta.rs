//! What a file has besides its bytes: what tells that it changed, and what its successor must inherit.

use std::fs::{File, Metadata};
use std::io;

/// What differs when somebody wrote to a file or put another in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    file: (u64, u64),
    len: u64,
    modified: Option<std::time::SystemTime>,
}

impl Identity {
    pub fn of(meta: &Metadata) -> Self {
        Identity {
            file: number(meta),
            len: meta.len(),
            modified: meta.modified().ok(),
        }
    }
}

#[cfg(unix)]
fn number(meta: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (meta.dev(), meta.ino())
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Whether its owner took the right to write from everybody. Root can write all the same, which is not meant.
pub fn is_read_only(meta: &Metadata) -> bool {
    meta.permissions().readonly()
}

/// Gives `to` the owner, the mode and the extended attributes (access lists are among them) of `from`.
///
/// # Errors
/// One of them cannot be had, and a file with other rights is not the same file.
#[cfg(unix)]
pub fn inherit(from: &File, meta: &Metadata, to: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    use xattr::FileExt as _;
    let own = to.metadata()?;
    if (own.uid(), own.gid()) != (meta.uid(), meta.gid()) {
        fchown(to, Some(meta.uid()), Some(meta.gid()))?;
    }
    // After the owner: a change of it clears the set-id bits.
    to.set_permissions(meta.permissions())?;
    let names = match from.list_xattr() {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        Err(error) => return Err(error),
    };
    for name in names {
        let Some(value) = from.get_xattr(&name)? else {
            continue;
        };
        if to.get_xattr(&name)?.as_deref() != Some(&value) {
            let labels = name.as_encoded_bytes();
            // Labels of the system's own are its to give.
            let systems = labels.starts_with(b"security.") || labels.starts_with(b"trusted.");
            match to.set_xattr(&name, &value) {
                Err(error) if !systems => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub fn inherit(_: &File, meta: &Metadata, to: &File) -> io::Result<()> {
    to.set_permissions(meta.permissions())
}

/// For files that hold secrets until they get the rights they are to have.
#[cfg(unix)]
pub fn private(options: &mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
pub fn private(options: &mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions {
    options
}

/// Makes folders for our user alone.
#[cfg(unix)]
pub fn make_private_folder(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
pub fn make_private_folder(path: &std::path::Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Lets two files change their names, so that none is ever gone. False where that is not to be had.
#[cfg(target_os = "linux")]
pub fn exchange(one: &std::path::Path, two: &std::path::Path) -> io::Result<bool> {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    match renameat2(AT_FDCWD, one, AT_FDCWD, two, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(true),
        // Old kernels and some file systems (rename(2)).
        Err(Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn exchange(_: &std::path::Path, _: &std::path::Path) -> io::Result<bool> {
    Ok(false)
}

/// Makes a rename in a folder last (rename(2) alone may be lost with the power). Where folders cannot be opened there is
/// nothing to do.
pub fn sync_folder(path: &std::path::Path) -> io::Result<()> {
    match File::open(path) {
        Ok(folder) => match folder.sync_all() {
            // Some network file systems know no such thing.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        },
        Err(_) => Ok(()),
    }
}
