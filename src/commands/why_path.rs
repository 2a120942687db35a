//! `why PATH`: what a server may do with a file or folder, where in the box, and by which line.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use mcp_sandbox_platform::files::{Act, Exclusion, Pattern, Refusal, Rules, What};
use mcp_sandbox_platform::{Access, Mount, quote};
use serde_json::{Value, json};

use super::why::DENIED;
use super::{out, request};
use crate::cli::Why;
use crate::error::{Error, printable};
use crate::host::Facts;
use crate::policy::{self, mounts, protected};
use crate::runtime;

/// What a policy says about files.
struct Shown {
    mounts: Vec<Mount>,
    exclusions: Vec<Exclusion>,
    protected: Vec<Pattern>,
}

/// One place where the box shows the path.
struct Place<'s> {
    at: PathBuf,
    source: PathBuf,
    mount: &'s Mount,
    /// Why it is not what the mount alone would make of it.
    refusal: Option<(Act, Refusal)>,
}

/// Finds the path, as one of the host or else as one of the box, and judges it.
///
/// # Errors
/// The profile is not valid, or the command cannot be followed.
pub fn run(args: Why) -> Result<ExitCode, Error> {
    let facts = Facts::gather()?;
    let path = normal(&facts.profile.cwd.join(&args.destination));
    let json = args.json;
    let shown = shown(args, &facts)?;
    let places = shown.places(&path);
    match json {
        true => out::print(&format!("{:#}\n", as_json(&path, &places)))?,
        false => out::print(&format!("{}\n", text(&path, &places).join("\n")))?,
    }
    let readable = places.iter().any(|place| !place.is_excluded());
    Ok(if readable {
        ExitCode::SUCCESS
    } else {
        DENIED.into()
    })
}

/// With a command, all that its run would mount; without one, what does not depend on it.
fn shown(args: Why, facts: &Facts) -> Result<Shown, Error> {
    let request = request(args.policy, args.command);
    if !request.command.is_empty() {
        let resolved = policy::resolve(&request, facts)?;
        warn(&resolved.warnings);
        let policy = resolved.policy;
        return Ok(Shown {
            mounts: policy.mounts,
            exclusions: policy.exclusions,
            protected: policy.protected,
        });
    }
    let chosen = policy::open(&request, facts)?;
    let given = mounts::resolve(&chosen.profile, &facts.profile).map_err(Error::profile)?;
    warn(&chosen.warnings);
    warn(&given.warnings);
    Ok(Shown {
        mounts: given.mounts.into_iter().chain(runtime::system().mounts).collect(),
        exclusions: given.exclusions,
        protected: protected::patterns(&chosen.profile.writable_sensitive),
    })
}

fn warn(warnings: &[crate::error::Diagnostic]) {
    warnings.iter().for_each(|one| out::warn(&one.warning()));
}

/// Without `.` and `..`; what is a link is followed later.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

impl Shown {
    fn places(&self, path: &Path) -> Vec<Place<'_>> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut places: Vec<Place> = self
            .mounts
            .iter()
            .filter_map(|mount| self.place(mount.at.join(real.strip_prefix(&mount.source).ok()?)))
            .collect();
        if places.is_empty() {
            places.extend(self.place(path.to_owned()));
        }
        places.sort_by(|one, two| one.at.cmp(&two.at));
        places.dedup_by(|one, two| one.at == two.at);
        places
    }

    /// What the box shows at a path.
    fn place(&self, at: PathBuf) -> Option<Place<'_>> {
        let around = self.mounts.iter().filter(|mount| at.starts_with(&mount.at));
        let mount = around.max_by_key(|mount| mount.at.components().count())?;
        let source: PathBuf = mount
            .source
            .join(at.strip_prefix(&mount.at).ok()?)
            .components()
            .collect();
        let refusal = self.refusal(&source, mount.access);
        let at = at.components().collect();
        Some(Place {
            at,
            source,
            mount,
            refusal,
        })
    }

    fn refusal(&self, source: &Path, access: Access) -> Option<(Act, Refusal)> {
        let rules = Rules::new(&self.exclusions, &self.protected).expect("patterns were read before");
        let what = if source.is_dir() { What::Folder } else { What::File };
        let judge = |act| rules.judge(source, what, act).err().map(|refusal| (act, refusal));
        let change = || (access == Access::Write).then(|| judge(Act::Change)).flatten();
        judge(Act::Read).or_else(change)
    }
}

impl Place<'_> {
    fn is_excluded(&self) -> bool {
        matches!(self.refusal, Some((Act::Read, _)))
    }

    fn word(&self) -> &'static str {
        match (&self.refusal, self.mount.access) {
            (Some((Act::Read, _)), _) => "excluded",
            (Some((Act::Change, _)), _) | (None, Access::Read) => "readable",
            (None, Access::Write) => "writable",
        }
    }

    fn lines(&self) -> Vec<String> {
        let from = match self.at == self.source {
            true => String::new(),
            false => format!(", which is {} here", quote(&self.source)),
        };
        let mut lines = vec![format!("{}: {}{from}", self.word(), printable(&self.at))];
        let access = match self.mount.access {
            Access::Read => "read",
            Access::Write => "write",
        };
        lines.push(format!("  {access} by {}", printable(&self.mount.reason)));
        if let Some((act, Refusal { pattern, .. })) = &self.refusal {
            let text = quote(&pattern.text);
            let reason = &pattern.reason;
            lines.push(match act {
                Act::Read => format!("  but {text} in exclude ({reason})"),
                Act::Change => format!("  but not to be changed: {text}, {reason}"),
            });
            if *act == Act::Change {
                lines.push(format!(
                    "  hint: name {text} in writable_sensitive of [filesystem]"
                ));
            }
        }
        lines
    }
}

fn text(path: &Path, places: &[Place]) -> Vec<String> {
    match places {
        [] => vec![
            format!("not mounted: {}", printable(path)),
            "  no mount shows it; the box has a home and a /tmp of its own".into(),
            format!(
                "  hint: add --read {} or --write, or a line to mounts",
                printable(path)
            ),
        ],
        places => places.iter().flat_map(Place::lines).collect(),
    }
}

fn as_json(path: &Path, places: &[Place]) -> Value {
    let place = |place: &Place| {
        let pattern = place.refusal.as_ref().map(|(_, refusal)| &refusal.pattern);
        json!({
            "at": printable(&place.at),
            "source": printable(&place.source),
            "answer": place.word(),
            "mount": place.mount.reason,
            "pattern": pattern.map(|pattern| json!({"text": pattern.text, "reason": pattern.reason})),
        })
    };
    json!({
        "version": 1,
        "path": printable(path),
        "mounted": !places.is_empty(),
        "places": places.iter().map(place).collect::<Vec<_>>(),
    })
}
