//! Each rule once, against homes built for the test, and a few commands of the machine the tests run on.

mod errors;
mod hostile;
mod machine;
mod shims;
mod trees;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Host, Runtime, resolve};
use crate::error::Error;

/// A made-up disk below one temporary directory, with a home, a project and a PATH.
struct Disk {
    /// Removes the directory when the test ends.
    _guard: TempDir,
    root: PathBuf,
    host: Host,
}

impl Disk {
    fn new() -> Self {
        let guard = TempDir::new().unwrap();
        let root = guard.path().canonicalize().unwrap();
        let (home, cwd) = (root.join("home/ada"), root.join("home/ada/work/project"));
        fs::create_dir_all(&cwd).unwrap();
        let host = Host {
            path: Some("/usr/bin:/bin".into()),
            home,
            cwd,
            ..Host::default()
        };
        Disk {
            _guard: guard,
            root,
            host,
        }
    }

    /// A path below the home.
    fn at(&self, path: &str) -> PathBuf {
        self.host.home.join(path)
    }

    fn file(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// An executable script, or any other text.
    fn script(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(path, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Something the kernel would take for an ELF program.
    fn elf(&self, path: &str) -> PathBuf {
        self.script(path, b"\x7fELF\x02\x01\x01\0")
    }

    fn dir(&self, path: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, &path).unwrap();
        path
    }

    /// Puts a directory of the home before PATH.
    fn on_path(&mut self, path: &str) {
        let old = self.host.path.take().unwrap_or_default();
        let all = std::iter::once(self.at(path)).chain(std::env::split_paths(&old));
        self.host.path = Some(std::env::join_paths(all).unwrap());
    }

    fn env(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.host.env.insert(name.into(), value.as_ref().to_owned());
    }

    fn try_run(&self, command: &[&str]) -> Result<Runtime, Error> {
        resolve(
            &command.iter().map(OsString::from).collect::<Vec<_>>(),
            &self.host,
        )
    }

    #[track_caller]
    fn run(&self, command: &[&str]) -> Runtime {
        self.try_run(command).unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn fail(&self, command: &[&str]) -> Error {
        self.try_run(command).expect_err("the command must not resolve")
    }

    /// A node installation with npm.
    fn node(&self, prefix: &str) -> PathBuf {
        self.script(
            &format!("{prefix}/lib/node_modules/npm/bin/npx-cli.js"),
            "#!/usr/bin/env node\n",
        );
        self.script(
            &format!("{prefix}/lib/node_modules/npm/bin/npm-cli.js"),
            "#!/usr/bin/env node\n",
        );
        self.link(
            &format!("{prefix}/bin/npx"),
            "../lib/node_modules/npm/bin/npx-cli.js",
        );
        self.link(
            &format!("{prefix}/bin/npm"),
            "../lib/node_modules/npm/bin/npm-cli.js",
        );
        self.elf(&format!("{prefix}/bin/node"));
        self.at(prefix)
    }

    /// A Python installation of this version.
    fn python(&self, prefix: &str, version: &str) -> PathBuf {
        self.elf(&format!("{prefix}/bin/python{version}"));
        self.link(&format!("{prefix}/bin/python3"), format!("python{version}"));
        self.link(&format!("{prefix}/bin/python"), "python3");
        self.file(&format!("{prefix}/lib/python{version}/os.py"), "");
        self.at(prefix)
    }

    /// A virtual environment over `base/bin/python`.
    fn venv(&self, root: &str, base: &Path) -> PathBuf {
        self.link(&format!("{root}/bin/python"), base.join("bin/python"));
        self.link(&format!("{root}/bin/python3"), "python");
        self.file(
            &format!("{root}/pyvenv.cfg"),
            format!(
                "home = {}\ninclude-system-site-packages = false\nversion = 3.12.1\n",
                base.join("bin").display()
            ),
        );
        self.dir(&format!("{root}/lib/python3.12/site-packages"));
        self.at(root)
    }
}

/// Where the mounts are, in order.
fn places(runtime: &Runtime) -> Vec<&Path> {
    runtime.mounts.iter().map(|mount| mount.at.as_path()).collect()
}

/// What the box would resolve a path to, by mounts and links alone: the file of the host, or None.
fn in_box(runtime: &Runtime, path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    'again: for _ in 0..40 {
        let mut seen = PathBuf::new();
        for part in path.components() {
            seen.push(part);
            let rest = path.strip_prefix(&seen).unwrap();
            let link = runtime
                .links
                .iter()
                .find(|link| link.at == seen)
                .map(|link| link.target.clone());
            let shown = runtime.mounts.iter().rfind(|mount| seen.starts_with(&mount.at));
            let source = match shown {
                Some(mount) => Some(mount.source.join(seen.strip_prefix(&mount.at).unwrap())),
                None if super::system::holds(&seen) => Some(seen.clone()),
                None => None,
            };
            let link = link.or_else(|| fs::read_link(source.as_ref()?).ok());
            if let Some(target) = link {
                let target = seen.parent().unwrap().join(target);
                path = super::image::normal(&if rest.as_os_str().is_empty() {
                    target
                } else {
                    target.join(rest)
                });
                continue 'again;
            }
        }
        let mount = runtime.mounts.iter().rfind(|mount| path.starts_with(&mount.at));
        return match mount {
            Some(mount) => Some(normal_join(&mount.source, path.strip_prefix(&mount.at).unwrap())),
            None if super::system::holds(&path) => Some(path),
            None => None,
        }
        .filter(|source| source.exists());
    }
    None
}

fn normal_join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() {
        base.to_owned()
    } else {
        base.join(rest)
    }
}
