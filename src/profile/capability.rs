//! The names of the Linux capabilities, capabilities(7) and include/uapi/linux/capability.h, in the order of
//! their numbers (0 to 40, complete since Linux 5.9).

pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The full name of a capability written as `net_bind_service` or `CAP_NET_BIND_SERVICE`.
pub fn full_name(text: &str) -> Option<&'static str> {
    let short = text
        .get(..4)
        .filter(|prefix| prefix.eq_ignore_ascii_case("cap_"))
        .map_or(text, |_| &text[4..]);
    NAMES
        .into_iter()
        .find(|name| name[4..].eq_ignore_ascii_case(short))
}

#[cfg(test)]
mod tests {
    use super::{NAMES, full_name};

    #[test]
    fn both_spellings_and_any_case() {
        for text in ["net_bind_service", "CAP_NET_BIND_SERVICE", "cap_Net_Bind_Service"] {
            assert_eq!(full_name(text), Some("CAP_NET_BIND_SERVICE"));
        }
        for text in ["", "CAP_", "cap", "net", "NET_BIND", "cap_cap_kill", "üüüü"] {
            assert_eq!(full_name(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_agree_with_the_kernel_header() {
        assert_eq!(
            (NAMES[10], NAMES[21], NAMES[40]),
            ("CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE")
        );
    }
}
