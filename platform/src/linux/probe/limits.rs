//! By what the limits of a box hold here. A control group is proved by making one and putting a process into it.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::getuid;

use super::super::clone::{Side, clone_into};
use super::super::limits::{Group, Made, Means, choose_group, counts_processes, groups, join};
use super::child::{Trouble, in_child, sleep};
use super::{Finding, State};
use crate::{Bytes, Limit, Limits, Percent};

/// One finding for each limit that a control group can enforce.
pub fn findings() -> Vec<Finding> {
    let group = choose_group(&some(), &groups());
    let proof = group.as_ref().map(prove);
    let grouped = |limits: fn(&Group) -> bool| group.as_ref().filter(|group| limits(group)).map(Group::means);
    let processes = match counts_processes(getuid().as_raw()) {
        true => Means::Rlimit,
        false => Means::Supervisor,
    };
    let each = [
        (
            "limit: memory",
            grouped(|group| group.memory.is_some()),
            Means::RlimitAndSupervisor,
        ),
        (
            "limit: processes",
            grouped(|group| group.processes.is_some()),
            processes,
        ),
        (
            "limit: cpu",
            grouped(|group| group.cpu.is_some()),
            Means::Supervisor,
        ),
    ];
    each.map(|(ability, by, otherwise)| match (by, &proof) {
        (Some(_), Some(Err(trouble))) => {
            finding(ability, State::Missing, format!("no control group, {trouble}"))
        }
        (Some(by), _) => finding(ability, State::Ok, format!("by {by}: a process was put into one")),
        (None, _) => finding(
            ability,
            State::Ok,
            format!("by {otherwise}: no control group may be made here"),
        ),
    })
    .into()
}

fn finding(ability: &'static str, state: State, detail: String) -> Finding {
    let cure =
        "let this user make control groups where they seem to be its own, or hide /sys/fs/cgroup from it";
    Finding {
        ability,
        state,
        required: true,
        detail,
        cost: (state != State::Ok).then_some("a profile with this limit starts nothing"),
        cure: (state != State::Ok).then(|| cure.into()).into_iter().collect(),
    }
}

/// Limits that harm nobody.
fn some() -> Limits {
    fn limit<T>(value: T) -> Option<Limit<T>> {
        let reason = String::new();
        Some(Limit { value, reason })
    }
    Limits {
        memory: limit(Bytes(64 << 20)),
        cpu: limit(Percent(50)),
        processes: limit(16),
        ..Limits::default()
    }
}

fn prove(limits: &Group) -> Result<(), Trouble> {
    let mut group = Made::make(limits)?;
    let groups = group.to_join()?;
    if !groups.is_empty() {
        return in_child(|| {
            join(&groups)?;
            is_in_one("self")
        });
    }
    let child = match clone_into(0, group.to_start_in())? {
        Side::Child => sleep(),
        Side::Parent { child, .. } => child,
    };
    let put = group
        .admit(child)
        .map_err(Trouble::from)
        .and_then(|()| is_in_one(&child.to_string()));
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitpid(child, None);
    put
}

fn is_in_one(process: &str) -> Result<(), Trouble> {
    match fs::read_to_string(format!("/proc/{process}/cgroup"))?.contains("mcp-sandbox-") {
        true => Ok(()),
        false => Err(Trouble::NotRefused),
    }
}
