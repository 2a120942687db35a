//! A `/tmp` that nobody else uses: a mount namespace in which runs leave their traces, if they leave any.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Host, binaries, inherit};

/// A process that keeps the namespace alive until this value goes away.
pub struct PrivateTmp(Child);

impl PrivateTmp {
    /// An empty `/tmp`, seen by the commands that [enter](PrivateTmp::enter) alone.
    pub fn new(host: &Host) -> Self {
        let mut command = host.command("unshare");
        if !host.is_root() {
            command.args(["--user", "--map-current-user", "--keep-caps"]);
        }
        let script = "mount -t tmpfs none /tmp && echo ready && read line";
        let mut keeper = command
            .args(["--mount", "--", "/bin/sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) of util-linux");
        let mut ready = [0; 6];
        let out = keeper.stdout.as_mut().expect("stdout is a pipe");
        out.read_exact(&mut ready).expect("a private /tmp can be mounted");
        PrivateTmp(keeper)
    }

    /// `mcp-sandbox run --quiet FLAGS --` in here.
    pub fn run<F: AsRef<OsStr>>(&self, host: &Host, flags: impl IntoIterator<Item = F>) -> Command {
        let mut command = self.bare(host, &binaries().sandbox);
        command.args(["run", "--quiet"]).args(flags).arg("--");
        command
    }

    /// A program in here; it is opened before, since it may lie in the other /tmp.
    pub fn bare(&self, host: &Host, program: &Path) -> Command {
        const NUMBER: i32 = 200;
        let mut command = host.command(format!("/proc/self/fd/{NUMBER}"));
        command.current_dir("/");
        inherit(
            &mut command,
            File::open(program).expect("the program").into(),
            NUMBER,
        );
        self.enter(&mut command);
        command
    }

    /// A script in here, as the user.
    pub fn shell(&self, host: &Host, script: &str) {
        let mut command = host.command("sh");
        self.enter(&mut command);
        let status = command.args(["-ec", script]).status().expect("a shell");
        assert!(status.success(), "{script}");
    }

    /// Lets the command see this `/tmp` alone.
    pub fn enter(&self, command: &mut Command) {
        let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", self.0.id())).expect("a namespace");
        let own = fs::read_link("/proc/self/ns/user").expect("own namespace");
        let (user, mount) = (open("user"), open("mnt"));
        let other = fs::read_link(format!("/proc/{}/ns/user", self.0.id())).expect("a namespace") != own;
        let join = |namespace: &File| {
            // SAFETY: takes two numbers.
            match unsafe { libc::setns(namespace.as_raw_fd(), 0) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: setns is safe between fork and exec.
        unsafe {
            command.pre_exec(move || {
                if other {
                    join(&user)?;
                }
                join(&mount)
            })
        };
    }

    /// The path of this `/tmp` from outside.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/tmp", self.0.id()))
    }

    /// Everything in it, as `find` prints it.
    pub fn contents(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("the private /tmp can be read") {
                let entry = entry.expect("an entry");
                let kind = entry.file_type().expect("a type");
                found.push(format!("{:?} {}", kind, entry.path().display()));
                if kind.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }

    /// The mounts of the namespace.
    pub fn mounts(&self) -> String {
        fs::read_to_string(format!("/proc/{}/mountinfo", self.0.id())).expect("mountinfo")
    }
}

impl Drop for PrivateTmp {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.0.stdin.take() {
            let _ = stdin.write_all(b"\n");
        }
        let _ = self.0.wait();
    }
}
