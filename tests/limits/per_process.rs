//! `resources.open_files` and `resources.file_size`: the kernel's own limits of a process.

use crate::common::hosts;
use crate::loads::{python, python_with};

#[test]
fn open_files() {
    let script = "\
import os
count = 3
try:
    while count < 200:
        os.dup(1)
        count += 1
    print('all')
except OSError as error:
    print(count, error.errno)";
    for host in hosts() {
        python(&host, "open_files = 300", script).done("all\n");
        // EMFILE is 24.
        python(&host, "open_files = 50", script).done("50 24\n");
    }
}

#[test]
fn nobody_raises_them_again() {
    let script = "\
import resource
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
    print('raised')
except ValueError:
    print('refused')";
    for host in hosts() {
        python(&host, "open_files = 100", script).done("raised\n");
        python(&host, "open_files = 50", script).done("refused\n");
    }
}

/// Space behind the end of a file is no size, and what is inserted into one passes by RLIMIT_FSIZE: file systems that
/// know neither say so, and programs go on.
#[test]
fn no_space_is_reserved_behind_the_end_of_a_file() {
    let script = "\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
file = os.open('/w/file', os.O_RDWR | os.O_CREAT)
os.write(file, b'x' * 1_048_576)
KEEP_SIZE, PUNCH_HOLE, INSERT_RANGE = 1, 2, 0x20
for mode in (KEEP_SIZE, INSERT_RANGE, KEEP_SIZE | PUNCH_HOLE, 0):
    at, length = (0, 524_288) if mode & PUNCH_HOLE else (524_288, 1_048_576)
    size = ctypes.c_long
    done = libc.fallocate(file, mode, size(at), size(length))
    print('done' if done == 0 else os.strerror(ctypes.get_errno()))
class Space(ctypes.Structure):
    _fields_ = [('type', ctypes.c_int16), ('whence', ctypes.c_int16), ('start', ctypes.c_int64),
                ('length', ctypes.c_int64), ('more', ctypes.c_int32 * 6)]
RESERVE_SPACE = (0x40305828, 0x4030582a, 0x40305839)
for name in RESERVE_SPACE:
    done = libc.ioctl(file, ctypes.c_ulong(name), ctypes.byref(Space(length=4_194_304)))
    print('done' if done == 0 else os.strerror(ctypes.get_errno()))
";
    for host in hosts() {
        let folder = host.directory("reserved");
        let mount = format!("{}:/w", folder.display());
        let refused = "Operation not supported\n";
        let boxed = python_with(&host, "file_size = \"2MB\"", &["--write", &mount], script);
        boxed.done(&format!("{refused}{refused}done\ndone\n{}", refused.repeat(3)));
        // The control: bare, the first takes space, and the second too where the file system can.
        let bare = script.replace("/w/file", &folder.join("file").display().to_string());
        let output = std::process::Command::new("python3").args(["-c", &bare]).output();
        let output = String::from_utf8(output.expect("Python").stdout).expect("text");
        assert!(
            output.starts_with("done\n") && output.ends_with("done\n"),
            "{output}"
        );
    }
}

#[test]
fn file_size() {
    let script = "\
import os
file = os.open(os.path.expanduser('~/file'), os.O_WRONLY | os.O_CREAT)
try:
    for i in range(20):
        os.write(file, b'x' * 100_000)
    print('all')
except OSError as error:
    print(os.fstat(file).st_size, error.errno)
try:
    os.posix_fallocate(file, 0, 5_000_000)
    print('allocated')
except OSError as error:
    print(error.errno)";
    for host in hosts() {
        python(&host, "file_size = \"10MB\"", script).done("all\nallocated\n");
        // EFBIG is 27: the server goes on, no signal kills it.
        python(&host, "file_size = \"1MB\"", script).done("1000000 27\n27\n");
    }
}
