//! The places of the box, and at which of them the broker opens and changes files in place of the kernel.
//!
//! Landlock gives rights to a folder and all below it and takes none away further down. So where the broker must be
//! asked, the rights are left out: of the mount with the rules, and of every place around it. What the filter does not
//! hand to the broker, whatever it is, then ends at Landlock; and what the broker leaves to the kernel may be raced as one
//! likes, since the kernel does nothing there that the broker would have to judge.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::files::{Exclusion, Pattern};
use crate::{Access, HomeKind, Policy};

/// Who decides about files in this run, where it is not the kernel alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub exclusions: Vec<Exclusion>,
    pub protected: Vec<Pattern>,
    /// Every place of the box that has a Landlock rule; inner ones before those around them.
    pub places: Vec<Place>,
}

/// A mount or a folder of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub at: PathBuf,
    /// What it shows of the host; nothing for memory.
    pub source: Option<PathBuf>,
    pub brokered: Brokered,
}

/// What is not the kernel's to decide at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Brokered {
    /// Opening for reading, and execution: the kernel executes nothing there.
    pub reads: bool,
    /// Opening for writing, and every change of names.
    pub writes: bool,
}

impl Place {
    /// What follows the place in a path, which lies here if something or nothing does; a slash may stand before it.
    fn rest<'a>(&self, path: &'a Path) -> Option<&'a [u8]> {
        let at = self.at.as_os_str().as_bytes();
        let rest = path.as_os_str().as_bytes().strip_prefix(at)?;
        (rest.is_empty() || rest[0] == b'/' || at == b"/").then_some(rest)
    }

    fn holds(&self, path: &Path) -> bool {
        self.rest(path).is_some()
    }

    /// What a path of the box that lies here is on the host; nothing for memory. Both are spelled with one slash between
    /// names, as the kernel does.
    pub fn host_path(&self, path: &Path) -> Option<PathBuf> {
        let rest = self.rest(path)?;
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let source = self.source.as_ref()?.as_os_str();
        let mut host = OsString::with_capacity(source.len() + 1 + rest.len());
        host.push(source);
        if !rest.is_empty() && source != "/" {
            host.push("/");
        }
        host.push(OsStr::from_bytes(rest));
        Some(host.into())
    }
}

impl Brokered {
    pub fn or(self, other: Self) -> Self {
        Brokered {
            reads: self.reads || other.reads,
            writes: self.writes || other.writes,
        }
    }

    pub fn any(self) -> bool {
        self.reads || self.writes
    }
}

impl Files {
    /// The rules of a policy; nothing where it has none that could bite.
    pub fn of(policy: &Policy, fixed: impl Iterator<Item = PathBuf>) -> Option<Self> {
        let needs: Vec<(&Path, Brokered)> = policy
            .mounts
            .iter()
            .map(|mount| (mount.at.as_path(), needs(policy, &mount.source, mount.access)))
            .filter(|(_, brokered)| brokered.any())
            .collect();
        if needs.is_empty() {
            return None;
        }
        let home = match &policy.home.kind {
            HomeKind::Persistent(source) => Some(source.clone()),
            HomeKind::Ephemeral(_) => None,
        };
        let mounts = policy
            .mounts
            .iter()
            .map(|mount| (mount.at.clone(), Some(mount.source.clone())));
        let all = fixed.map(|at| (at, None)).chain([(policy.home.at.clone(), home)]);
        let places = all.chain(mounts).map(|(at, source)| {
            let below = needs.iter().filter(|(inner, _)| inner.starts_with(&at));
            let brokered = below.fold(Brokered::default(), |sum, (_, one)| sum.or(*one));
            Place { at, source, brokered }
        });
        let mut places: Vec<Place> = places.collect();
        // The last of equals counts: a mount at the home's place covers it.
        places.reverse();
        places.sort_by_key(|place| Reverse(place.at.components().count()));
        Some(Files {
            places,
            exclusions: policy.exclusions.clone(),
            protected: policy.protected.clone(),
        })
    }

    /// The place that a path of the box lies in, as the kernel spells it: with one slash between names.
    pub fn place_of(&self, path: &Path) -> Option<&Place> {
        self.places.iter().find(|place| place.holds(path))
    }

    /// What is brokered anywhere.
    pub fn brokered(&self) -> Brokered {
        let each = self.places.iter().map(|place| place.brokered);
        each.fold(Brokered::default(), Brokered::or)
    }

    /// What is brokered at exactly this place.
    pub fn brokered_at(&self, at: &Path) -> Brokered {
        let each = self.places.iter().filter(|place| place.at == at);
        each.fold(Brokered::default(), |sum, place| sum.or(place.brokered))
    }
}

/// What the rules ask for at a mount.
fn needs(policy: &Policy, source: &Path, access: Access) -> Brokered {
    let excluding = policy
        .exclusions
        .iter()
        .any(|one| source.starts_with(&one.base) || one.base.starts_with(source));
    let writable = access == Access::Write;
    Brokered {
        reads: excluding,
        writes: writable && (excluding || !policy.protected.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(at: &str, reads: bool) -> Place {
        Place {
            at: at.into(),
            source: None,
            brokered: Brokered { reads, writes: false },
        }
    }

    #[test]
    fn the_innermost_place_counts() {
        let files = Files {
            exclusions: Vec::new(),
            protected: Vec::new(),
            places: vec![place("/a/b", false), place("/a", true), place("/", false)],
        };
        let reads = |path: &str| files.place_of(Path::new(path)).unwrap().brokered.reads;
        assert!(reads("/a") && reads("/a/x") && reads("/a/bb"));
        assert!(!reads("/a/b/x") && !reads("/ab") && !reads("/"));
    }

    #[test]
    fn a_path_of_the_box_has_its_path_on_the_host() {
        let of = |at: &str, source: &str, path: &str| {
            let place = Place {
                source: Some(source.into()),
                ..place(at, true)
            };
            place.host_path(Path::new(path))
        };
        for (at, source, path, host) in [
            ("/a", "/x/y", "/a", Some("/x/y")),
            ("/a", "/x/y", "/a/b/c", Some("/x/y/b/c")),
            ("/a", "/", "/a/b", Some("/b")),
            ("/a", "/", "/a", Some("/")),
            ("/", "/x", "/a", Some("/x/a")),
            ("/", "/x", "/", Some("/x")),
            ("/a", "/x", "/ab", None),
            ("/a", "/x", "/b/a", None),
        ] {
            assert_eq!(
                of(at, source, path).as_deref(),
                host.map(Path::new),
                "{at} {source} {path}"
            );
        }
        assert_eq!(place("/a", true).host_path(Path::new("/a/b")), None);
    }
}
