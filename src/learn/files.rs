//! Files: what the server used of what it was shown, and what it asked for and did not get.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::observed::{Seen, Use};
use mcp_sandbox_platform::{Access, Mount};

use super::Run;
use super::collapse::Want;
use crate::profile::CEILING;
use crate::runtime::SYSTEM_REASON;

/// What the paths that were seen come down to.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Paths of the host that lie in no mount of the runtime.
    pub wants: Vec<Want>,
    /// Mounts of the ceiling that are shown elsewhere, or not as a whole, and so are kept as they are: by their index in
    /// `asked`.
    pub kept: Vec<(usize, Want)>,
    /// Paths of the host that an exclusion refused.
    pub excluded: Vec<PathBuf>,
    /// Paths of the host that were only looked for.
    pub looked: Vec<PathBuf>,
    /// What was changed in the private home.
    pub home: Vec<PathBuf>,
    /// Folders that Python code was read from, in the box: Python lists them to find modules, and needs no more of them than
    /// what it reads.
    modules: BTreeSet<PathBuf>,
    /// Code that the server read and did not change, and its script in any case: paths of the host.
    pub own_code: BTreeSet<PathBuf>,
    /// Files with code, as the box and as the host name them.
    pub code: Vec<(PathBuf, PathBuf)>,
}

/// Changes that only save time and that programs do without.
const CACHES: [&str; 3] = ["__pycache__", ".cache", "node-compile-cache"];

/// Where nothing of the host can be mounted.
const OF_THE_BOX: [&str; 4] = ["/proc", "/dev", "/sys", "/etc"];

/// Sorts everything that was seen.
pub fn sort(run: &Run<'_>) -> Sorted {
    let mut sorted = Sorted {
        modules: modules(run.seen),
        ..Sorted::default()
    };
    for (path, used) in &run.seen.paths {
        sorted.add(run, path, *used);
    }
    sorted
}

impl Sorted {
    fn add(&mut self, run: &Run<'_>, path: &Path, used: Use) {
        let policy = &run.ceiling.policy;
        if is_cache(path) && !used.there {
            return;
        }
        match innermost(&policy.mounts, path) {
            Some((mount, host)) => self.shown(run, mount, (path, host), used),
            None if path.starts_with(&policy.home.at) => self.at_home(run, path, used),
            None => self.not_shown(path, path, run, used),
        }
    }

    /// A path that the box has from the host.
    fn shown(&mut self, run: &Run<'_>, mount: &Mount, (path, host): (&Path, PathBuf), used: Use) {
        let of_runtime = in_base(run, path, &host);
        let listed = used.listed && !self.modules.contains(path);
        let reads = used.there && (used.read || listed || used.executed);
        if reads && !used.listed && run.excludes(&host) {
            self.excluded.push(host);
            return;
        }
        if reads && used.read && !mount.reason.starts_with(SYSTEM_REASON) {
            self.code.push((path.to_owned(), host.clone()));
            if is_code(path) && (!used.changed || is_script(run, &host)) {
                self.own_code.insert(host.clone());
            }
        }
        let asked = run.ceiling.asked.iter().position(|asked| asked == mount);
        let refused = mount.access == Access::Read;
        let mut wants = Vec::new();
        if reads && !of_runtime {
            wants.push(Want {
                path: host.clone(),
                write: false,
                folder: listed,
                refused: false,
            });
        }
        if changes(used) && !is_cache(path) && !is_installed(mount, path) {
            wants.push(change(&host, used, refused));
        }
        for want in wants {
            match asked.filter(|index| is_kept(run, *index)) {
                Some(index) => self.kept.push((index, want)),
                None => self.wants.push(want),
            }
        }
    }

    /// A path of the private home. What the user's own home has there is another thing.
    fn at_home(&mut self, run: &Run<'_>, path: &Path, used: Use) {
        if changes(used) {
            if !is_cache(path) {
                self.home.push(path.to_owned());
            }
            return;
        }
        if let Ok(rest) = path.strip_prefix(&run.ceiling.policy.home.at) {
            self.not_shown(path, &run.host.home.join(rest), run, used);
        }
    }

    /// A path that the box does not have: the server was refused it if the host does.
    fn not_shown(&mut self, path: &Path, host: &Path, run: &Run<'_>, used: Use) {
        let exists = || fs::symlink_metadata(host);
        let unreachable = OF_THE_BOX.iter().any(|own| host.starts_with(own));
        let private = path.starts_with("/tmp") && changes(used);
        let Some(found) = (!used.there && !unreachable && !private)
            .then(exists)
            .and_then(Result::ok)
        else {
            return;
        };
        let named = run.ceiling.hidden.iter().any(|argument| argument == host);
        if changes(used) {
            self.wants.push(change(host, used, true));
        } else if used.read || used.listed || used.executed || named {
            self.wants.push(Want {
                path: host.to_owned(),
                write: false,
                folder: found.is_dir(),
                refused: true,
            });
        } else {
            self.looked.push(host.to_owned());
        }
    }
}

/// What an interpreter executes.
fn is_code(path: &Path) -> bool {
    let extensions = ["js", "mjs", "cjs", "ts", "mts", "cts", "json", "py", "sh"];
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| extensions.contains(&extension))
}

/// A file that the command names.
fn is_script(run: &Run<'_>, host: &Path) -> bool {
    run.command.iter().any(|word| run.host.cwd.join(word) == host)
}

fn modules(seen: &Seen) -> BTreeSet<PathBuf> {
    let read = seen.paths.iter().filter(|(_, used)| used.read && used.there);
    let folder = |path: &Path| {
        let folder = path.parent()?;
        match path.extension()?.to_str()? {
            "py" => Some(folder.to_owned()),
            "pyc" => folder.parent().map(Path::to_owned),
            _ => None,
        }
    };
    read.filter_map(|(path, _)| folder(path)).collect()
}

fn changes(used: Use) -> bool {
    used.changed || used.made_folder && !used.there
}

/// What is made or replaced needs the folder around it; a folder that is made is made before the server starts.
fn change(host: &Path, used: Use, refused: bool) -> Want {
    let made = used.made_folder && !used.changed;
    let path = match host.parent() {
        Some(folder) if !made => folder,
        _ => host,
    };
    Want {
        path: path.to_owned(),
        write: true,
        folder: true,
        refused,
    }
}

/// The mount that shows a path of the box, and what the path is on the host.
pub fn innermost<'m>(mounts: &'m [Mount], path: &Path) -> Option<(&'m Mount, PathBuf)> {
    let showing = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    let mount = showing.max_by_key(|mount| mount.at.components().count())?;
    let rest = path.strip_prefix(&mount.at).ok()?;
    let host = match rest.as_os_str().is_empty() {
        true => mount.source.clone(),
        false => mount.source.join(rest),
    };
    Some((mount, host))
}

/// Whether the box shows the same there without any profile.
fn in_base(run: &Run<'_>, path: &Path, host: &Path) -> bool {
    innermost(&run.base.policy.mounts, path).is_some_and(|(_, shown)| shown == host)
}

/// A mount at another place, and one with exclusions, mean what they say only as a whole.
fn is_kept(run: &Run<'_>, index: usize) -> bool {
    let mount = &run.ceiling.asked[index];
    let excluding = |base: &Path| base.starts_with(&mount.source) || mount.source.starts_with(base);
    let exclusions = &run.ceiling.policy.exclusions;
    let own = mount.reason == CEILING;
    !own && (mount.at != mount.source || exclusions.iter().any(|one| excluding(&one.base)))
}

fn is_cache(path: &Path) -> bool {
    path.components()
        .any(|part| CACHES.iter().any(|name| part.as_os_str() == *name))
}

/// What the system or a package manager has installed is not the server's to change.
fn is_installed(mount: &Mount, path: &Path) -> bool {
    let folders = ["node_modules", "site-packages", "dist-packages"];
    mount.reason.starts_with(SYSTEM_REASON)
        || path
            .components()
            .any(|part| folders.iter().any(|name| part.as_os_str() == *name))
}

/// Programs that were started beside the server's own, the most often first.
pub fn children(seen: &Seen, program: &Path) -> Vec<(PathBuf, u64)> {
    let own = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let mut programs: Vec<(PathBuf, u64)> = seen
        .programs
        .iter()
        .map(|(path, count)| {
            let first = u64::from(*path == own || path == program);
            (path.clone(), count - first)
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    programs.sort_by(|(one, often), (two, seldom)| seldom.cmp(often).then(one.cmp(two)));
    programs
}
