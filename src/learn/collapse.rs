//! Many uses of files to few mounts: the file itself where there are few, the folder around them where there are many.
//!
//! Pure but for `may_be_whole`, which says which folders may be given as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// One path of the host that the server used, or wanted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    pub path: PathBuf,
    /// Else reading is enough.
    pub write: bool,
    /// It is a folder that is needed with what is in it.
    pub folder: bool,
    /// The ceiling refused it.
    pub refused: bool,
}

/// A path to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub path: PathBuf,
    pub write: bool,
    /// What it stands for, in order; the path itself where it is one file.
    pub of: Vec<Want>,
}

/// More lines than this nobody reads: folders are then given as a whole sooner.
const MOST_LINES: usize = 12;

/// From how many used parts on a folder is given as a whole, the first that leaves few enough lines.
const MANY: [usize; 3] = [4, 3, 2];

/// The fewest grants that cover every want. A folder stands for its parts only if `may_be_whole`.
pub fn collapse(wants: &[Want], may_be_whole: &dyn Fn(&Path) -> bool) -> Vec<Grant> {
    let fold_all = |many: usize| {
        let (writes, reads): (Vec<&Want>, Vec<&Want>) = wants.iter().partition(|want| want.write);
        let mut grants = fold(writes, many, may_be_whole);
        let mut rest = Vec::new();
        for read in reads {
            match grants.iter_mut().find(|grant| read.path.starts_with(&grant.path)) {
                Some(grant) => grant.of.push(read.clone()),
                None => rest.push(read),
            }
        }
        grants.extend(fold(rest, many, may_be_whole));
        grants.sort_by(|one, two| one.path.cmp(&two.path));
        grants
    };
    let mut grants = Vec::new();
    for many in MANY {
        grants = fold_all(many);
        if grants.len() <= MOST_LINES {
            break;
        }
    }
    grants
}

/// The same for wants of one kind.
fn fold(wants: Vec<&Want>, many: usize, may_be_whole: &dyn Fn(&Path) -> bool) -> Vec<Grant> {
    let mut grants: BTreeMap<PathBuf, Vec<Want>> = BTreeMap::new();
    for want in wants {
        grants.entry(want.path.clone()).or_default().push(want.clone());
    }
    let whole: Vec<PathBuf> = grants
        .iter()
        .filter(|(_, wants)| wants.iter().any(|want| want.folder))
        .map(|(path, _)| path.clone())
        .collect();
    whole.iter().for_each(|folder| absorb(&mut grants, folder));
    for folder in folders(&grants) {
        if parts(&grants, &folder) >= many && may_be_whole(&folder) {
            absorb(&mut grants, &folder);
        }
    }
    let grant = |(path, of): (PathBuf, Vec<Want>)| Grant {
        path,
        write: of.iter().any(|want| want.write),
        of,
    };
    grants.into_iter().map(grant).collect()
}

/// Every folder around a grant, the innermost first.
fn folders(grants: &BTreeMap<PathBuf, Vec<Want>>) -> Vec<PathBuf> {
    let around = grants.keys().flat_map(|path| path.ancestors().skip(1));
    let folders: BTreeSet<&Path> = around.collect();
    let mut folders: Vec<PathBuf> = folders.into_iter().map(Path::to_owned).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    folders
}

/// How many entries of a folder there are grants for, or for something in them.
fn parts(grants: &BTreeMap<PathBuf, Vec<Want>>, folder: &Path) -> usize {
    let below = grants.keys().filter_map(|path| path.strip_prefix(folder).ok());
    let first = |rest: &Path| rest.iter().next().map(OsStr::to_owned);
    below.filter_map(first).collect::<BTreeSet<_>>().len()
}

/// Makes one grant of a folder and everything in it.
fn absorb(grants: &mut BTreeMap<PathBuf, Vec<Want>>, folder: &Path) {
    let inner: Vec<PathBuf> = grants
        .keys()
        .filter(|path| path.starts_with(folder))
        .cloned()
        .collect();
    let wants: Vec<Want> = inner
        .iter()
        .filter_map(|path| grants.remove(path))
        .flatten()
        .collect();
    if !wants.is_empty() {
        grants.insert(folder.to_owned(), wants);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r/a` reads `/a`, `w/a` writes it; a slash at the end means the whole folder.
    fn want(text: &str) -> Want {
        let (kind, path) = text.split_at(1);
        Want {
            path: PathBuf::from(path.trim_end_matches('/')),
            write: kind == "w",
            folder: path.ends_with('/'),
            refused: false,
        }
    }

    fn collapsed(wants: &[&str]) -> Vec<String> {
        let wants: Vec<Want> = wants.iter().map(|text| want(text)).collect();
        let may_be_whole = |path: &Path| path.components().count() > 2;
        let grants = collapse(&wants, &may_be_whole);
        let told: usize = grants.iter().map(|grant| grant.of.len()).sum();
        assert_eq!(told, wants.len(), "each want stands in one grant");
        let line = |grant: &Grant| {
            let kind = if grant.write { "w" } else { "r" };
            format!("{kind}{} {}", grant.path.display(), grant.of.len())
        };
        grants.iter().map(line).collect()
    }

    #[test]
    fn few_files_stay_files_and_many_become_their_folder() {
        for (wants, expected) in [
            (&["r/p/a/x"][..], &["r/p/a/x 1"][..]),
            (
                &["r/p/a/x", "r/p/a/y", "r/p/a/z"],
                &["r/p/a/x 1", "r/p/a/y 1", "r/p/a/z 1"],
            ),
            (&["r/p/a/1", "r/p/a/2", "r/p/a/3", "r/p/a/4"], &["r/p/a 4"]),
            // The parts of a folder are its entries, however much is used in each.
            (
                &["r/p/a/1/x", "r/p/a/2/x", "r/p/a/3/x", "r/p/a/4/x", "r/p/b"],
                &["r/p/a 4", "r/p/b 1"],
            ),
            (
                &["r/p/a/1/x", "r/p/a/1/y", "r/p/a/2"],
                &["r/p/a/1/x 1", "r/p/a/1/y 1", "r/p/a/2 1"],
            ),
            // A folder that was listed holds what was read in it.
            (&["r/p/a/", "r/p/a/x", "r/p/a/b/y"], &["r/p/a 3"]),
            // No folder that may not be given as a whole.
            (
                &["r/a", "r/b", "r/c", "r/d", "r/e"],
                &["r/a 1", "r/b 1", "r/c 1", "r/d 1", "r/e 1"],
            ),
            (
                &["r/p/a", "r/p/b", "r/p/c", "r/p/d"],
                &["r/p/a 1", "r/p/b 1", "r/p/c 1", "r/p/d 1"],
            ),
            // Writing is not spread to what is only read, and covers the reads below it.
            (&["w/p/out/", "r/p/in/x"], &["r/p/in/x 1", "w/p/out 1"]),
            (&["w/p/out/", "r/p/out/x"], &["w/p/out 2"]),
            (&["r/p/a/", "w/p/a/out/"], &["r/p/a 1", "w/p/a/out 1"]),
            (&["r/p/a/x", "w/p/a/x"], &["w/p/a/x 2"]),
            // Names that start alike are no folders of each other.
            (&["r/p/ab/", "r/p/a/x"], &["r/p/a/x 1", "r/p/ab 1"]),
            (&[], &[]),
        ] {
            assert_eq!(collapsed(wants), expected, "{wants:?}");
        }
    }

    #[test]
    fn too_many_lines_make_folders_sooner() {
        let wants: Vec<String> = (0..9)
            .flat_map(|n| [format!("r/p/{n}/a"), format!("r/p/{n}/b")])
            .collect();
        let wants: Vec<&str> = wants.iter().map(String::as_str).collect();
        let expected: Vec<String> = (0..9).map(|n| format!("r/p/{n} 2")).collect();
        assert_eq!(collapsed(&wants), expected);
    }
}
