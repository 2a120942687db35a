//! Other processes, namespaces, terminals and system calls of other tables.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;

use crate::sys::{End, address, call, descriptor, in_child};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "ptrace-attach",
        words: "PID",
        run: |words| ptrace(libc::PTRACE_ATTACH, words),
    },
    Attack {
        name: "ptrace-seize",
        words: "PID",
        run: |words| ptrace(libc::PTRACE_SEIZE, words),
    },
    Attack {
        name: "ptrace-own-child",
        words: "",
        run: ptrace_own_child,
    },
    Attack {
        name: "process-vm-readv",
        words: "PID",
        run: process_vm_readv,
    },
    Attack {
        name: "pidfd-getfd",
        words: "PID FD",
        run: pidfd_getfd,
    },
    Attack {
        name: "signal",
        words: "PID",
        run: |words| call(libc::SYS_kill, &[words.number(0)?, 0]).map(number),
    },
    Attack {
        name: "join",
        words: "PID NAMESPACE",
        run: join,
    },
    Attack {
        name: "unshare",
        words: "FLAGS",
        run: |words| call(libc::SYS_unshare, &[words.number(0)?]).map(number),
    },
    Attack {
        name: "clone",
        words: "FLAGS",
        run: clone,
    },
    Attack {
        name: "clone3",
        words: "FLAGS",
        run: clone3,
    },
    Attack {
        name: "ioctl",
        words: "REQUEST",
        run: ioctl,
    },
    Attack {
        name: "x32",
        words: "NUMBER",
        run: x32,
    },
    Attack {
        name: "int80",
        words: "NUMBER",
        run: int80,
    },
    Attack {
        name: "personality",
        words: "PERSONA",
        run: |words| call(libc::SYS_personality, &[words.number(0)?]).map(number),
    },
    Attack {
        name: "become",
        words: "UID",
        run: become_user,
    },
    Attack {
        name: "identity",
        words: "",
        run: identity,
    },
    Attack {
        name: "execute",
        words: "PATH",
        run: execute,
    },
];

fn number(result: libc::c_long) -> String {
    result.to_string()
}

fn ptrace(request: libc::c_uint, words: &Words) -> Evidence {
    call(libc::SYS_ptrace, &[request.into(), words.number(0)?, 0, 0])?;
    call(
        libc::SYS_ptrace,
        &[libc::PTRACE_DETACH.into(), words.number(0)?, 0, 0],
    )
    .map_or_else(|_| Ok("attached".into()), |_| Ok("attached and detached".into()))
}

/// A debugger changes the arguments of a call after the filter has judged them (CVE-2017-5206).
fn ptrace_own_child(_: &Words) -> Evidence {
    let ended = in_child(|| {
        let traced = call(libc::SYS_ptrace, &[libc::PTRACE_TRACEME.into(), 0, 0, 0]);
        traced.map_or_else(|error| error.raw_os_error().unwrap_or(255), |_| 0)
    })?;
    match ended {
        End::Exited(0) => Ok("traced".into()),
        End::Exited(errno) => Err(io::Error::from_raw_os_error(errno)),
        End::Killed(signal) => Ok(format!("killed by {signal}")),
    }
}

/// Reads the start of the other process's stack.
fn process_vm_readv(words: &Words) -> Evidence {
    let maps = fs::read_to_string(format!("/proc/{}/maps", words.number(0)?));
    // A closed /proc must not hide what the call itself would say: any mapped address of ours will do.
    let start = maps.ok().and_then(|maps| {
        let line = maps.lines().find(|line| line.ends_with("[stack]"))?.to_owned();
        let (_, range) = line.split_once('-')?;
        u64::from_str_radix(range.split(' ').next()?, 16).ok()
    });
    let mut byte = [0_u8; 8];
    let local = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: byte.len(),
    };
    let remote = libc::iovec {
        iov_base: start.map_or(address(&byte), |end| end - 16) as *mut libc::c_void,
        iov_len: byte.len(),
    };
    let arguments = [words.number(0)?, address(&local), 1, address(&remote), 1, 0];
    call(libc::SYS_process_vm_readv, &arguments).map(number)
}

fn pidfd_getfd(words: &Words) -> Evidence {
    let pidfd = descriptor(libc::SYS_pidfd_open, &[words.number(0)?, 0])?;
    let stolen = descriptor(
        libc::SYS_pidfd_getfd,
        &[pidfd.as_raw_fd() as u64, words.number(1)?, 0],
    )?;
    fs::read_link(format!("/proc/self/fd/{}", stolen.as_raw_fd())).map(|to| to.display().to_string())
}

fn join(words: &Words) -> Evidence {
    let namespace = fs::File::open(format!("/proc/{}/ns/{}", words.number(0)?, words.text(1)?))?;
    call(libc::SYS_setns, &[namespace.as_raw_fd() as u64, 0]).map(number)
}

fn clone(words: &Words) -> Evidence {
    let flags = words.number(0)? | libc::SIGCHLD as u64;
    match call(libc::SYS_clone, &[flags, 0, 0, 0, 0])? {
        // SAFETY: the child of a clone without CLONE_VM, ended at once.
        0 => unsafe { libc::_exit(0) },
        child => Ok(number(child)),
    }
}

fn clone3(words: &Words) -> Evidence {
    // SAFETY: clone_args is plain data for which all zeroes is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = words.number(0)?;
    arguments.exit_signal = libc::SIGCHLD as u64;
    match call(
        libc::SYS_clone3,
        &[address(&arguments), size_of::<libc::clone_args>() as u64],
    )? {
        // SAFETY: the child of a clone without CLONE_VM, ended at once.
        0 => unsafe { libc::_exit(0) },
        child => Ok(number(child)),
    }
}

/// On stdin; the argument points to a line end, and to the sub-command 2 of TIOCLINUX.
fn ioctl(words: &Words) -> Evidence {
    let request = words.number(0)?;
    let argument = if request as u32 == libc::TIOCSTI as u32 {
        [b'\n'; 8]
    } else {
        [2; 8]
    };
    call(libc::SYS_ioctl, &[0, request, address(&argument)]).map(number)
}

/// The bit of the x32 table, `asm/unistd.h`.
#[cfg(target_arch = "x86_64")]
fn x32(words: &Words) -> Evidence {
    call((words.number(0)? | 0x4000_0000) as libc::c_long, &[0, 0, 0]).map(number)
}

#[cfg(not(target_arch = "x86_64"))]
fn x32(_: &Words) -> Evidence {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// A call of the 32-bit table.
#[cfg(target_arch = "x86_64")]
fn int80(words: &Words) -> Evidence {
    let result: i64;
    // SAFETY: the calls the tests make this way take no pointer; the kernel keeps every register but rax
    // and, for old kernels, r8 to r11.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") words.number(0)? as i64 => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-(result as i32)));
    }
    Ok(result.to_string())
}

#[cfg(not(target_arch = "x86_64"))]
fn int80(_: &Words) -> Evidence {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

fn become_user(words: &Words) -> Evidence {
    let uid = words.number(0)?;
    call(libc::SYS_setresuid, &[uid, uid, uid])?;
    identity(words)
}

/// Who we are: real, effective and saved ids, and every capability set.
fn identity(_: &Words) -> Evidence {
    let status = fs::read_to_string("/proc/self/status")?;
    let wanted = ["Uid", "Gid", "Cap", "NoNewPrivs", "Seccomp:"];
    let lines = status
        .lines()
        .filter(|line| wanted.iter().any(|start| line.starts_with(start)));
    Ok(lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("; "))
}

/// Runs a program to its end; what it printed.
fn execute(words: &Words) -> Evidence {
    let output = std::process::Command::new(words.path(0)?)
        .args(&words.0[1..])
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
