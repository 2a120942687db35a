//! Where this process may make control groups, as cgroups(7) and the kernel's own files say.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};

use crate::{Groups, Legacy, Manager, Unified};

/// The controllers that limits need.
const WANTED: [&str; 3] = ["memory", "pids", "cpu"];

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The group that the mount shows, as /proc/self/cgroup names groups.
    root: PathBuf,
    at: PathBuf,
    unified: bool,
    options: String,
}

/// Finds them; asks nobody and changes nothing.
pub fn groups() -> Groups {
    let mounts = mounted();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let systemd = Path::new("/run/systemd/system").exists();
    let unified = mounts.iter().find(|one| one.unified && serves(&one.at));
    Groups {
        unified: unified.and_then(|one| below(one, &own, systemd)),
        manager: unified.filter(|_| systemd).and_then(|one| manager(&one.at)),
        legacy: legacy(&mounts, &own),
    }
}

/// Whether any swap is in use.
pub fn swaps() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

/// The folder of a group of the unified hierarchy, by its name in /proc/PID/cgroup.
pub fn unified_folder(group: &str) -> Option<PathBuf> {
    let mounts = mounted();
    let unified = mounts.iter().find(|one| one.unified)?;
    folder(unified, group)
}

/// The hierarchies that hold these groups, as folders.
pub fn around(groups: &[PathBuf]) -> Vec<PathBuf> {
    let holds = |at: &PathBuf| groups.iter().any(|group| group.starts_with(at));
    mounted().into_iter().map(|one| one.at).filter(holds).collect()
}

/// The unified hierarchy of a hybrid host has none of the controllers.
fn serves(at: &Path) -> bool {
    let controllers = controllers(at);
    WANTED
        .iter()
        .any(|name| controllers.iter().any(|one| one == name))
}

fn controllers(group: &Path) -> Vec<String> {
    words(&group.join("cgroup.controllers"))
}

fn words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// What is mounted where we are.
fn mounted() -> Vec<Hierarchy> {
    hierarchies(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// Lines of proc_pid_mountinfo(5) that are hierarchies.
fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let hierarchy = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mount: Vec<&str> = mount.split(' ').collect();
        let filesystem: Vec<&str> = filesystem.split(' ').collect();
        let kind = *filesystem.first()?;
        ["cgroup", "cgroup2"].contains(&kind).then_some(Hierarchy {
            root: mount.get(3)?.into(),
            at: mount.get(4)?.into(),
            unified: kind == "cgroup2",
            options: filesystem.get(2)?.to_string(),
        })
    };
    mountinfo.lines().filter_map(hierarchy).collect()
}

/// Our own group of the hierarchy that `name` stands for in /proc/self/cgroup; the unified one has no name.
fn own_group<'a>(own: &'a str, name: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?);
        names.split(',').any(|one| one == name).then_some(path)
    })
}

/// A group of a hierarchy as a folder; nothing if the mount does not show it.
fn folder(hierarchy: &Hierarchy, group: &str) -> Option<PathBuf> {
    let inner = Path::new(group).strip_prefix(&hierarchy.root).ok()?;
    Some(hierarchy.at.join(inner)).filter(|folder| folder.is_dir())
}

fn may_write(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

/// The nearest group around us in which groups with controllers can be made: our own cannot, while it holds processes.
///
/// Under systemd only what was delegated is ours: its manager takes back what it does not know of.
fn below(hierarchy: &Hierarchy, own: &str, systemd: bool) -> Option<Unified> {
    let own = folder(hierarchy, own_group(own, "")?)?;
    let around = own
        .ancestors()
        .take_while(|group| group.starts_with(&hierarchy.at));
    let ours = |group: &&Path| {
        may_write(group) && may_write(&group.join("cgroup.procs")) && (!systemd || delegated(group))
    };
    around.filter(ours).find_map(|parent| {
        let controllers = words(&parent.join("cgroup.subtree_control"));
        serves_any(&controllers).then(|| Unified {
            parent: parent.to_owned(),
            controllers,
        })
    })
}

fn serves_any(controllers: &[String]) -> bool {
    WANTED
        .iter()
        .any(|name| controllers.iter().any(|one| one == name))
}

/// Marked by systemd as somebody else's to manage (the document "Control Group APIs and Delegation" of systemd): a
/// group that belongs to a user who is not root says the same.
fn delegated(group: &Path) -> bool {
    let name = if geteuid().is_root() {
        "trusted.delegate"
    } else {
        "user.delegate"
    };
    super::super::sys::attribute(group, name).is_some_and(|value| value == b"1")
}

/// The manager of this user; root's is the system's.
fn manager(hierarchy: &Path) -> Option<Manager> {
    let uid = geteuid();
    let (buses, group) = if uid.is_root() {
        let buses = [
            "/run/dbus/system_bus_socket".into(),
            "/run/systemd/private".into(),
        ];
        (buses, hierarchy.join("system.slice"))
    } else {
        let folder = format!("/run/user/{uid}");
        let group = format!("user.slice/user-{uid}.slice/user@{uid}.service");
        let buses = [format!("{folder}/bus"), format!("{folder}/systemd/private")];
        (buses, hierarchy.join(group))
    };
    // The folder around it is the user's alone, but what another user owns there is not asked.
    let own = |bus: &PathBuf| fs::symlink_metadata(bus).is_ok_and(|bus| bus.uid() == uid.as_raw());
    let bus = buses.into_iter().map(PathBuf::from).find(own)?;
    let controllers = controllers(&group);
    serves_any(&controllers).then_some(Manager { bus, controllers })
}

fn legacy(mounts: &[Hierarchy], own: &str) -> Legacy {
    let find = |controller: &str, limit: &str| {
        let mounted =
            |one: &&Hierarchy| !one.unified && one.options.split(',').any(|name| name == controller);
        let hierarchy = mounts.iter().find(mounted)?;
        let parent = folder(hierarchy, own_group(own, controller)?)?;
        // The root group has no limits to show; for cpu, kernels without bandwidth control have no such file anywhere.
        let limits = parent == hierarchy.at || parent.join(limit).exists();
        (may_write(&parent) && limits).then_some(parent)
    };
    // Where swap is not accounted a limit of the memory bounds nothing.
    let bounded = |parent: &PathBuf| !swaps() || parent.join("memory.memsw.limit_in_bytes").exists();
    Legacy {
        memory: find("memory", "memory.limit_in_bytes").filter(bounded),
        pids: find("pids", "pids.max"),
        cpu: find("cpu", "cpu.cfs_quota_us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/x /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn mounted_hierarchies_and_our_groups() {
        let found = hierarchies(MOUNTS);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].options, "rw,cpu,cpuacct");
        assert!(found[2].unified && !found[1].unified);
        let own = "4:memory:/docker/x/y\n1:cpu,cpuacct:/a:b\n0::/c\n";
        assert_eq!(own_group(own, "memory"), Some("/docker/x/y"));
        assert_eq!(own_group(own, "cpu"), Some("/a:b"));
        assert_eq!(own_group(own, ""), Some("/c"));
        assert_eq!(own_group(own, "pids"), None);
    }

    #[test]
    fn a_group_that_the_mount_does_not_show_has_no_folder() {
        let place = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy {
            root: "/docker/x".into(),
            at: place.path().into(),
            unified: false,
            options: "rw,memory".into(),
        };
        fs::create_dir(place.path().join("y")).unwrap();
        assert_eq!(folder(&hierarchy, "/docker/x/y"), Some(place.path().join("y")));
        assert_eq!(folder(&hierarchy, "/docker/x"), Some(place.path().join("")));
        assert_eq!(folder(&hierarchy, "/elsewhere"), None);
        assert_eq!(folder(&hierarchy, "/docker/x/z"), None);
    }

    /// A hierarchy of version 2 in plain files.
    fn unified(parent_control: &str) -> (tempfile::TempDir, Hierarchy) {
        let place = tempfile::tempdir().unwrap();
        for group in ["", "user", "user/leaf"] {
            let folder = place.path().join(group);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cgroup.procs"), "").unwrap();
            fs::write(folder.join("cgroup.subtree_control"), "").unwrap();
            fs::write(folder.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        }
        fs::write(place.path().join("user/cgroup.subtree_control"), parent_control).unwrap();
        let hierarchy = Hierarchy {
            root: "/".into(),
            at: place.path().into(),
            unified: true,
            options: "rw".into(),
        };
        (place, hierarchy)
    }

    #[test]
    fn groups_are_made_beside_our_own() {
        let (place, hierarchy) = unified("memory pids\n");
        let found = below(&hierarchy, "0::/user/leaf\n", false);
        let expected = Unified {
            parent: place.path().join("user"),
            controllers: vec!["memory".into(), "pids".into()],
        };
        assert_eq!(found, Some(expected));
        // Under systemd nothing of this was delegated.
        assert_eq!(below(&hierarchy, "0::/user/leaf\n", true), None);
    }

    #[test]
    fn without_controllers_there_is_nothing_to_make_groups_for() {
        let (_place, hierarchy) = unified("\n");
        assert_eq!(below(&hierarchy, "0::/user/leaf\n", false), None);
        assert!(serves(&hierarchy.at));
    }
}
