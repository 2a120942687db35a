//! Files: reading and changing what was not given, by every call that could.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::sys::{address, c_string, call, descriptor};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "read",
        words: "PATH",
        run: |words| read(words.path(0)?),
    },
    Attack {
        name: "list",
        words: "PATH",
        run: |words| list(words.path(0)?),
    },
    Attack {
        name: "open",
        words: "PATH FLAGS",
        run: open,
    },
    Attack {
        name: "write",
        words: "PATH",
        run: |words| put(OpenOptions::new().write(true), words),
    },
    Attack {
        name: "append",
        words: "PATH",
        run: |words| put(OpenOptions::new().append(true), words),
    },
    Attack {
        name: "create",
        words: "PATH",
        run: |words| put(OpenOptions::new().write(true).create(true), words),
    },
    Attack {
        name: "create-new",
        words: "PATH",
        run: |words| put(OpenOptions::new().write(true).create_new(true), words),
    },
    Attack {
        name: "read-stdin-at",
        words: "PATH",
        run: read_at_stdin,
    },
    Attack {
        name: "symlink",
        words: "TARGET PATH",
        run: |words| done(std::os::unix::fs::symlink(words.path(0)?, words.path(1)?)),
    },
    Attack {
        name: "hard-link",
        words: "FROM TO",
        run: |words| done(fs::hard_link(words.path(0)?, words.path(1)?)),
    },
    Attack {
        name: "rename",
        words: "FROM TO",
        run: |words| done(fs::rename(words.path(0)?, words.path(1)?)),
    },
    Attack {
        name: "exchange",
        words: "ONE TWO",
        run: exchange,
    },
    Attack {
        name: "unnamed-file",
        words: "FOLDER NAME",
        run: unnamed_file,
    },
    Attack {
        name: "link-stdin",
        words: "PATH",
        run: |words| link_descriptor(0, words.path(0)?),
    },
    Attack {
        name: "pipe-node",
        words: "PATH",
        run: pipe_node,
    },
    Attack {
        name: "make-folder",
        words: "PATH",
        run: |words| done(fs::create_dir(words.path(0)?)),
    },
    Attack {
        name: "remove",
        words: "PATH",
        run: |words| done(fs::remove_file(words.path(0)?)),
    },
    Attack {
        name: "truncate",
        words: "PATH",
        run: |words| at_path(libc::SYS_truncate, words, &[0]),
    },
    Attack {
        name: "chmod",
        words: "PATH MODE",
        run: chmod,
    },
    Attack {
        name: "chown",
        words: "PATH UID",
        run: chown,
    },
    Attack {
        name: "set-times",
        words: "PATH",
        run: set_times,
    },
    Attack {
        name: "set-attribute",
        words: "PATH NAME",
        run: set_attribute,
    },
    Attack {
        name: "device",
        words: "PATH MAJOR MINOR",
        run: device,
    },
];

/// Flags of open(2) that must not be followed by a write.
fn open(words: &Words) -> Evidence {
    let path = c_string(words.path(0)?)?;
    let arguments = [
        libc::AT_FDCWD as u64,
        path.as_ptr() as u64,
        words.number(1)?,
        0o600,
    ];
    descriptor(libc::SYS_openat, &arguments).map(|_| "opened".into())
}

fn read(path: &Path) -> Evidence {
    contents(fs::File::open(path)?)
}

/// The first 64 KiB, without waiting for more.
fn contents(file: fs::File) -> Evidence {
    let mut bytes = Vec::new();
    file.take(1 << 16).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn list(path: &Path) -> Evidence {
    let names: io::Result<Vec<String>> = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect();
    let mut names = names?;
    names.sort();
    Ok(names.join(" "))
}

fn put(options: &OpenOptions, words: &Words) -> Evidence {
    let mut file = options.open(words.path(0)?)?;
    file.write_all(b"probe")?;
    Ok("written".into())
}

/// Relative to the folder that stdin is, past every mount of ours.
fn read_at_stdin(words: &Words) -> Evidence {
    let path = c_string(words.path(0)?)?;
    let file = descriptor(
        libc::SYS_openat,
        &[0, path.as_ptr() as u64, libc::O_RDONLY as u64, 0],
    )?;
    contents(file.into())
}

fn exchange(words: &Words) -> Evidence {
    const RENAME_EXCHANGE: u64 = 2;
    let (one, two) = (c_string(words.path(0)?)?, c_string(words.path(1)?)?);
    let here = libc::AT_FDCWD as u64;
    let arguments = [
        here,
        one.as_ptr() as u64,
        here,
        two.as_ptr() as u64,
        RENAME_EXCHANGE,
    ];
    call(libc::SYS_renameat2, &arguments).map(|_| "exchanged".into())
}

/// A file without a name gets one somewhere else.
fn unnamed_file(words: &Words) -> Evidence {
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(words.path(0)?)?;
    link_descriptor(file.as_raw_fd(), words.path(1)?)
}

fn link_descriptor(fd: i32, to: &Path) -> Evidence {
    let from = c_string(Path::new(&format!("/proc/self/fd/{fd}")))?;
    let to = c_string(to)?;
    let here = libc::AT_FDCWD as u64;
    let follow = libc::AT_SYMLINK_FOLLOW as u64;
    let arguments = [here, from.as_ptr() as u64, here, to.as_ptr() as u64, follow];
    call(libc::SYS_linkat, &arguments).map(|_| "linked".into())
}

fn pipe_node(words: &Words) -> Evidence {
    let path = c_string(words.path(0)?)?;
    let mode = u64::from(libc::S_IFIFO | 0o600);
    let arguments = [libc::AT_FDCWD as u64, path.as_ptr() as u64, mode, 0];
    call(libc::SYS_mknodat, &arguments).map(|_| "made".into())
}

fn at_path(number: libc::c_long, words: &Words, more: &[u64]) -> Evidence {
    let path = c_string(words.path(0)?)?;
    let arguments: Vec<u64> = [path.as_ptr() as u64].iter().chain(more).copied().collect();
    call(number, &arguments).map(|_| "done".into())
}

/// The mode afterwards: the call may succeed and the kernel take a bit away.
fn chmod(words: &Words) -> Evidence {
    let path = words.path(0)?;
    fs::set_permissions(path, fs::Permissions::from_mode(words.number(1)? as u32))?;
    Ok(format!("{:o}", fs::metadata(path)?.mode() & 0o7777))
}

fn chown(words: &Words) -> Evidence {
    let uid = words.number(1)? as u32;
    done(std::os::unix::fs::chown(words.path(0)?, Some(uid), None))
}

fn set_times(words: &Words) -> Evidence {
    let path = c_string(words.path(0)?)?;
    let epoch = [0_u64; 4];
    let arguments = [libc::AT_FDCWD as u64, path.as_ptr() as u64, address(&epoch), 0];
    call(libc::SYS_utimensat, &arguments).map(|_| "set".into())
}

fn set_attribute(words: &Words) -> Evidence {
    let (path, name) = (c_string(words.path(0)?)?, c_string(words.path(1)?)?);
    let arguments = [
        path.as_ptr() as u64,
        name.as_ptr() as u64,
        b"1".as_ptr() as u64,
        1,
        0,
    ];
    call(libc::SYS_setxattr, &arguments).map(|_| "set".into())
}

/// Makes a node and reads the device behind it.
fn device(words: &Words) -> Evidence {
    let path = c_string(words.path(0)?)?;
    let device = libc::makedev(words.number(1)? as u32, words.number(2)? as u32);
    let mode = u64::from(libc::S_IFCHR | 0o666);
    call(
        libc::SYS_mknodat,
        &[libc::AT_FDCWD as u64, path.as_ptr() as u64, mode, device],
    )?;
    fs::File::open(words.path(0)?).map(|_| "made and opened".into())
}

fn done(result: io::Result<()>) -> Evidence {
    result.map(|()| "done".into())
}
