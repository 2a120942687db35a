//! What a server may not do with a file although a mount shows it: exclusions, and files that other programs trust.
//!
//! Pure: paths are those of the host, and whoever asks has the object already that the path was read from. A pattern
//! says what happens at a name; [`Rules`] adds what must not happen to the folders above it, since moving a folder would
//! move what is in it to where no pattern matches, or to where one does.

mod denial;
mod names;
mod pattern;

use std::path::{Path, PathBuf};

pub use denial::FileDenial;
pub use names::spelled_otherwise;
pub use pattern::Pattern;

use pattern::Matcher;

/// The patterns of one mount's `exclude`, for a folder of the host by whatever name the box shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// The mount's source: absolute, free of symbolic links.
    pub base: PathBuf,
    pub patterns: Vec<Pattern>,
}

/// What a server wants to do with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Read or execute what is there, or list it.
    Read,
    /// Change what is there, remove it, give it another name, or make it.
    Change,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    pub pattern: Pattern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pattern of `exclude`.
    Excluded,
    /// A built-in pattern.
    Protected,
}

/// What is at a path, or is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Folder,
    Link,
    /// A file, or anything else.
    File,
}

/// All rules of one run, compiled.
#[derive(Debug, Clone)]
pub struct Rules {
    excluded: Vec<(PathBuf, Set)>,
    protected: Set,
}

/// Patterns, and the folders on the way to their matches.
#[derive(Debug, Clone)]
struct Set {
    itself: Matcher,
    way: Matcher,
    /// The part of the way that is spelled out. What is there is a folder or nothing: a file or link in its place, such
    /// as a `.git` that points elsewhere, would have other programs trust what no pattern covers.
    spelled: Matcher,
}

impl Set {
    fn new(patterns: &[Pattern]) -> Result<Self, String> {
        Ok(Set {
            itself: Matcher::new(patterns)?,
            way: Matcher::of_ways(patterns, |_| true)?,
            spelled: Matcher::of_ways(patterns, |way| {
                let last = way.rsplit('/').next().unwrap_or(way);
                !last.contains(['*', '?', '[', '\\'])
            })?,
        })
    }

    /// What stands against making, removing or renaming this very entry.
    fn refuses_entry(&self, path: &Path, what: What) -> Option<Pattern> {
        if what == What::Folder {
            return self.itself.matched(path, true);
        }
        // A link leads other programs to a folder just as well, and nothing but a folder should have a folder's name.
        let matched = self.itself.matched(path, false);
        let as_folder = || self.itself.matched(path, true);
        matched.or_else(as_folder).or_else(|| match what {
            What::Link => self.way.leading(path),
            _ => self.spelled.leading(path),
        })
    }

    /// What stands against a folder that comes or goes with all that is in it.
    fn refuses_move(&self, path: &Path) -> Option<Pattern> {
        let matched = self.itself.matched(path, true);
        matched.or_else(|| self.way.leading(path))
    }
}

impl Rules {
    /// # Errors
    /// A pattern that is none; [`Pattern::parse`] would have said so.
    pub fn new(exclusions: &[Exclusion], protected: &[Pattern]) -> Result<Self, String> {
        let excluded = exclusions
            .iter()
            .map(|one| Ok((one.base.clone(), Set::new(&one.patterns)?)));
        Ok(Rules {
            excluded: excluded.collect::<Result<_, String>>()?,
            protected: Set::new(protected)?,
        })
    }

    /// Whether something can be done with what is at the host's path.
    pub fn judge(&self, path: &Path, what: What, act: Act) -> Result<(), Refusal> {
        let folder = what == What::Folder;
        self.each(path, act, |set, path| match act {
            Act::Read => set.itself.matched(path, folder),
            Act::Change => set.refuses_entry(path, what),
        })
    }

    /// Whether no rule about reading says anything about this very path, be it for or against. What rules say about the
    /// folders around it is another question.
    pub fn silent(&self, path: &Path, folder: bool) -> bool {
        let each = self.excluded.iter();
        let mut inner = each.filter_map(|(base, set)| Some((path.strip_prefix(base).ok()?, set)));
        inner.all(|(inner, set)| inner.as_os_str().is_empty() || set.itself.silent(inner, folder))
    }

    /// The same of a folder and all around it.
    pub fn silent_around(&self, folder: &Path) -> bool {
        folder.ancestors().all(|folder| self.silent(folder, true))
    }

    /// Whether a folder, with all that is in it, can go from one path to another. Neither may be on the way to what a
    /// pattern matches, and what re-includes the folder at one must do so at the other.
    pub fn judge_move(&self, from: &Path, to: &Path) -> Result<(), Refusal> {
        self.each(from, Act::Change, Set::refuses_move)?;
        self.each(to, Act::Change, Set::refuses_move)?;
        for (base, kind, set) in self.sets() {
            let inside = |path: &Path| path.strip_prefix(base).map(Path::to_owned).ok();
            let reincluded = |path: &Path| {
                let inner = inside(path)?;
                set.itself.reincluded(&inner, true).map(str::to_owned)
            };
            let (one, two) = (reincluded(from), reincluded(to));
            if one != two {
                let text = one.or(two).unwrap_or_default();
                let reason = "a folder cannot move to or from where it is re-included".to_owned();
                let pattern = Pattern { text, reason };
                return Err(Refusal { kind, pattern });
            }
        }
        Ok(())
    }

    fn sets(&self) -> impl Iterator<Item = (&Path, Kind, &Set)> {
        let excluded = self.excluded.iter();
        let excluded = excluded.map(|(base, set)| (base.as_path(), Kind::Excluded, set));
        excluded.chain([(Path::new("/"), Kind::Protected, &self.protected)])
    }

    /// The folders that exclusions are about.
    pub fn bases(&self) -> impl Iterator<Item = &Path> {
        self.excluded.iter().map(|(base, _)| base.as_path())
    }

    fn each(
        &self,
        path: &Path,
        act: Act,
        refuses: impl Fn(&Set, &Path) -> Option<Pattern>,
    ) -> Result<(), Refusal> {
        for (base, kind, set) in self.sets() {
            let inner = path.strip_prefix(base).ok();
            let inner = inner.filter(|inner| !inner.as_os_str().is_empty());
            let bites = kind == Kind::Excluded || act == Act::Change;
            if let Some(pattern) = inner.filter(|_| bites).and_then(|inner| refuses(set, inner)) {
                return Err(Refusal { kind, pattern });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
