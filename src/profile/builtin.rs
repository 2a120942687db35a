//! The profiles that come with the program: data only, embedded from `profiles/`.

use std::sync::Arc;

use super::layer::{Layer, RawProfile};
use super::load;
use super::origin::Source;

/// The profile under every other one, and the one in force when nothing else is.
pub const DEFAULT: &str = "default";

macro_rules! embedded {
    ($($name:literal)*) => {
        /// Name and text of every built-in profile, in the order of names.
        pub const ALL: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../profiles/", $name, ".toml")))),*];
    };
}

embedded! {
    "airtable"
    "antv-chart"
    "arxiv"
    "aws-api"
    "aws-docs"
    "azure"
    "brave-search"
    "chrome-devtools"
    "context7"
    "dbhub"
    "default"
    "desktop-commander"
    "duckduckgo"
    "everything"
    "exa"
    "fetch"
    "figma"
    "filesystem"
    "firecrawl"
    "git"
    "github"
    "gitlab"
    "google-maps"
    "heroku"
    "hubspot"
    "kubernetes"
    "mcp-remote"
    "memory"
    "mongodb"
    "notion"
    "obsidian"
    "perplexity"
    "playwright"
    "postgres"
    "redis"
    "sentry"
    "sequential-thinking"
    "slack"
    "slack-mcp-server"
    "sqlite"
    "stripe"
    "supabase"
    "tavily"
    "time"
}

/// The TOML text of a built-in profile.
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

pub fn source(name: &str) -> Arc<Source> {
    Arc::new(Source {
        name: format!("built-in profile {name}"),
        file: None,
    })
}

/// The settings that hold where no profile says otherwise.
pub fn default_layer() -> Layer {
    profile(DEFAULT).expect("default is built in").layer
}

/// A built-in profile, read.
pub fn profile(name: &str) -> Option<RawProfile> {
    let loaded = load::load(text(name)?.as_bytes(), &source(name));
    Some(loaded.expect("every built-in profile is read by a test"))
}

#[cfg(test)]
mod tests {
    use super::{ALL, default_layer, names, profile};
    use crate::lint::{self, Grade};
    use crate::profile::{Flags, Host, open};

    #[test]
    fn every_one_is_valid_described_and_in_order() {
        for name in names() {
            let profile = profile(name).expect("present");
            assert!(profile.description.is_some(), "{name}");
            assert_eq!(profile.matches.is_empty(), name == super::DEFAULT, "{name}");
        }
        assert!(ALL.is_sorted());
    }

    #[test]
    fn each_is_graded_b_or_better_unless_a_comment_says_why() {
        for (name, text) in ALL {
            let profile = open(Some(name), None, &Flags::default(), &Host::bare()).unwrap();
            let found = lint::findings(&profile, &Host::bare());
            let grade = lint::grade(&found);
            let told = text.contains(&format!("# Grade {grade}: "));
            assert!(grade <= Grade::B || told, "{name}: {grade} {found:#?}");
            assert_eq!(
                grade > Grade::B,
                text.contains("# Grade "),
                "{name}: the comment is of today"
            );
        }
    }

    #[test]
    fn each_tells_its_source_of_facts_and_marks_its_secrets() {
        for (name, text) in ALL.iter().filter(|(name, _)| *name != super::DEFAULT) {
            assert!(text.starts_with("# Facts: "), "{name}");
            let layer = profile(name).unwrap().layer;
            for passed in &layer.env_pass.items {
                let passed = passed.value.to_str().unwrap();
                let quoted = format!("\"{passed}\"");
                let line = text.lines().find(|line| line.contains(&quoted)).unwrap();
                let (marked, secret) = (line.contains("# secret"), lint::is_secret_name(passed));
                assert!(marked || !secret, "{name}: {passed} is not marked");
                assert!(
                    !marked || line.matches('"').count() == 2,
                    "{name}: {passed} shares its line"
                );
            }
        }
    }

    #[test]
    fn none_gives_a_path_of_its_own_or_a_port_without_encryption_or_what_collects_usage_data() {
        for name in names() {
            let layer = profile(name).unwrap().layer;
            assert!(
                layer.mounts.items.is_empty(),
                "{name}: a person decides about folders"
            );
            assert!(layer.capabilities.items.is_empty() && layer.user.is_none() || name == super::DEFAULT);
            for rule in &layer.allow.items {
                assert!(rule.value.text.ends_with(":443"), "{name}: {}", rule.value.text);
            }
            let profile = open(Some(name), None, &Flags::default(), &Host::bare()).unwrap();
            let found = lint::findings(&profile, &Host::bare());
            assert!(found.iter().all(|one| one.rule.id != "telemetry"), "{name}");
        }
    }

    #[test]
    fn no_package_is_for_two() {
        let mut seen = std::collections::BTreeMap::new();
        for name in names() {
            for one in profile(name).unwrap().matches {
                if let Some(other) = seen.insert(one.value.clone(), name) {
                    panic!("{} is for {other} and {name}", one.value);
                }
            }
        }
        assert!(ALL.len() > 40);
    }

    #[test]
    fn the_default_gives_every_scalar_and_no_path() {
        let layer = default_layer();
        assert!(layer.path_args.is_some() && layer.home.is_some() && layer.tmp.is_some());
        assert!(layer.spawn.is_some() && layer.user.is_some());
        assert!(layer.dns.is_some() && layer.inspect.is_some());
        // Not even an empty list: as a base it would empty what another base allows.
        assert!(layer.allow == Default::default() && layer.block == Default::default());
        assert!(layer.mounts.items.is_empty() && layer.capabilities.items.is_empty());
        assert!((8..=16).contains(&layer.env_pass.items.len()));
    }
}
