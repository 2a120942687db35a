//! Programs of the host that change files while the server uses them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::common::hosts;
use crate::folder::Folder;

/// Editors save by renaming a new file over the old one.
#[test]
fn a_file_that_is_saved_atomically_is_read_whole() {
    let script = "
import sys
print('ready', flush=True)
seen = set()
while 'end' not in seen:
    text = open('file').read()
    assert text == 'end' or text[0] * 4096 == text, text[:20]
    seen.add(text[:3])
print(len(seen) > 1)
";
    for host in hosts() {
        let folder = Folder::new(&host, "saved");
        let save = |text: &str| {
            host.file("saved/.file.swp", text);
            fs::rename(folder.path.join(".file.swp"), folder.path.join("file")).expect("a file");
        };
        save(&"a".repeat(4096));
        let mut server = folder.boxed(&["python3", "-c", script]);
        let mut server = server.stdout(Stdio::piped()).spawn().expect("the sandbox");
        let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
        assert_eq!(lines.next().expect("a line").expect("text"), "ready");
        for round in 0..500 {
            let letter = char::from(b'a' + round as u8 % 26).to_string();
            save(&letter.repeat(4096));
        }
        save("end");
        assert_eq!(lines.next().expect("a line").expect("text"), "True");
        assert!(server.wait().expect("the server").success());
    }
}

/// What is excluded stays so when it appears, also in a folder that appears, while a watcher is told of it.
#[test]
fn a_watcher_is_told_of_files_that_appear() {
    let script = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
watch = libc.inotify_init()
assert libc.inotify_add_watch(watch, b'.', 0x100 | 0x80 | 0x8) >= 0
print('ready', flush=True)
while True:
    events = os.read(watch, 4096)
    while events:
        length, = struct.unpack_from('12xI', events)
        name = events[16:16 + length].rstrip(b'\\0').decode()
        events = events[16 + length:]
        try:
            path = name + '/.env' if os.path.isdir(name) else name
            print(name, open(path).read(), flush=True)
        except PermissionError:
            print(name, 'refused', flush=True)
        if name == 'last':
            sys.exit()
";
    for host in hosts() {
        let folder = Folder::new(&host, "watched");
        fs::remove_file(folder.path.join(".env")).expect("a file");
        host.directory("beside/new");
        host.file("beside/new/.env", "secret");
        let mut server = folder.boxed(&["python3", "-c", script]);
        let mut server = server.stdout(Stdio::piped()).spawn().expect("the sandbox");
        let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        assert_eq!(line(), "ready");
        let appears = |name: &str, text: &str| {
            let beside = host.file("beside/file", text);
            fs::rename(beside, folder.path.join(name)).expect("a file");
        };
        appears("plain", "text");
        assert_eq!(line(), "plain text");
        appears(".env", "secret");
        assert_eq!(line(), ".env refused");
        appears("a.key", "secret");
        assert_eq!(line(), "a.key refused");
        fs::rename(host.folder().join("beside/new"), folder.path.join("new")).expect("a folder");
        assert_eq!(line(), "new refused");
        appears("last", "text");
        assert_eq!(line(), "last text");
        assert!(server.wait().expect("the server").success());
    }
}
