//! What a process gets from the one that started it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use crate::sys::{call, check};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "descriptors",
        words: "",
        run: descriptors,
    },
    Attack {
        name: "environment",
        words: "",
        run: environment,
    },
    Attack {
        name: "arguments",
        words: "…",
        run: arguments,
    },
    Attack {
        name: "folder",
        words: "",
        run: |_| Ok(std::env::current_dir()?.display().to_string()),
    },
    Attack {
        name: "umask",
        words: "",
        run: umask,
    },
    Attack {
        name: "core-limit",
        words: "",
        run: core_limit,
    },
    Attack {
        name: "session",
        words: "",
        run: session,
    },
    Attack {
        name: "terminal",
        words: "",
        run: |_| fs::File::open("/dev/tty").map(|_| "opened".into()),
    },
    Attack {
        name: "nice",
        words: "",
        run: |_| stat(19),
    },
    Attack {
        name: "find-key",
        words: "NAME",
        run: find_key,
    },
];

/// Every descriptor but the one that lists them, with what it is.
fn descriptors(_: &Words) -> Evidence {
    let mut found = Vec::new();
    for fd in 0..1024 {
        // SAFETY: F_GETFD takes no argument and changes nothing.
        if check(unsafe { libc::fcntl(fd, libc::F_GETFD) }.into()).is_ok() {
            found.push(fd.to_string());
        }
    }
    Ok(found.join(" "))
}

fn environment(_: &Words) -> Evidence {
    let mut lines: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    lines.sort();
    Ok(lines.join("\n"))
}

/// In hexadecimal, so that every byte arrives.
fn arguments(words: &Words) -> Evidence {
    let hex = |word: &std::ffi::OsString| -> String {
        word.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    Ok(words.0.iter().map(hex).collect::<Vec<_>>().join(" "))
}

fn umask(_: &Words) -> Evidence {
    // SAFETY: takes a number; this process makes no file afterwards.
    Ok(format!("{:03o}", unsafe { libc::umask(0) }))
}

fn core_limit(_: &Words) -> Evidence {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: limit is a valid place for one rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) }.into())?;
    Ok(format!("{} {}", limit.rlim_cur, limit.rlim_max))
}

/// Session, process group and controlling terminal; 0 stands for one outside the namespace, or none.
fn session(_: &Words) -> Evidence {
    Ok(format!(
        "session {} group {} terminal {}",
        stat(6)?,
        stat(5)?,
        stat(7)?
    ))
}

/// A field of proc_pid_stat(5).
fn stat(field: usize) -> Evidence {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
    fields
        .and_then(|mut fields| fields.nth(field - 3))
        .map(str::to_owned)
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}

/// Looks a key up in the keyrings of this process, request_key(2).
fn find_key(words: &Words) -> Evidence {
    let name = crate::sys::c_string(words.path(0)?)?;
    let arguments = [c"user".as_ptr() as u64, name.as_ptr() as u64, 0, 0];
    call(libc::SYS_request_key, &arguments).map(|serial| serial.to_string())
}
