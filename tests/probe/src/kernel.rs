//! System calls that open the kernel itself: each made with arguments that harm nothing where it is allowed.

use std::ffi::CStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::sys::{address, call, name_of};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "call",
        words: "NAME",
        run: one,
    },
    Attack {
        name: "calls",
        words: "",
        run: |_| Ok(CALLS.iter().map(|call| call.0).collect::<Vec<_>>().join(" ")),
    },
    Attack {
        name: "mount",
        words: "SOURCE TARGET TYPE FLAGS",
        run: mount,
    },
    Attack {
        name: "under-listener",
        words: "PROGRAM ARGS…",
        run: under_listener,
    },
];

/// An address no process has mapped.
const NOWHERE: u64 = 1;
const NO_FD: u64 = u64::MAX;

/// Name, number, and arguments that fail for a reason of their own (EFAULT, EINVAL, EBADF) or do nothing.
const CALLS: &[(&str, libc::c_long, &[u64])] = &[
    ("ptrace", libc::SYS_ptrace, &[0x4206, 0x7fff_fff0, 0, 0]),
    (
        "process_vm_readv",
        libc::SYS_process_vm_readv,
        &[0x7fff_fff0, 0, 0, 0, 0, 0],
    ),
    (
        "process_vm_writev",
        libc::SYS_process_vm_writev,
        &[0x7fff_fff0, 0, 0, 0, 0, 0],
    ),
    ("kcmp", libc::SYS_kcmp, &[0x7fff_fff0, 0x7fff_fff0, 0, 0, 0]),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, &[NO_FD, 0, 0]),
    ("process_madvise", libc::SYS_process_madvise, &[NO_FD, 0, 0, 0, 0]),
    ("mount", libc::SYS_mount, &[0, NOWHERE, 0, 0, 0]),
    ("umount2", libc::SYS_umount2, &[NOWHERE, 0]),
    ("pivot_root", libc::SYS_pivot_root, &[NOWHERE, NOWHERE]),
    ("chroot", libc::SYS_chroot, &[NOWHERE]),
    ("open_tree", libc::SYS_open_tree, &[NO_FD, NOWHERE, 0]),
    (
        "move_mount",
        libc::SYS_move_mount,
        &[NO_FD, NOWHERE, NO_FD, NOWHERE, 0],
    ),
    ("fsopen", libc::SYS_fsopen, &[NOWHERE, 0]),
    ("fsconfig", libc::SYS_fsconfig, &[NO_FD, 0, 0, 0, 0]),
    ("fsmount", libc::SYS_fsmount, &[NO_FD, 0, 0]),
    ("fspick", libc::SYS_fspick, &[NO_FD, NOWHERE, 0]),
    (
        "mount_setattr",
        libc::SYS_mount_setattr,
        &[NO_FD, NOWHERE, 0, NOWHERE, 0],
    ),
    ("setns", libc::SYS_setns, &[NO_FD, 0]),
    ("bpf", libc::SYS_bpf, &[9999, NOWHERE, 0]),
    (
        "perf_event_open",
        libc::SYS_perf_event_open,
        &[NOWHERE, 0, 0, NO_FD, 0],
    ),
    ("userfaultfd", libc::SYS_userfaultfd, &[0xffff]),
    ("add_key", libc::SYS_add_key, &[NOWHERE, NOWHERE, 0, 0, 0]),
    ("request_key", libc::SYS_request_key, &[NOWHERE, 0, 0, 0]),
    ("keyctl", libc::SYS_keyctl, &[9999]),
    (
        "open_by_handle_at",
        libc::SYS_open_by_handle_at,
        &[NO_FD, NOWHERE, 0],
    ),
    (
        "name_to_handle_at",
        libc::SYS_name_to_handle_at,
        &[NO_FD, NOWHERE, NOWHERE, NOWHERE, 0],
    ),
    ("fanotify_init", libc::SYS_fanotify_init, &[0xffff_ffff, 0]),
    ("fanotify_mark", libc::SYS_fanotify_mark, &[NO_FD, 0, 0, NO_FD, 0]),
    // LINUX_REBOOT_MAGIC1 is missing: EINVAL.
    ("reboot", libc::SYS_reboot, &[0, 0, 0, 0]),
    ("kexec_load", libc::SYS_kexec_load, &[0, 0, 0, 0xffff_ffff]),
    (
        "kexec_file_load",
        libc::SYS_kexec_file_load,
        &[NO_FD, NO_FD, 0, 0, 0xffff_ffff],
    ),
    ("init_module", libc::SYS_init_module, &[NOWHERE, 0, NOWHERE]),
    ("finit_module", libc::SYS_finit_module, &[NO_FD, NOWHERE, 0]),
    ("delete_module", libc::SYS_delete_module, &[NOWHERE, 0]),
    ("swapon", libc::SYS_swapon, &[NOWHERE, 0]),
    ("swapoff", libc::SYS_swapoff, &[NOWHERE]),
    ("acct", libc::SYS_acct, &[NOWHERE]),
    ("syslog", libc::SYS_syslog, &[9999, 0, 0]),
    ("quotactl", libc::SYS_quotactl, &[0, NOWHERE, 0, 0]),
    ("settimeofday", libc::SYS_settimeofday, &[NOWHERE, 0]),
    ("clock_settime", libc::SYS_clock_settime, &[9999, NOWHERE]),
    ("adjtimex", libc::SYS_adjtimex, &[NOWHERE]),
    ("clock_adjtime", libc::SYS_clock_adjtime, &[9999, NOWHERE]),
    ("sethostname", libc::SYS_sethostname, &[NOWHERE, 5]),
    ("setdomainname", libc::SYS_setdomainname, &[NOWHERE, 5]),
    #[cfg(target_arch = "x86_64")]
    ("iopl", libc::SYS_iopl, &[9]),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", libc::SYS_ioperm, &[u64::MAX, 1, 1]),
    #[cfg(target_arch = "x86_64")]
    ("modify_ldt", libc::SYS_modify_ldt, &[0, NOWHERE, 0]),
    ("mbind", libc::SYS_mbind, &[1, 0, 0, 0, 0, 0]),
    ("set_mempolicy", libc::SYS_set_mempolicy, &[9999, 0, 0]),
    ("migrate_pages", libc::SYS_migrate_pages, &[0x7fff_fff0, 0, 0, 0]),
    ("move_pages", libc::SYS_move_pages, &[0x7fff_fff0, 0, 0, 0, 0, 0]),
    ("io_uring_setup", libc::SYS_io_uring_setup, &[1, NOWHERE]),
    (
        "io_uring_enter",
        libc::SYS_io_uring_enter,
        &[NO_FD, 0, 0, 0, 0, 0],
    ),
    (
        "io_uring_register",
        libc::SYS_io_uring_register,
        &[NO_FD, 0, 0, 0],
    ),
    ("clone3", libc::SYS_clone3, &[NOWHERE, 0]),
];

/// What the kernel says to one call: its errno, or `ok`.
fn one(words: &Words) -> Evidence {
    let name = words.text(0)?;
    let (_, number, arguments) = CALLS
        .iter()
        .find(|(known, ..)| *known == name)
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok(call(*number, arguments).map_or_else(|error| name_of(&error), |_| "ok".into()))
}

/// Executes a program whose system calls somebody is told of: by a filter with a listener (seccomp_unotify(2)), which lets
/// everything pass, and of which there can be one.
fn under_listener(words: &Words) -> Evidence {
    const ALLOW: u32 = 0x7fff_0000;
    // BPF_RET | BPF_K
    let everything = libc::sock_filter {
        code: 6,
        jt: 0,
        jf: 0,
        k: ALLOW,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: std::ptr::from_ref(&everything).cast_mut(),
    };
    const NEW_LISTENER: u64 = 1 << 3;
    call(libc::SYS_prctl, &[libc::PR_SET_NO_NEW_PRIVS as u64, 1])?;
    let arguments = [
        libc::SECCOMP_SET_MODE_FILTER.into(),
        NEW_LISTENER,
        address(&program),
    ];
    let listener = call(libc::SYS_seccomp, &arguments)?;
    // It lasts as long as its descriptor, which the program must inherit.
    call(libc::SYS_fcntl, &[listener as u64, libc::F_SETFD as u64, 0])?;
    let error = Command::new(words.path(0)?).args(&words.0[1..]).exec();
    Err(error)
}

fn mount(words: &Words) -> Evidence {
    let source = crate::sys::c_string(words.path(0)?)?;
    let target = crate::sys::c_string(words.path(1)?)?;
    let kind = crate::sys::c_string(words.path(2)?)?;
    let at = |text: &CStr| text.as_ptr() as u64;
    let arguments = [at(&source), at(&target), at(&kind), words.number(3)?, 0];
    call(libc::SYS_mount, &arguments).map(|_| "mounted".into())
}
