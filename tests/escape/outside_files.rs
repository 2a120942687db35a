//! Reading and writing beyond the mounts: by name, link, `..`, rename and files without a name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::common::{Host, NO_FLAGS, hosts, words};

/// A secret beside a project that is mounted writable.
struct Place {
    project: PathBuf,
    secret: PathBuf,
}

impl Place {
    fn new(host: &Host) -> Self {
        let project = host.directory("project");
        for name in ["own", "other"] {
            let file = host.file(&format!("project/{name}"), "own");
            assert!(file.starts_with(&project));
        }
        Place {
            project,
            secret: host.file("secret", "the secret"),
        }
    }

    fn inside(&self, name: &str) -> String {
        text(&self.project.join(name))
    }

    fn outside(&self) -> String {
        text(&self.secret)
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_is_not_mounted_does_not_exist() {
    for host in hosts() {
        let place = Place::new(&host);
        let flags = words([&"--write", &place.project]);
        let secret = place.outside();
        for attack in [
            ["read", &secret],
            ["write", &secret],
            ["append", &secret],
            ["remove", &secret],
        ] {
            host.boxed(NO_FLAGS, &attack).stopped("ENOENT");
            host.boxed(&flags, &attack).stopped("ENOENT");
        }
        let dots = place.inside("../secret");
        host.boxed(&flags, &["read", &dots]).stopped("ENOENT");
        assert_eq!(host.bare(&["read", &dots]).done(), "the secret");
        let names = host.boxed(&flags, &["list", &text(host.folder())]).done();
        assert!(names.contains("project") && !names.contains("secret"), "{names}");
        for path in [
            "/etc/shadow",
            "/root/.ssh",
            "/var/log",
            "/sys/kernel",
            "/boot",
            "/home/other",
        ] {
            host.boxed(NO_FLAGS, &["open", path, "0"]).stopped("ENOENT");
        }
        let own = words([&"--read", &place.secret]);
        assert_eq!(host.boxed(&own, &["read", &secret]).done(), "the secret");
    }
}

#[test]
fn links_lead_nowhere() {
    for host in hosts() {
        let place = Place::new(&host);
        let flags = words([&"--write", &place.project]);
        // Made outside beforehand, and made inside.
        symlink(&place.secret, place.project.join("planted")).expect("a link");
        host.boxed(&flags, &["read", &place.inside("planted")])
            .stopped("ENOENT");
        host.boxed(&flags, &["symlink", &place.outside(), &place.inside("made")])
            .done();
        host.boxed(&flags, &["read", &place.inside("made")])
            .stopped("ENOENT");
        host.boxed(&flags, &["write", &place.inside("made")])
            .stopped("ENOENT");
        // Creating through it makes a file in the box's own memory, if any.
        host.boxed(&flags, &["create", &place.inside("made")]);
        assert_eq!(fs::read_to_string(&place.secret).expect("a file"), "the secret");
        assert_eq!(host.bare(&["read", &place.inside("made")]).done(), "the secret");
        host.boxed(&flags, &["hard-link", &place.outside(), &place.inside("hard")])
            .stopped("ENOENT");
        host.bare(&["hard-link", &place.outside(), &place.inside("hard")])
            .done();
        // A hard link inside the project is the project's own file, and stays possible.
        host.boxed(
            &flags,
            &["hard-link", &place.inside("own"), &place.inside("second")],
        )
        .done();
    }
}

#[test]
fn nothing_moves_across_the_border() {
    for host in hosts() {
        let place = Place::new(&host);
        let flags = words([&"--write", &place.project]);
        let beside = text(&host.folder().join("new"));
        // The folder around the project is the box's own, read-only or memory; never the host's.
        host.boxed(&flags, &["rename", &place.inside("own"), &beside])
            .all_stopped();
        host.boxed(&flags, &["rename", &place.outside(), &place.inside("own")])
            .all_stopped();
        host.boxed(&flags, &["exchange", &place.inside("own"), &place.outside()])
            .all_stopped();
        host.boxed(&flags, &["unnamed-file", &text(&place.project), &beside])
            .all_stopped();
        host.boxed(&flags, &["create", "/tmp/new"]).done();
        assert!(!Path::new("/tmp/new").exists() && !Path::new(&beside).exists());

        host.boxed(
            &flags,
            &["exchange", &place.inside("own"), &place.inside("other")],
        )
        .done();
        host.boxed(
            &flags,
            &["unnamed-file", &text(&place.project), &place.inside("named")],
        )
        .done();
        host.bare(&["unnamed-file", &text(&place.project), &beside])
            .done();
        host.bare(&["rename", &place.inside("own"), &beside]).done();
        host.bare(&["exchange", &place.inside("other"), &place.outside()])
            .done();
    }
}

#[test]
fn a_new_file_outside_is_not_made_on_the_host() {
    for host in hosts() {
        let place = Place::new(&host);
        let flags = words([&"--write", &place.project]);
        let outside = text(&host.folder().join("new"));
        host.boxed(&flags, &["create", &outside]);
        assert!(!Path::new(&outside).exists());
        host.boxed(&flags, &["create", &place.inside("new")]).done();
        assert!(place.project.join("new").exists());
        host.bare(&["create", &outside]).done();
    }
}
