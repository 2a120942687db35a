//! A folder that a server replaces by a link, for the next run to follow (CVE-2024-42472, CVE-2026-34078).

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::{hosts, words};

#[test]
fn a_link_that_a_server_made_is_not_followed_by_the_next_run() {
    for host in hosts() {
        let project = host.directory("project");
        let (out, old) = (host.directory("project/out"), project.join("old"));
        host.file("project/out/file", "true");
        let outside = host.directory("outside");
        host.file("outside/file", "the secret");
        let target = format!("{}:/data", out.display());
        let flags = words([&"--write", &project, &"--read", &target]);
        assert_eq!(host.boxed(&flags, &["read", "/data/file"]).done(), "true");

        let text = |path: &std::path::Path| path.display().to_string();
        let first = words([&"--write", &project]);
        host.boxed(&first, &["rename", &text(&out), &text(&old)]).done();
        host.boxed(&first, &["symlink", &text(&outside), &text(&out)])
            .done();
        assert!(out.is_symlink());

        host.boxed(&flags, &["read", "/data/file"])
            .refused("is not followed");
        let write = words([&"--write", &project, &"--write", &target]);
        host.boxed(&write, &["write", "/data/file"])
            .refused("is not followed");
        assert_eq!(
            fs::read_to_string(outside.join("file")).expect("a file"),
            "the secret"
        );
    }
}

#[test]
fn a_private_home_that_was_replaced_is_refused() {
    for host in hosts() {
        let profile = host.file(
            "keeper.toml",
            "version = 1\n[filesystem]\nhome = \"persistent\"\n",
        );
        let flags = words([&"--profile", &profile]);
        let home = host.boxed(&flags, &["folder"]).done();
        let file = format!("{home}/kept");
        host.boxed(&flags, &["create", &file]).done();
        assert_eq!(
            host.boxed(&flags, &["read", &file]).done(),
            "probe",
            "the home is kept"
        );

        let homes = host.home().join(".local/state/mcp-sandbox/homes");
        let kept = fs::read_dir(&homes)
            .expect("homes")
            .next()
            .expect("one home")
            .expect("one home")
            .path();
        let outside = host.directory("outside");
        host.file("outside/kept", "the secret");
        fs::rename(&kept, homes.join("old")).expect("a rename");
        symlink(&outside, &kept).expect("a link");
        let answer = host.boxed(&flags, &["read", &file]);
        assert_eq!(answer.code, Some(125), "{answer:?}");
        assert_eq!(
            fs::read_to_string(outside.join("kept")).expect("a file"),
            "the secret"
        );
    }
}
