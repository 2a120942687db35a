//! What the answers mean: stopped or not, by which layer, and whether the demo as a whole holds.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::attempt::{Answer, Attempt, Control, Obstacle, Surface};

/// One attempt, tried twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub attempt: &'static str,
    pub title: &'static str,
    /// What it came to without a box.
    pub bare: Outcome,
    /// What it came to in the box.
    pub boxed: Outcome,
    /// What stopped it in the box.
    pub layer: Option<Layer>,
    /// Without a box it should have succeeded on every host and did not: the row proves nothing.
    pub unproven: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Succeeded(String),
    Stopped(String),
    /// The host has nothing to try it on.
    Missing(String),
}

/// What can stand in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    MountNamespace,
    PidNamespace,
    NetworkNamespace,
    Landlock,
    Seccomp,
    Capabilities,
    NotDumpable,
    Environment,
    Descriptors,
    Session,
    /// The same answer as without a box.
    Host,
    /// Stopped, but the answers do not tell by what.
    Unknown,
}

impl Layer {
    pub fn name(self) -> &'static str {
        match self {
            Layer::MountNamespace => "mount namespace",
            Layer::PidNamespace => "PID namespace",
            Layer::NetworkNamespace => "network namespace",
            Layer::Landlock => "Landlock",
            Layer::Seccomp => "seccomp",
            Layer::Capabilities => "capabilities",
            Layer::NotDumpable => "init not dumpable",
            Layer::Environment => "environment",
            Layer::Descriptors => "descriptors",
            Layer::Session => "session",
            Layer::Host => "the host itself",
            Layer::Unknown => "not told apart",
        }
    }
}

impl Verdict {
    /// `bare` and `boxed` are what the server says and, where it was looked for, whether it was seen outside.
    pub fn new(attempt: &'static Attempt, bare: &Told, boxed: &Told) -> Self {
        let outcomes = (bare.outcome(), boxed.outcome());
        let stopped = !matches!(outcomes.1, Outcome::Succeeded(_));
        Verdict {
            attempt: attempt.name,
            title: attempt.title,
            layer: stopped.then(|| layer(attempt.surface, &bare.answer, &boxed.answer)),
            unproven: attempt.control == Control::Always && !matches!(outcomes.0, Outcome::Succeeded(_)),
            bare: outcomes.0,
            boxed: outcomes.1,
        }
    }

    /// Whether the box did what it is for.
    pub fn stopped(&self) -> bool {
        !matches!(self.boxed, Outcome::Succeeded(_))
    }
}

/// What the server says, and what the client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub answer: Answer,
    pub seen: Option<bool>,
}

impl Told {
    /// What was seen outside counts more than what is said inside.
    fn outcome(&self) -> Outcome {
        match (&self.answer.result, self.seen) {
            (Ok(evidence), None | Some(true)) => Outcome::Succeeded(evidence.clone()),
            (Ok(_), Some(false)) => Outcome::Stopped("only inside".into()),
            (Err(_), Some(true)) => Outcome::Succeeded("seen from outside".into()),
            (Err(Obstacle::Errno(errno)), _) => Outcome::Stopped(errno_name(*errno)),
            (Err(Obstacle::Nothing(why)), _) => Outcome::Stopped(why.clone()),
            (Err(Obstacle::Missing(why)), _) => Outcome::Missing(why.clone()),
        }
    }
}

/// The layer that gave the answer, as far as the answers tell.
fn layer(surface: Surface, bare: &Answer, boxed: &Answer) -> Layer {
    // Nonsense that the kernel used to recognise and now answers like the real call never got to the kernel.
    let filtered = boxed.nonsense != bare.nonsense
        && matches!(&boxed.result, Err(Obstacle::Errno(errno)) if Some(*errno) == boxed.nonsense);
    if filtered {
        return Layer::Seccomp;
    }
    let errno = match &boxed.result {
        Err(Obstacle::Errno(errno)) => Some(Errno::from_raw(*errno)),
        _ => None,
    };
    let meaning = errno.map_or_else(|| without_error(surface), |errno| meaning(surface, errno));
    match meaning {
        Layer::Landlock | Layer::Capabilities | Layer::Unknown if bare.result == boxed.result => Layer::Host,
        layer => layer,
    }
}

/// There was something, but not what was looked for.
fn without_error(surface: Surface) -> Layer {
    match surface {
        Surface::Path => Layer::MountNamespace,
        Surface::Process => Layer::PidNamespace,
        Surface::Internet | Surface::AbstractSocket => Layer::NetworkNamespace,
        Surface::Environment => Layer::Environment,
        Surface::Descriptor => Layer::Descriptors,
        Surface::Terminal => Layer::Session,
        Surface::Kernel => Layer::Unknown,
    }
}

/// What an error of the kernel means where the filter let the call through.
fn meaning(surface: Surface, errno: Errno) -> Layer {
    use Errno::{
        EACCES, EBADF, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOENT, ENOTDIR, ENXIO, EPERM, EROFS, ESRCH,
    };
    match (surface, errno) {
        (Surface::Path, ENOENT | ENOTDIR | EROFS) => Layer::MountNamespace,
        (Surface::Path, EACCES) => Layer::Landlock,
        (Surface::Process, ENOENT | ESRCH) => Layer::PidNamespace,
        // The only process of its user that is there and refuses is init (ptrace(2), access mode checking).
        (Surface::Process, EACCES | EPERM) => Layer::NotDumpable,
        (Surface::Internet, EACCES) => Layer::Landlock,
        (Surface::Internet, ECONNREFUSED | ENETUNREACH | EHOSTUNREACH) => Layer::NetworkNamespace,
        // Abstract names belong to the network namespace; a scope of Landlock answers EPERM.
        (Surface::AbstractSocket, ECONNREFUSED) => Layer::NetworkNamespace,
        (Surface::AbstractSocket, EPERM) => Layer::Landlock,
        (Surface::Kernel, EPERM) => Layer::Capabilities,
        (Surface::Descriptor, EBADF) => Layer::Descriptors,
        (Surface::Terminal, ENXIO) => Layer::Session,
        _ => Layer::Unknown,
    }
}

/// The name of an errno, such as `ENOENT`.
pub fn errno_name(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => format!("error {errno}"),
        known => format!("{known:?}"),
    }
}

/// The demo as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub attempts: usize,
    pub stopped: usize,
    /// How many of them succeed without the box.
    pub succeed_bare: usize,
    /// Every attempt was stopped, and every control proved what it must.
    pub holds: bool,
}

pub fn summary(verdicts: &[Verdict]) -> Summary {
    let count = |test: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| test(verdict)).count();
    let stopped = count(Verdict::stopped);
    Summary {
        attempts: verdicts.len(),
        stopped,
        succeed_bare: count(|verdict| matches!(verdict.bare, Outcome::Succeeded(_))),
        holds: !verdicts.is_empty() && stopped == verdicts.len() && count(|verdict| verdict.unproven) == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::attempt;
    use super::*;

    fn told(result: Result<&str, Obstacle>, seen: Option<bool>, nonsense: Option<i32>) -> Told {
        Told {
            answer: Answer {
                result: result.map(str::to_owned),
                nonsense,
            },
            seen,
        }
    }

    fn done() -> Told {
        told(Ok("done"), None, None)
    }

    fn errno(errno: Errno) -> Told {
        told(Err(Obstacle::Errno(errno as i32)), None, None)
    }

    fn named(name: &str) -> &'static Attempt {
        attempt::all().find(|attempt| attempt.name == name).unwrap()
    }

    #[test]
    fn one_attempt_that_succeeds_in_the_box_fails_the_demo() {
        let all = |boxed: &dyn Fn(&str) -> Told| {
            let verdicts: Vec<_> = attempt::all()
                .map(|attempt| Verdict::new(attempt, &done(), &boxed(attempt.name)))
                .collect();
            summary(&verdicts)
        };
        assert!(all(&|_| errno(Errno::ENOENT)).holds);
        for name in attempt::all().map(|attempt| attempt.name) {
            let summary = all(&|tried| {
                if tried == name {
                    done()
                } else {
                    errno(Errno::ENOENT)
                }
            });
            assert!(!summary.holds, "{name}");
            assert_eq!(summary.stopped, summary.attempts - 1);
        }
    }

    #[test]
    fn what_is_seen_outside_counts_more_than_what_is_said_inside() {
        let attempt = named("signal");
        let refused = Err(Obstacle::Errno(Errno::EPERM as i32));
        let lie = Verdict::new(attempt, &done(), &told(refused, Some(true), None));
        assert!(!lie.stopped());
        let illusion = Verdict::new(attempt, &done(), &told(Ok("done"), Some(false), None));
        assert!(illusion.stopped());
    }

    #[test]
    fn a_control_that_fails_proves_nothing_unless_the_host_decides() {
        let refused = errno(Errno::EACCES);
        let must = Verdict::new(named("read_ssh_key"), &refused, &refused);
        assert!(must.unproven && !summary(&[must]).holds);
        let may = Verdict::new(named("read_shadow"), &refused, &refused);
        assert!(!may.unproven && summary(&[may]).holds);
    }

    #[test]
    fn nothing_tried_is_nothing_shown() {
        assert!(!summary(&[]).holds);
    }

    #[test]
    fn a_filter_is_known_by_its_answer_to_nonsense() {
        let refused = |nonsense: Errno| {
            let errno = Err(Obstacle::Errno(Errno::EPERM as i32));
            told(errno, None, Some(nonsense as i32))
        };
        let layer = |bare: &Told, boxed: &Told| Verdict::new(named("mount"), bare, boxed).layer;
        let bare = told(Ok("mounted"), None, Some(Errno::EFAULT as i32));
        assert_eq!(layer(&bare, &refused(Errno::EPERM)), Some(Layer::Seccomp));
        assert_eq!(layer(&bare, &refused(Errno::EFAULT)), Some(Layer::Capabilities));
        assert_eq!(
            layer(&refused(Errno::EFAULT), &refused(Errno::EFAULT)),
            Some(Layer::Host)
        );
    }

    #[test]
    fn layers_by_what_the_kernel_says() {
        let layer = |name: &str, answer: Errno| Verdict::new(named(name), &done(), &errno(answer)).layer;
        assert_eq!(layer("read_ssh_key", Errno::ENOENT), Some(Layer::MountNamespace));
        assert_eq!(layer("read_ssh_key", Errno::EACCES), Some(Layer::Landlock));
        assert_eq!(layer("signal", Errno::ESRCH), Some(Layer::PidNamespace));
        assert_eq!(
            layer("connect_loopback", Errno::ECONNREFUSED),
            Some(Layer::NetworkNamespace)
        );
        assert_eq!(layer("connect_abstract", Errno::EPERM), Some(Layer::Landlock));
        assert_eq!(layer("read_descriptor", Errno::EBADF), Some(Layer::Descriptors));
        assert_eq!(layer("type_into_terminal", Errno::ENXIO), Some(Layer::Session));
        assert_eq!(layer("read_ssh_key", Errno::EIO), Some(Layer::Unknown));
    }
}
