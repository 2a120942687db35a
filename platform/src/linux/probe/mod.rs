//! What this host can enforce: each ability of the box proved by doing it in a throw-away child.
//!
//! Nothing is concluded from version numbers or settings; those only explain what has failed ([`cause`]).

mod cause;
mod child;
mod limits;
mod listener;
mod namespaces;
mod restrictions;

use serde::Serialize;

pub use cause::{Cause, diagnose};
pub use listener::notification;

use super::sys;
use child::Trouble;

/// One ability of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub ability: &'static str,
    pub state: State,
    /// `run` cannot do without it.
    pub required: bool,
    /// What was seen, or why it failed.
    pub detail: String,
    /// What its absence costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<&'static str>,
    /// What to do about it, one way or one command per line.
    pub cure: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    Missing,
    /// It cannot be tried without another ability that is missing.
    Untried,
}

/// What was being done when something failed; a launch fails at the same acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// clone3(2) with CLONE_NEWUSER.
    MakeUserNamespace,
    /// Writing uid_map and gid_map.
    MapIds,
    /// Something that needs a capability in the new user namespace.
    UseCapability,
    MountProc,
    /// Everything else.
    Other,
}

/// An ability and how it is proved.
struct Ability {
    name: &'static str,
    required: bool,
    /// It is tried inside a user namespace.
    inside: bool,
    cost: &'static str,
    act: Act,
    prove: fn() -> Result<&'static str, Trouble>,
}

/// An ability that `run` needs, tried in a plain child.
const fn required(
    name: &'static str,
    cost: &'static str,
    prove: fn() -> Result<&'static str, Trouble>,
) -> Ability {
    Ability {
        name,
        required: true,
        inside: false,
        cost,
        act: Act::Other,
        prove,
    }
}

/// Tries every ability. The process must have a single thread.
pub fn probe() -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for ability in all() {
        let namespace = findings.first().is_none_or(|first| first.state == State::Ok);
        let finding = if ability.inside && !namespace {
            ability.untried()
        } else {
            ability.find()
        };
        findings.push(finding);
    }
    findings.extend(limits::findings());
    findings
}

fn all() -> impl Iterator<Item = &'static Ability> {
    namespaces::ALL
        .iter()
        .chain(restrictions::ALL)
        .chain([&listener::SWAP])
}

impl Ability {
    fn find(&self) -> Finding {
        match (self.prove)() {
            Ok(detail) => self.finding(State::Ok, detail.into(), Vec::new()),
            Err(trouble) => {
                let act = trouble.act().unwrap_or(self.act);
                let cause = trouble.errno().map(|errno| diagnose(act, errno as i32));
                let (why, cure) = cause.map(|cause| (cause.why, cause.cure)).unwrap_or_default();
                let why = if why.is_empty() { why } else { format!(": {why}") };
                self.finding(State::Missing, format!("{trouble}{why}"), cure)
            }
        }
    }

    fn untried(&self) -> Finding {
        let detail = format!("needs: {}", namespaces::ALL[0].name);
        self.finding(State::Untried, detail, Vec::new())
    }

    fn finding(&self, state: State, detail: String, cure: Vec<String>) -> Finding {
        Finding {
            ability: self.name,
            state,
            required: self.required,
            detail,
            cost: (state != State::Ok).then_some(self.cost),
            cure,
        }
    }
}

/// The errno in words, with its name as people search for it.
fn told(errno: nix::errno::Errno) -> String {
    format!("{} ({errno:?})", sys::describe(errno as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ability_stands_twice_and_the_first_is_what_others_need() {
        let names: std::collections::BTreeSet<_> = all().map(|ability| ability.name).collect();
        assert_eq!(names.len(), all().count());
        assert_eq!(namespaces::ALL[0].act, Act::MakeUserNamespace);
        assert!(!namespaces::ALL[0].inside);
    }
}
