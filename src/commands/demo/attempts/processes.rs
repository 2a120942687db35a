//! Other processes: see, signal, look into.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::attempt::{Attempt, Control, Obstacle, Scene, Seen, Surface, secret};
use super::super::raw;

pub const ALL: &[Attempt] = &[
    Attempt {
        name: "see_processes",
        title: "see the processes of the host",
        control: Control::Always,
        surface: Surface::Process,
        seen: None,
        act: see,
        nonsense: None,
    },
    Attempt {
        name: "read_bystanders_environment",
        title: "read the environment of another process",
        control: Control::Always,
        surface: Surface::Process,
        seen: None,
        act: bystanders_environment,
        nonsense: None,
    },
    Attempt {
        name: "read_memory",
        title: "read the client's memory (process_vm_readv)",
        control: Control::HostDecides,
        surface: Surface::Process,
        seen: None,
        act: read_memory,
        nonsense: Some(raw::read_memory_nonsense),
    },
    Attempt {
        name: "read_memory_file",
        title: "read the client's memory (/proc/PID/mem)",
        control: Control::HostDecides,
        surface: Surface::Process,
        seen: None,
        act: read_memory_file,
        nonsense: None,
    },
    Attempt {
        name: "trace",
        title: "trace a process (ptrace)",
        control: Control::HostDecides,
        surface: Surface::Kernel,
        seen: None,
        act: |_| Ok(raw::trace_child().map(|()| "traced".into())?),
        nonsense: Some(raw::trace_nonsense),
    },
    Attempt {
        name: "signal",
        title: "kill a process of the host",
        control: Control::Always,
        surface: Surface::Process,
        seen: Some(Seen::BystanderIsGone),
        act: signal,
        nonsense: None,
    },
];

/// Looks for the bystander by what is on its command line, as a thief looks for passwords on them.
fn see(scene: &Scene) -> Result<String, Obstacle> {
    let mut count = 0;
    let mut found = false;
    for entry in fs::read_dir("/proc")? {
        let Ok(line) = fs::read(entry?.path().join("cmdline")) else {
            continue;
        };
        count += 1;
        found |= secret(&line, scene).is_ok();
    }
    match found {
        true => Ok(format!("{count} processes")),
        false => Err(Obstacle::Nothing("only its own".into())),
    }
}

fn bystanders_environment(scene: &Scene) -> Result<String, Obstacle> {
    secret(&fs::read(format!("/proc/{}/environ", scene.bystander))?, scene)
}

fn read_memory(scene: &Scene) -> Result<String, Obstacle> {
    let bytes = raw::read_memory(scene.client, scene.address, scene.token.len())?;
    secret(&bytes, scene)
}

fn read_memory_file(scene: &Scene) -> Result<String, Obstacle> {
    let mut bytes = vec![0; scene.token.len()];
    let file = File::open(format!("/proc/{}/mem", scene.client))?;
    file.read_exact_at(&mut bytes, scene.address)?;
    secret(&bytes, scene)
}

/// In the box the number may by chance be one of the box's own few processes; they are spared.
fn signal(scene: &Scene) -> Result<String, Obstacle> {
    let pid = Pid::from_raw(scene.bystander);
    kill(pid, None)?;
    if secret(&fs::read(format!("/proc/{pid}/cmdline"))?, scene).is_err() {
        return Err(Obstacle::Nothing("only its own".into()));
    }
    kill(pid, Signal::SIGTERM)?;
    Ok("signalled".into())
}
