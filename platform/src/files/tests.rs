//! What may be done with which path.

use super::*;

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts
        .iter()
        .map(|text| Pattern::parse(text, "line").unwrap())
        .collect()
}

fn rules(excluded: &[&str], protected: &[&str]) -> Rules {
    let exclusion = Exclusion {
        base: "/p".into(),
        patterns: patterns(excluded),
    };
    Rules::new(&[exclusion], &patterns(protected)).unwrap()
}

#[test]
fn what_is_excluded_can_be_neither_read_nor_changed() {
    let rules = rules(&[".env", "/secrets/"], &[]);
    for path in ["/p/.env", "/p/a/.env", "/p/secrets/a", "/p/.env/deep"] {
        for act in [Act::Read, Act::Change] {
            assert!(rules.judge(Path::new(path), What::File, act).is_err(), "{path}");
        }
    }
    for path in ["/p/a", "/p", "/q/.env", "/p/a/secrets/b", "/pp/.env"] {
        for act in [Act::Read, Act::Change] {
            assert_eq!(rules.judge(Path::new(path), What::File, act), Ok(()), "{path}");
        }
    }
}

#[test]
fn what_is_protected_can_be_read_only() {
    let rules = rules(&[], &["**/.git/hooks/", "**/.git/config"]);
    for path in ["/q/.git/config", "/p/a/.git/hooks/pre-commit", "/p/.GIT/Config"] {
        let path = Path::new(path);
        assert_eq!(rules.judge(path, What::File, Act::Read), Ok(()));
        let refusal = rules.judge(path, What::File, Act::Change).unwrap_err();
        assert_eq!(refusal.kind, Kind::Protected);
    }
    for path in ["/p/.git/index", "/p/.git/refs/heads/config", "/p/config"] {
        assert_eq!(
            rules.judge(Path::new(path), What::File, Act::Change),
            Ok(()),
            "{path}"
        );
    }
}

#[test]
fn no_folder_moves_that_a_pattern_leads_through() {
    let rules = rules(&["a/b/c", ".env", "!/pub/.env"], &["**/.git/config"]);
    let judge = |from: &str, to: &str| rules.judge_move(Path::new(from), Path::new(to));
    for path in [
        "/p/a",
        "/p/a/b",
        "/p/a/b/c",
        "/p/pub",
        "/p/x/.git",
        "/.git",
        "/p/.env",
    ] {
        assert!(judge(path, "/p/new").is_err(), "{path}");
        assert!(judge("/p/old", path).is_err(), "{path}");
    }
    for path in ["/p/x", "/p/x/a", "/p/x/a/b", "/p/x/pub"] {
        assert_eq!(judge(path, "/p/new"), Ok(()), "{path}");
        assert_eq!(judge("/p/old", path), Ok(()), "{path}");
    }
}

#[test]
fn no_folder_leaves_where_its_content_is_reincluded() {
    let rules = rules(&[], &["**/.npmrc", "!**/node_modules/**"]);
    let judge = |from: &str, to: &str| rules.judge_move(Path::new(from), Path::new(to));
    assert_eq!(judge("/p/node_modules/a", "/p/node_modules/b"), Ok(()));
    assert!(judge("/p/node_modules/a", "/p/b").is_err());
    assert!(judge("/p/b", "/p/node_modules/a").is_err());
    assert!(judge("/p/node_modules", "/p/b").is_err());
}

#[test]
fn only_a_folder_can_be_where_a_pattern_leads_through() {
    let rules = rules(&[], &["**/.git/config", "**/.git/modules/**/config"]);
    let judge = |path: &str, what| rules.judge(Path::new(path), what, Act::Change);
    assert_eq!(judge("/p/.git", What::Folder), Ok(()));
    assert!(judge("/p/.git", What::Link).is_err());
    assert!(judge("/p/.git", What::File).is_err());
    assert!(judge("/p/.git/modules/a", What::Link).is_err());
    assert_eq!(judge("/p/.git/modules/a/HEAD", What::File), Ok(()));
    assert_eq!(judge("/p/.git/modules/a", What::Folder), Ok(()));
    assert_eq!(judge("/p/x", What::Link), Ok(()));
}
