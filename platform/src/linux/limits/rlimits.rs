//! Limits that the kernel keeps per process, setrlimit(2).

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::utsname::uname;

use super::super::sys;
use super::choice::Rlimit;

/// Sets a limit for this process and all that it starts. Hard and soft are one: neither can be raised again without
/// CAP_SYS_RESOURCE on the host, which no box has.
pub fn set(what: Rlimit, most: u64) -> nix::Result<()> {
    let resource = match what {
        Rlimit::Processes => Resource::RLIMIT_NPROC,
        Rlimit::Data => Resource::RLIMIT_DATA,
        Rlimit::OpenFiles => Resource::RLIMIT_NOFILE,
        Rlimit::FileSize => Resource::RLIMIT_FSIZE,
    };
    if what == Rlimit::FileSize {
        // EFBIG in place of the signal that kills who does not know it.
        sys::ignore_file_size_signal()?;
    }
    setrlimit(resource, most, most)
}

/// Whether RLIMIT_NPROC bounds a box of user `uid`: it counts per user namespace since Linux 5.14, and never holds for
/// the root of the host (copy_process in kernel/fork.c).
pub fn counts_processes(uid: u32) -> bool {
    let per_namespace = uname().is_ok_and(|name| release(&name.release().to_string_lossy()) >= (5, 14));
    per_namespace && uid != 0
}

fn release(text: &str) -> (u32, u32) {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn releases_compare_as_numbers() {
        assert!(release("5.9.0-1-amd64") < (5, 14));
        assert!(release("6.1.0") > (5, 14));
        assert_eq!(release("6.18.44-fc"), (6, 18));
        assert_eq!(release("odd"), (0, 0));
    }
}
