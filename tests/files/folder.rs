//! A folder with exclusions, shared for writing.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::common::{Host, binaries, words};

pub struct Folder<'h> {
    pub host: &'h Host,
    pub path: PathBuf,
    profile: PathBuf,
}

impl<'h> Folder<'h> {
    pub fn new(host: &'h Host, name: &str) -> Self {
        let path = host.directory(name);
        let mount = format!(
            "{{ path = \"{}\", access = \"write\", exclude = [\".env\", \"*.key\"] }}",
            path.display()
        );
        let profile = host.file(
            &format!("{name}.toml"),
            &format!("version = 1\n[filesystem]\nmounts = [{mount}]\n[resources]\nfile_size = \"8GB\"\n"),
        );
        host.file(&format!("{name}/.env"), "secret");
        Folder { host, path, profile }
    }

    /// A program that starts in the folder, in the box.
    pub fn boxed(&self, program: &[&str]) -> Command {
        let mut command = self.host.command(&binaries().sandbox);
        command
            .current_dir(&self.path)
            .args(["run", "--quiet"])
            .args(words([&"--profile", &self.profile]))
            .arg("--")
            .args(program);
        command
    }

    pub fn bare(&self, program: &[&str]) -> Command {
        let mut command = self.host.command(program[0]);
        command.current_dir(&self.path).args(&program[1..]);
        command
    }
}

/// The program prints the same in the box and, in another folder, out of it.
#[track_caller]
pub fn same(host: &Host, program: &[&str]) -> String {
    let (one, two) = (Folder::new(host, "boxed"), Folder::new(host, "bare"));
    let inside = said(one.boxed(program).output().expect("the sandbox"));
    let outside = said(two.bare(program).output().expect("the program"));
    assert_eq!(inside, outside);
    let kept = std::fs::read_to_string(one.path.join(".env")).expect("a file");
    assert_eq!(kept, "secret");
    inside
}

#[track_caller]
pub fn said(output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{:?}: {}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
