//! Something else in place of /dev/null, which also hides files of /proc (CVE-2025-31133).

use crate::common::{Answer, Host, answer, binaries, hosts};

/// Runs the box where `/dev/null` is what the script makes of it, in a mount namespace of its own.
fn with_a_device(host: &Host, script: &str) -> Answer {
    let mut command = host.command("unshare");
    if !host.is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command.args(["--mount", "--", "sh", "-ec"]);
    command.arg(format!("{script}; exec \"$@\"")).arg("sh");
    command.arg(&binaries().sandbox).args(["run", "--quiet", "--"]);
    command.arg(&binaries().probe).args(["read", "/proc/keys"]);
    answer(command)
}

#[test]
fn a_file_in_place_of_a_device_is_not_mounted() {
    for host in hosts() {
        for device in ["null", "zero", "urandom"] {
            let script = format!("mount --bind /etc/passwd /dev/{device}");
            with_a_device(&host, &script).refused(&format!("/dev/{device}"));
        }
        // One device for another is no better: what is written to it might be kept.
        with_a_device(&host, "mount --bind /dev/zero /dev/null").refused("/dev/null");
    }
}

#[test]
fn control_the_true_device_is_mounted() {
    for host in hosts() {
        assert_eq!(
            with_a_device(&host, "mount --bind /dev/null /dev/null").done(),
            ""
        );
    }
}
