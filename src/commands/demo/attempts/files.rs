//! Files of the host: read, list, write.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::super::attempt::{Attempt, Control, Obstacle, Scene, Seen, Surface, secret};

/// Where the secrets lie in the throw-away home.
pub const SSH_KEY: &str = ".ssh/id_ed25519";
pub const ENV_FILE: &str = "project/.env";
pub const COOKIES: &str = ".mozilla/firefox/user.default/cookies.sqlite";
pub const SHELL_FILE: &str = ".bashrc";
pub const PROGRAM: &str = "project/helper";

pub const ALL: &[Attempt] = &[
    path("read_ssh_key", "read an SSH key", None, |scene| {
        planted(scene, SSH_KEY)
    }),
    path("read_env_file", "read a project's .env", None, |scene| {
        planted(scene, ENV_FILE)
    }),
    path("read_cookies", "read a browser's cookie store", None, |scene| {
        planted(scene, COOKIES)
    }),
    Attempt {
        control: Control::HostDecides,
        ..path("read_shadow", "read /etc/shadow", None, read_shadow)
    },
    Attempt {
        control: Control::HostDecides,
        ..path("list_home", "list the real home folder", None, list_home)
    },
    path(
        "write_shell_file",
        "add a line to ~/.bashrc",
        Some(Seen::LineInShellFile),
        write_shell_file,
    ),
    path(
        "write_temp",
        "leave a file in the host's /tmp",
        Some(Seen::FileInTemp),
        write_temp,
    ),
    path(
        "set_user_id",
        "leave a set-user-ID program behind",
        Some(Seen::SetUserIdProgram),
        set_user_id,
    ),
];

const fn path(
    name: &'static str,
    title: &'static str,
    seen: Option<Seen>,
    act: fn(&Scene) -> Result<String, Obstacle>,
) -> Attempt {
    Attempt {
        name,
        title,
        control: Control::Always,
        surface: Surface::Path,
        seen,
        act,
        nonsense: None,
    }
}

fn planted(scene: &Scene, name: &str) -> Result<String, Obstacle> {
    secret(&fs::read(Path::new(&scene.home).join(name))?, scene)
}

/// Says only that it was read: its content is nobody's business.
fn read_shadow(_: &Scene) -> Result<String, Obstacle> {
    match fs::read("/etc/shadow")?.is_empty() {
        true => Err(Obstacle::Nothing("empty".into())),
        false => Ok("readable".into()),
    }
}

/// Names are not told; the folder counts as the real one by device and inode.
fn list_home(scene: &Scene) -> Result<String, Obstacle> {
    let Some((home, device, inode)) = &scene.real_home else {
        return Err(Obstacle::Missing("no home folder".into()));
    };
    let found = fs::metadata(home)?;
    if (found.dev(), found.ino()) != (*device, *inode) {
        return Err(Obstacle::Nothing("another folder".into()));
    }
    Ok(format!("{} names", fs::read_dir(home)?.count()))
}

fn write_shell_file(scene: &Scene) -> Result<String, Obstacle> {
    let path = Path::new(&scene.home).join(SHELL_FILE);
    let mut file = File::options().append(true).open(path)?;
    writeln!(file, "echo {}", scene.token)?;
    Ok("written".into())
}

fn write_temp(scene: &Scene) -> Result<String, Obstacle> {
    fs::write(&scene.drop, &scene.token)?;
    Ok("written".into())
}

fn set_user_id(scene: &Scene) -> Result<String, Obstacle> {
    let path = Path::new(&scene.home).join(PROGRAM);
    fs::write(&path, "#!/bin/sh\n")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755))?;
    Ok("left".into())
}
