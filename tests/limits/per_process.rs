//! `resources.open_files` and `resources.file_size`: the kernel's own limits of a process.

use crate::common::hosts;
use crate::loads::python;

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
