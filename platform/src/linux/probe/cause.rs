//! Why a host refuses, and what cures it. Settings are read only here, after the doing has failed.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::Act;

/// An explanation with its cure, one way or one command per line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    pub why: String,
    pub cure: Vec<String>,
}

/// What the settings of this host say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settings {
    /// kernel.apparmor_restrict_unprivileged_userns is 1 (Ubuntu 23.10 and newer).
    apparmor: bool,
    /// kernel.unprivileged_userns_clone is 0 (Debian and its kin).
    debian: bool,
    /// user.max_user_namespaces is 0.
    limit: bool,
    /// A seccomp filter is in force over us: what a container or a service manager has forbidden.
    filtered: bool,
    /// Files that containers leave (`/.dockerenv`, `/run/.containerenv`).
    container: bool,
    root: bool,
    /// The real path of this program, which an AppArmor profile must name.
    program: PathBuf,
}

impl Settings {
    fn read() -> Self {
        let setting = |name: &str| {
            let text = fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
            text.trim().parse::<u64>().ok()
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        Settings {
            apparmor: setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1),
            debian: setting("kernel/unprivileged_userns_clone") == Some(0),
            limit: setting("user/max_user_namespaces") == Some(0),
            filtered: mode.is_some_and(|mode| mode.trim() == "2"),
            container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|path| Path::new(path).exists()),
            root: nix::unistd::geteuid().is_root(),
            program: fs::canonicalize("/proc/self/exe").unwrap_or_default(),
        }
    }
}

/// What most probably stands behind an errno, and what to do.
pub fn diagnose(act: Act, errno: i32) -> Cause {
    explain(act, Errno::from_raw(errno), &Settings::read())
}

fn explain(act: Act, errno: Errno, host: &Settings) -> Cause {
    use Errno::{EACCES, EAGAIN, EINVAL, EMFILE, ENFILE, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, EUSERS};
    let refused = matches!(errno, EPERM | EACCES);
    match (act, errno) {
        (Act::MakeUserNamespace, ENOSPC | EUSERS) => limit(host),
        (Act::MakeUserNamespace, EPERM) if host.debian => debian(),
        (Act::MakeUserNamespace, ENOSYS | EPERM) if host.filtered || host.container => container(),
        (Act::MakeUserNamespace | Act::MapIds | Act::UseCapability, _)
            if refused && host.apparmor && !host.root =>
        {
            apparmor(&host.program)
        }
        (Act::MountProc, EPERM) => covered(),
        (Act::MapIds | Act::UseCapability, _) if refused && (host.filtered || host.container) => container(),
        (Act::MakeUserNamespace, EPERM) => cause(
            "a security module or a chroot forbids user namespaces to this program",
            &[
                "start it outside of any chroot",
                "look for the reason: journalctl -k --grep 'denied|audit'",
            ],
        ),
        (Act::MakeUserNamespace, ENOSYS) => cause(
            "the kernel has no clone3, or a filter hides it",
            &["use Linux 5.13 or newer"],
        ),
        (Act::MakeUserNamespace, EINVAL) => cause(
            "the kernel is built without one of the namespaces",
            &[
                "use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS and CONFIG_UTS_NS",
            ],
        ),
        (_, EPERM) if host.filtered || host.container => container(),
        (_, EAGAIN) => cause(
            "no further process may be made (RLIMIT_NPROC, or the limit of a cgroup)",
            &["raise the limit: ulimit -u, or TasksMax of the service"],
        ),
        (_, EMFILE | ENFILE) => cause(
            "no further file may be opened (RLIMIT_NOFILE)",
            &["raise the limit: ulimit -n"],
        ),
        (_, EOPNOTSUPP) => cause(
            "the kernel has no Landlock, or it is switched off",
            &[
                "use Linux 5.13 or newer",
                "add landlock to the list after lsm= on the kernel command line; /sys/kernel/security/lsm shows the list",
            ],
        ),
        (_, ENOSYS) => cause(
            "the kernel is too old for the call, or a filter hides it",
            &["use Linux 5.13 or newer"],
        ),
        _ => Cause::default(),
    }
}

fn cause(why: &str, cure: &[&str]) -> Cause {
    Cause {
        why: why.into(),
        cure: cure.iter().map(|line| (*line).into()).collect(),
    }
}

fn limit(host: &Settings) -> Cause {
    let why = if host.limit {
        "user.max_user_namespaces is 0"
    } else {
        "the limit on user namespaces is reached (user.max_user_namespaces, here or further out)"
    };
    cause(
        why,
        &[
            "sudo sysctl -w user.max_user_namespaces=15000",
            "echo user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/90-mcp-sandbox.conf   # to keep it",
        ],
    )
}

fn debian() -> Cause {
    cause(
        "kernel.unprivileged_userns_clone is 0",
        &[
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
            "echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/90-mcp-sandbox.conf   # to keep it",
        ],
    )
}

fn container() -> Cause {
    cause(
        "the filter of a container forbids it",
        &[
            "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …",
            "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL …",
            "Kubernetes: securityContext with seccompProfile.type Unconfined and procMount Unmasked",
            "or start mcp-sandbox outside of the container",
        ],
    )
}

/// The kernel mounts a new /proc only where the old one is wholly visible (mount_too_revealing in fs/namespace.c).
fn covered() -> Cause {
    cause(
        "something is mounted over parts of /proc, as containers do, and the kernel then allows no other",
        &[
            "docker run --security-opt systempaths=unconfined …",
            "podman run --security-opt unmask=ALL …",
            "Kubernetes: securityContext with procMount Unmasked",
            "elsewhere: findmnt --submounts /proc shows what covers it; sudo umount it",
        ],
    )
}

/// Ubuntu lets every program make a user namespace and takes its capabilities away, unless a profile of the
/// program's path says `userns` (Ubuntu's security documentation, "unprivileged user namespace restrictions").
fn apparmor(program: &Path) -> Cause {
    let save = format!(
        "sudo tee /etc/apparmor.d/mcp-sandbox <<'END'\n{}END",
        apparmor_profile(program)
    );
    cause(
        "AppArmor takes the capabilities from user namespaces of programs that have no profile",
        &[
            &save,
            "sudo apparmor_parser --replace /etc/apparmor.d/mcp-sandbox",
            "mcp-sandbox doctor",
        ],
    )
}

/// The form of the profiles that Ubuntu ships for browsers and for bubblewrap (apparmor.d(5)).
fn apparmor_profile(program: &Path) -> String {
    format!(
        "abi <abi/4.0>,
include <tunables/global>

profile mcp-sandbox {} flags=(unconfined) {{
  userns,
  include if exists <local/mcp-sandbox>
}}
",
        apparmor_path(program)
    )
}

/// A path as a quoted AppArmor pattern that matches nothing else.
fn apparmor_path(path: &Path) -> String {
    let mut pattern = String::from("\"");
    for letter in path.to_string_lossy().chars() {
        if "\\\"?*[]{}^".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('"');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(act: Act, errno: Errno, host: &Settings) -> String {
        explain(act, errno, host).why
    }

    fn host() -> Settings {
        Settings {
            program: "/usr/local/bin/mcp-sandbox".into(),
            ..Settings::default()
        }
    }

    #[test]
    fn a_setting_explains_only_the_failure_that_it_causes() {
        let debian = Settings {
            debian: true,
            ..host()
        };
        assert!(why(Act::MakeUserNamespace, Errno::EPERM, &debian).contains("unprivileged_userns_clone"));
        assert_eq!(why(Act::Other, Errno::EPERM, &debian), "");
        let none = Settings {
            limit: true,
            ..host()
        };
        assert!(why(Act::MakeUserNamespace, Errno::ENOSPC, &none).ends_with("max_user_namespaces is 0"));
        assert!(why(Act::MakeUserNamespace, Errno::ENOSPC, &host()).contains("reached"));
    }

    #[test]
    fn a_container_is_told_from_an_old_kernel() {
        let docker = Settings {
            filtered: true,
            ..host()
        };
        assert!(why(Act::MakeUserNamespace, Errno::ENOSYS, &docker).contains("container"));
        assert!(why(Act::MakeUserNamespace, Errno::ENOSYS, &host()).contains("kernel"));
        assert!(why(Act::MountProc, Errno::EPERM, &host()).contains("/proc"));
    }

    #[test]
    fn apparmor_is_cured_by_a_profile_of_our_own_path() {
        let ubuntu = Settings {
            apparmor: true,
            ..host()
        };
        for act in [Act::MakeUserNamespace, Act::MapIds, Act::UseCapability] {
            let cause = explain(act, Errno::EPERM, &ubuntu);
            assert!(cause.why.contains("AppArmor"));
            assert_eq!(cause.cure.len(), 3);
            assert_eq!(
                cause.cure[0],
                "sudo tee /etc/apparmor.d/mcp-sandbox <<'END'
abi <abi/4.0>,
include <tunables/global>

profile mcp-sandbox \"/usr/local/bin/mcp-sandbox\" flags=(unconfined) {
  userns,
  include if exists <local/mcp-sandbox>
}
END"
            );
        }
        let root = Settings { root: true, ..ubuntu };
        assert!(!why(Act::UseCapability, Errno::EPERM, &root).contains("AppArmor"));
    }

    #[test]
    fn a_path_matches_itself_only() {
        assert_eq!(apparmor_path(Path::new("/a b/{c}*")), r#""/a b/\{c\}\*""#);
    }
}
