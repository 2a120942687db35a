//! What the client carries with it: environment, descriptors, keys, its terminal.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::attempt::{Attempt, Control, Obstacle, Scene, Surface, secret};
use super::super::raw;

pub const ALL: &[Attempt] = &[
    Attempt {
        name: "read_environment",
        title: "read a secret from its environment",
        control: Control::Always,
        surface: Surface::Environment,
        seen: None,
        act: environment,
        nonsense: None,
    },
    Attempt {
        name: "read_parents_environment",
        title: "read the environment of its parent",
        control: Control::Always,
        surface: Surface::Process,
        seen: None,
        act: parents_environment,
        nonsense: None,
    },
    Attempt {
        name: "read_descriptor",
        title: "read a descriptor left open by the client",
        control: Control::Always,
        surface: Surface::Descriptor,
        seen: None,
        act: |scene| secret(&raw::read_descriptor(scene.descriptor)?, scene),
        nonsense: None,
    },
    Attempt {
        name: "read_key",
        title: "read a key of the session keyring",
        control: Control::HostDecides,
        surface: Surface::Kernel,
        seen: None,
        act: key,
        nonsense: Some(raw::key_nonsense),
    },
    Attempt {
        name: "read_terminal",
        title: "read what is typed into the terminal behind stderr",
        control: Control::HostDecides,
        surface: Surface::Descriptor,
        seen: None,
        act: typed,
        nonsense: None,
    },
    Attempt {
        name: "type_into_terminal",
        title: "type into the user's terminal (/dev/tty)",
        control: Control::HostDecides,
        surface: Surface::Terminal,
        seen: None,
        act: own_terminal,
        nonsense: None,
    },
    Attempt {
        name: "type_through_stderr",
        title: "type into the terminal behind stderr",
        control: Control::HostDecides,
        surface: Surface::Terminal,
        seen: None,
        act: terminal_of_stderr,
        nonsense: Some(raw::type_nonsense),
    },
];

/// The variable, and the memory it was handed over in.
fn environment(scene: &Scene) -> Result<String, Obstacle> {
    let variable = std::env::var_os(&scene.variable).unwrap_or_default();
    secret(variable.as_bytes(), scene).or_else(|_| secret(&fs::read("/proc/self/environ")?, scene))
}

/// In the box this is init, which was made by the process that holds the client's environment.
fn parents_environment(scene: &Scene) -> Result<String, Obstacle> {
    let parent = nix::unistd::getppid();
    secret(&fs::read(format!("/proc/{parent}/environ"))?, scene)
}

fn key(scene: &Scene) -> Result<String, Obstacle> {
    let key = scene.key.ok_or_else(|| Obstacle::Missing("no keyrings".into()))?;
    secret(&raw::read_key(key)?, scene)
}

/// The client's user has typed the secret as one line.
fn typed(scene: &Scene) -> Result<String, Obstacle> {
    let terminal = std::io::stderr();
    let mut fds = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::from(100u8))? {
        0 => Err(Obstacle::Nothing("nothing typed".into())),
        _ => {
            let mut line = vec![0; 256];
            let length = nix::unistd::read(terminal, &mut line)?;
            secret(&line[..length], scene)
        }
    }
}

fn own_terminal(_: &Scene) -> Result<String, Obstacle> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    raw::type_into(terminal.as_fd())?;
    Ok("typed".into())
}

fn terminal_of_stderr(_: &Scene) -> Result<String, Obstacle> {
    raw::type_into(std::io::stderr().as_fd())?;
    Ok("typed".into())
}
