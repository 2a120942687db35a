//! What the box will show of the host's disk: collected while a command is followed, then made minimal.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::{Access, Link, Mount};

use super::image::normal;
use super::system;

/// How many links one path may pass through, as the kernel has it.
const MAX_LINKS: usize = 40;

/// Mounts and links collected so far.
#[derive(Debug, Default)]
pub struct View {
    mounts: Vec<Mount>,
    links: Vec<Link>,
}

impl View {
    /// Shows `source`, which is free of links, at its own place.
    pub fn mount(&mut self, source: &Path, reason: &str) {
        self.mount_at(source, source, reason);
    }

    /// Whether the box has something at this path.
    pub fn shows(&self, path: &Path) -> bool {
        system::holds(path) || self.over(path).is_some() || self.links.iter().any(|link| link.at == path)
    }

    /// Makes `path`, links on the way included, lead in the box to what it leads to on the host,
    /// provided that its end is shown already.
    pub fn expose(&mut self, path: &Path) {
        let mut next = normal(path);
        for _ in 0..MAX_LINKS {
            // The box has its own, where `/proc/self/root` leads to the box.
            if ["/proc", "/dev", "/sys"].iter().any(|own| next.starts_with(own)) {
                return;
            }
            if !self.shows(&next) {
                self.add_alias(&next);
            }
            match first_link(&next, |prefix| self.shows(prefix)) {
                Some(target) => next = target,
                None => return,
            }
        }
    }

    /// A link as the host has it, unless a mount shows it.
    pub fn link(&mut self, at: &Path, target: &Path) {
        if !self.shows(at) {
            self.links.push(Link {
                at: at.to_owned(),
                target: target.to_owned(),
            });
        }
    }

    /// The collected mounts and links, ordered, with nothing said twice.
    pub fn finish(mut self) -> (Vec<Mount>, Vec<Link>) {
        self.mounts.sort_by(|a, b| a.at.cmp(&b.at));
        let mut kept: Vec<Mount> = Vec::new();
        for mount in self.mounts {
            if !kept.iter().any(|outer| outer.shows(&mount)) {
                kept.push(mount);
            }
        }
        self.links
            .retain(|link| !kept.iter().any(|mount| link.at.starts_with(&mount.at)));
        self.links.sort_by(|a, b| a.at.cmp(&b.at));
        self.links.dedup();
        (kept, self.links)
    }

    fn mount_at(&mut self, source: &Path, at: &Path, reason: &str) {
        if system::holds(at) {
            return;
        }
        self.mounts.push(Mount {
            source: source.to_owned(),
            at: at.to_owned(),
            access: Access::Read,
            create: false,
            reason: format!("runtime: {reason}"),
        });
    }

    /// The outermost part of `path` that leads into something shown gets a mount (a directory) or a link (a file).
    fn add_alias(&mut self, path: &Path) {
        let mut outer: Vec<&Path> = path.ancestors().collect();
        outer.reverse();
        for part in outer {
            let Ok(real) = fs::canonicalize(part) else { return };
            if !self.shows(&real) {
                continue;
            }
            match real.is_dir() {
                true => self.mount_at(&real, part, "another name of the same directory"),
                false => self.link(part, &real),
            }
            return;
        }
    }

    fn over(&self, path: &Path) -> Option<&Mount> {
        self.mounts.iter().find(|mount| path.starts_with(&mount.at))
    }
}

/// Where the first symbolic link among the shown parts of `path` leads, the rest of the path appended.
fn first_link(path: &Path, shown: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut parts: Vec<&Path> = path.ancestors().collect();
    parts.reverse();
    for part in parts {
        if !shown(part) {
            continue;
        }
        if let Ok(target) = fs::read_link(part) {
            let rest = path.strip_prefix(part).ok()?;
            let target = part.parent()?.join(target);
            return Some(normal(&match rest.as_os_str().is_empty() {
                true => target,
                false => target.join(rest),
            }));
        }
    }
    None
}
