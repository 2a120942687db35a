//! The tool with more rights than its caller: setuid, setgid, file capabilities (CVE-2020-5291, CVE-2017-5180).

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::common::{Host, answer, binaries, copy, is_root, ordinary_host};

/// A copy of the tool that root owns and everybody may run.
fn install(host: &Host, name: &str) -> PathBuf {
    fs::set_permissions(host.folder(), Permissions::from_mode(0o755)).expect("the folder is ours");
    let path = host.folder().join(name);
    copy(&binaries().sandbox, &path);
    path
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("root changes modes");
}

/// CAP_NET_RAW as permitted and effective, in the form of `linux/capability.h`, VFS_CAP_REVISION_2.
fn give_capability(path: &Path) {
    let mut value = 0x0200_0001_u32.to_le_bytes().to_vec();
    value.extend((1_u32 << 13).to_le_bytes());
    value.extend([0; 12]);
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    let name = c"security.capability";
    // SAFETY: both strings end with NUL, the value has the length given.
    let set = unsafe {
        libc::setxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    assert_eq!(set, 0, "file capabilities: {}", std::io::Error::last_os_error());
}

/// Only root can install a program like this, so only root's runs of the tests can look at one.
#[test]
fn as_root_a_privileged_copy_refuses_to_run() {
    if !is_root() {
        return;
    }
    let host = ordinary_host();
    type Prepare = fn(&Path);
    let prepare: [(&str, Prepare); 4] = [
        ("plain", |_| ()),
        ("setuid", |path| set_mode(path, 0o4755)),
        ("setgid", |path| set_mode(path, 0o2755)),
        ("capable", give_capability),
    ];
    for (name, prepare) in prepare {
        let path = install(&host, name);
        prepare(&path);
        let mut command = host.command(&path);
        command
            .args(["run", "--quiet", "--"])
            .arg(&binaries().probe)
            .arg("identity");
        match name {
            "plain" => assert!(answer(command).done().contains("NoNewPrivs: 1")),
            _ => answer(command).refused("setuid, setgid or with file capabilities"),
        }
    }
}
