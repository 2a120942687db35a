//! Following symbolic links by hand, so that each one passed is known.
//!
//! canonicalize(3) tells where a path ends but not which links led there, and a link in a folder that a server could
//! write in an earlier run is that server's answer, not the user's (CVE-2024-42472 of Flatpak).

use std::fs::{self, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

/// As the kernel, which ends with ELOOP: path_resolution(7).
const MOST_LINKS: usize = 40;

/// A path followed as far as it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// What exists, free of symbolic links.
    pub real: PathBuf,
    /// What does not exist below it: plain names.
    pub missing: PathBuf,
    /// Every link passed, each with links before it resolved.
    pub links: Vec<Link>,
}

/// One symbolic link on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub path: PathBuf,
    /// Somebody else's, in a folder where everybody may make one.
    pub foreign: bool,
}

/// Follows an absolute path on behalf of the user `uid`.
///
/// # Errors
/// What the kernel would say: too many links, no permission, not a folder; or `..` below a name that does not exist.
pub fn follow(path: &Path, uid: u32) -> io::Result<Followed> {
    let mut followed = Followed {
        real: PathBuf::new(),
        missing: PathBuf::new(),
        links: Vec::new(),
    };
    // The parts still to go, the next one last.
    let mut parts: Vec<PathBuf> = parts_of(path);
    while let Some(part) = parts.pop() {
        match part.components().next() {
            Some(Component::ParentDir) => followed.up()?,
            Some(Component::Normal(_)) => {
                if let Some(target) = followed.down(&part, uid)? {
                    parts.extend(parts_of(&target));
                }
            }
            Some(Component::CurDir) | None => {}
            Some(root) => followed.real = followed.real.join(root),
        }
    }
    Ok(followed)
}

fn parts_of(path: &Path) -> Vec<PathBuf> {
    path.components()
        .rev()
        .map(|part| PathBuf::from(part.as_os_str()))
        .collect()
}

impl Followed {
    fn up(&mut self) -> io::Result<()> {
        if !self.missing.as_os_str().is_empty() {
            return Err(io::Error::other("\"..\" below a folder that does not exist"));
        }
        self.real.pop();
        Ok(())
    }

    /// Goes down one name. If it is a link, stays and gives the link's target.
    fn down(&mut self, name: &Path, uid: u32) -> io::Result<Option<PathBuf>> {
        if !self.missing.as_os_str().is_empty() {
            self.missing.push(name);
            return Ok(None);
        }
        let path = self.real.join(name);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.missing.push(name);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if !found.is_symlink() {
            self.real = path;
            return Ok(None);
        }
        if self.links.len() == MOST_LINKS {
            return Err(io::Error::other("too many symbolic links"));
        }
        let target = fs::read_link(&path)?;
        let foreign = is_foreign(&found, &fs::metadata(&self.real)?, uid);
        self.links.push(Link { path, foreign });
        Ok(Some(target))
    }
}

#[cfg(unix)]
fn is_foreign(link: &Metadata, folder: &Metadata, uid: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    const WORLD_WRITABLE: u32 = 0o002;
    folder.mode() & WORLD_WRITABLE != 0 && link.uid() != uid && link.uid() != 0
}

/// Windows has no folder in which everybody may make links: making one needs a privilege.
#[cfg(not(unix))]
fn is_foreign(_link: &Metadata, _folder: &Metadata, _uid: u32) -> bool {
    false
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::follow;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn links_are_followed_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("real/sub")).unwrap();
        symlink("real", root.join("one")).unwrap();
        symlink(root.join("one/sub"), root.join("two")).unwrap();
        let followed = follow(&root.join("two/../x/y"), 0).unwrap();
        assert_eq!(followed.real, root.join("real"));
        assert_eq!(followed.missing, Path::new("x/y"));
        let links: Vec<_> = followed.links.iter().map(|link| link.path.clone()).collect();
        assert_eq!(links, [root.join("two"), root.join("one")]);
        assert_eq!(follow(&root.join("real/./sub"), 0).unwrap().links, []);
    }

    #[test]
    fn loops_end_and_dots_below_nothing_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(follow(&folder.path().join("a"), 0).is_err());
        assert!(follow(&folder.path().join("none/../b2"), 0).is_err());
    }

    #[test]
    fn the_root_has_no_parent() {
        assert_eq!(follow(Path::new("/../.."), 0).unwrap().real, Path::new("/"));
    }
}
