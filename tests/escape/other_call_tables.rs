//! The same kernel by other numbers: x32 and the 32-bit table (firejail's notes of 2019).
#![cfg(target_arch = "x86_64")]

use crate::common::{NO_FLAGS, hosts};

/// getpid, ptrace and mount of the x32 table: a filter that compares numbers only would let them pass.
#[test]
fn x32_numbers_do_not_exist() {
    for host in hosts() {
        for number in ["39", "521", "165", "0"] {
            host.boxed(NO_FLAGS, &["x32", number]).stopped("ENOSYS");
        }
    }
}

/// getpid of the 32-bit table; the filter ends whoever comes from another architecture.
#[test]
fn calls_of_the_32_bit_table_end_the_process() {
    for host in hosts() {
        host.boxed(NO_FLAGS, &["int80", "20"]).killed(libc::SIGSYS);
        // mount
        host.boxed(NO_FLAGS, &["int80", "21"]).killed(libc::SIGSYS);
    }
}

#[test]
fn control_the_32_bit_table_answers_when_bare() {
    for host in hosts() {
        assert_ne!(host.bare(&["int80", "20"]).done(), "0");
    }
}
