//! The kernel itself: mounts, namespaces, and the calls most escapes began with.

use std::ffi::CString;
use std::fs::{self, File};

use nix::errno::Errno;

use super::super::attempt::{Attempt, Control, Obstacle, Scene, Surface};
use super::super::raw;

pub const ALL: &[Attempt] = &[
    call("mount", "mount a file system", mount, raw::mount_nonsense),
    call(
        "unshare",
        "make a user namespace (unshare)",
        |_| Ok(raw::in_child(|| raw::unshare(libc::CLONE_NEWUSER)).map(|()| "made".into())?),
        raw::unshare_nonsense,
    ),
    call(
        "clone3",
        "make a user namespace (clone3)",
        |_| Ok(raw::clone3_user().map(|()| "made".into())?),
        raw::clone3_nonsense,
    ),
    call(
        "bpf",
        "load into the kernel (bpf)",
        |_| Ok(raw::bpf().map(|()| "made a map".into())?),
        raw::bpf_nonsense,
    ),
    call(
        "io_uring",
        "make an io_uring, which no filter sees into",
        |_| Ok(raw::io_uring().map(|()| "made".into())?),
        raw::io_uring_nonsense,
    ),
    call(
        "perf",
        "watch the processor (perf_event_open)",
        |_| Ok(raw::perf().map(|()| "opened".into())?),
        raw::perf_nonsense,
    ),
    call(
        "userfaultfd",
        "stop the kernel at page faults (userfaultfd)",
        |_| Ok(raw::userfaultfd().map(|()| "opened".into())?),
        raw::userfaultfd_nonsense,
    ),
    call("device", "make a device node", device, raw::device_nonsense),
    Attempt {
        name: "setting",
        title: "open a kernel setting for writing",
        control: Control::HostDecides,
        surface: Surface::Path,
        seen: None,
        act: setting,
        nonsense: None,
    },
];

const fn call(
    name: &'static str,
    title: &'static str,
    act: fn(&Scene) -> Result<String, Obstacle>,
    nonsense: fn() -> i32,
) -> Attempt {
    Attempt {
        name,
        title,
        control: Control::HostDecides,
        surface: Surface::Kernel,
        seen: None,
        act,
        nonsense: Some(nonsense),
    }
}

/// In a mount namespace of its own, so that without a box nothing is mounted on the host.
fn mount(_: &Scene) -> Result<String, Obstacle> {
    raw::in_child(|| {
        match raw::unshare_mounts() {
            // Whoever may mount without one would do it to the host.
            Err(errno) if may_mount() => Err(errno),
            _ => raw::mount_tmpfs(c"/tmp"),
        }
    })?;
    Ok("mounted".into())
}

/// Whether we hold CAP_SYS_ADMIN, by proc_pid_status(5).
fn may_mount() -> bool {
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    effective.is_none_or(|set| set & CAP_SYS_ADMIN != 0)
}

/// Beside the drop file without a box; in the box that folder is private memory.
fn device(scene: &Scene) -> Result<String, Obstacle> {
    let path = CString::new(format!("{}.device", scene.drop)).map_err(|_| Errno::EINVAL)?;
    raw::make_device(&path)?;
    let _ = fs::remove_file(format!("{}.device", scene.drop));
    Ok("made".into())
}

/// A pipe in this setting runs a program as root on the host. It is opened and closed again.
fn setting(_: &Scene) -> Result<String, Obstacle> {
    File::options()
        .write(true)
        .open("/proc/sys/kernel/core_pattern")?;
    Ok("open for writing".into())
}
