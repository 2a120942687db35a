//! Init forgets what it was started with.
//!
//! A forked init carries the client's environment and arguments on its stack, where
//! `/proc/1/environ` and `/proc/1/cmdline` show them (bubblewrap leaks cleared secrets this way).

use std::ops::Range;

use nix::errno::Errno;

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// Overwrites the argument and environment strings of this process with zeroes and empties `environ`.
///
/// Call it only where nothing reads either afterwards: the policy holds its own copies of what the server
/// may see, and init starts nothing that inherits them.
pub fn forget_arguments_and_environment() -> nix::Result<()> {
    let range = strings().ok_or(Errno::EIO)?;
    // SAFETY: init has one thread, and the kernel has named the range as the writable part of the initial
    // stack that holds these strings. Their readers (std::env, the C library) are not used after this.
    unsafe {
        std::ptr::write_bytes(range.start as *mut u8, 0, range.len());
        environ = std::ptr::null_mut();
    }
    Ok(())
}

/// From the first argument to the end of the environment: fields 48 and 51 of proc_pid_stat(5).
fn strings() -> Option<Range<usize>> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, a name in parentheses, may itself contain spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let address = |field: usize| {
        fields
            .get(field - 3)?
            .trim_end()
            .parse::<usize>()
            .ok()
            .filter(|at| *at != 0)
    };
    let range = address(48)?..address(51)?;
    (range.len() < (1 << 30)).then_some(range)
}
