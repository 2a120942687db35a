//! Variables, and where in the box something may be mounted.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::profile::Source;

fn host() -> Host {
    Host {
        home: "/home/ann".into(),
        cwd: "/work/p".into(),
        config_dir: "/home/ann/.config/mcp-sandbox".into(),
        state_dir: "/home/ann/.local/state/mcp-sandbox".into(),
        cache_dir: "/home/ann/.cache/mcp-sandbox".into(),
        uid: 1000,
        ssh_auth_sock: None,
        cores: 2,
    }
}

fn given(text: &str, dir: Option<&str>) -> Located<PathText> {
    let source = Arc::new(Source {
        name: "p.toml".into(),
        file: dir.map(|dir| Path::new(dir).join("p.toml")),
    });
    Origin::new(&source, (1, 1)).at(PathText::Template(text.into()))
}

fn expanded(text: &str) -> Result<PathBuf, String> {
    path(&given(text, Some("/etc/p")), &host()).map_err(|error| error.to_string())
}

fn placed(text: &str) -> Result<PathBuf, String> {
    target(&given(text, None), &host()).map_err(|error| error.to_string())
}

#[test]
fn variables_and_the_home() {
    for (text, path) in [
        ("/a", "/a"),
        ("~", "/home/ann"),
        ("~/x", "/home/ann/x"),
        ("${home}/x", "/home/ann/x"),
        ("${cwd}", "/work/p"),
        ("${profile_dir}/data", "/etc/p/data"),
        ("/a/~/${cwd}$x$", "/a/~//work/p$x$"),
        ("/a}${cwd}}", "/a}/work/p}"),
    ] {
        assert_eq!(expanded(text), Ok(PathBuf::from(path)), "{text}");
    }
}

#[test]
fn what_has_no_absolute_value_is_refused() {
    for text in ["x", "./x", "~bob/x", "x/~/y", "$HOME/x", ""] {
        assert!(
            expanded(text).unwrap_err().contains("is not an absolute path"),
            "{text}"
        );
    }
    assert!(expanded("/${nope}").unwrap_err().contains("unknown variable"));
    assert!(
        placed("${profile_dir}/x")
            .unwrap_err()
            .contains("has no value here")
    );
}

#[test]
fn a_value_is_not_expanded_again() {
    let host = Host {
        cwd: "/odd/${home}/~".into(),
        ..host()
    };
    assert_eq!(
        path(&given("${cwd}/x", None), &host).unwrap(),
        Path::new("/odd/${home}/~/x")
    );
}

#[test]
fn flags_are_relative_to_the_current_folder() {
    let flag = Origin::flag("--read").at(PathText::Literal("~/${home}".into()));
    assert_eq!(path(&flag, &host()).unwrap(), Path::new("/work/p/~/${home}"));
}

#[test]
fn targets_are_normal() {
    assert_eq!(placed("/workspace/./a//b/"), Ok(PathBuf::from("/workspace/a/b")));
    assert!(placed("/workspace/../etc").unwrap_err().contains("holds \"..\""));
    assert!(placed("${cwd}/../../etc").unwrap_err().contains("holds \"..\""));
}

#[test]
fn the_boxs_own_folders_are_no_targets() {
    for taken in [
        "/",
        "/proc",
        "/proc/1",
        "/dev",
        "/dev/shm",
        "/sys/fs",
        "/etc",
        "/etc/passwd",
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib64",
        "/libx32",
        "//",
        "/./proc",
    ] {
        let error = placed(taken).unwrap_err();
        assert!(
            error.contains("nothing can be mounted at") && error.contains("/workspace"),
            "{taken}: {error}"
        );
    }
    for free in [
        "/workspace",
        "/etcetera",
        "/library",
        "/process",
        "/usr/share/doc",
        "/opt/lib",
        "/tmp/x",
        "/home/ann/lib",
    ] {
        assert!(placed(free).is_ok(), "{free}");
    }
}

fn profile(text: &str) -> Profile {
    let source = Arc::new(Source {
        name: "p.toml".into(),
        file: None,
    });
    let raw =
        crate::profile::load::load(format!("version = 1\n[command]\n{text}").as_bytes(), &source).unwrap();
    crate::profile::merge::merge("p", vec![raw], None, &crate::profile::Flags::default()).unwrap()
}

#[test]
fn words_of_a_command_expand_one_by_one() {
    let words = run(
        &profile("run = [\"~/bin/x\", \"--dir=${cwd}\", \"a~\", \"$HOME\", \"two\\nlines\"]"),
        &host(),
    );
    assert_eq!(
        words.unwrap(),
        ["/home/ann/bin/x", "--dir=/work/p", "a~", "$HOME", "two\nlines"]
    );
    assert_eq!(run(&profile(""), &host()).unwrap(), Vec::<OsString>::new());
    let found = run(
        &profile("run = [\"a\", \"${profile_dir}\", \"${profile_dir}/x\"]"),
        &host(),
    )
    .unwrap_err();
    assert_eq!(found.len(), 2, "a built-in profile has no folder");
}

#[test]
fn the_working_directory_is_a_path_of_the_box() {
    assert_eq!(cwd(&profile(""), &host()), Ok(None));
    assert_eq!(
        cwd(&profile("cwd = \"${cwd}/./x\""), &host()),
        Ok(Some("/work/p/x".into()))
    );
    assert!(
        cwd(&profile("cwd = \"x\""), &host())
            .unwrap_err()
            .message
            .contains("not an absolute path")
    );
    assert!(
        cwd(&profile("cwd = \"/x/..\""), &host())
            .unwrap_err()
            .message
            .contains("holds \"..\"")
    );
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("${cwd}".into()),
        Just("${home}".into()),
        Just("~".into()),
        Just("..".into()),
        Just(".".into()),
        Just("/".into()),
        Just("//".into()),
        Just("${".into()),
        Just("proc".into()),
        Just("etc".into()),
        ".{0,5}",
    ]
}

proptest! {
    #[test]
    fn a_target_never_escapes(pieces in prop::collection::vec(piece(), 0..8)) {
        if let Ok(at) = placed(&pieces.concat()) {
            prop_assert!(at.is_absolute() && at != Path::new("/"));
            prop_assert!(at.components().skip(1).all(|part| matches!(part, Component::Normal(_))));
            prop_assert!(!MADE_BY_THE_BOX.iter().any(|taken| at.starts_with(taken)));
            prop_assert_eq!(target(&given("", None), &host()).is_ok(), false);
        }
    }

    #[test]
    fn expansion_agrees_with_the_check_at_load(text in ".{0,20}") {
        let known = unknown(&text).is_empty();
        let result = super::text(&text, &given("", Some("/p")).origin, &host());
        // An unclosed variable is the load's to refuse; expansion leaves it as it is.
        prop_assert!(!known || result.is_ok());
    }

    #[test]
    fn text_without_variables_is_kept(text in "/[^$~]{0,20}") {
        prop_assert_eq!(expanded(&text), Ok(PathBuf::from(text)));
    }
}
