//! The profiles that come with the program: data only, embedded from `profiles/`.

use std::sync::Arc;

use super::layer::{Layer, RawProfile};
use super::load;
use super::origin::Source;

/// The profile under every other one, and the one in force when nothing else is.
pub const DEFAULT: &str = "default";

/// Name and text of every built-in profile, in the order of names.
pub const ALL: [(&str, &str); 8] = [
    (DEFAULT, include_str!("../../profiles/default.toml")),
    ("everything", include_str!("../../profiles/everything.toml")),
    ("fetch", include_str!("../../profiles/fetch.toml")),
    ("filesystem", include_str!("../../profiles/filesystem.toml")),
    ("git", include_str!("../../profiles/git.toml")),
    ("memory", include_str!("../../profiles/memory.toml")),
    (
        "sequential-thinking",
        include_str!("../../profiles/sequential-thinking.toml"),
    ),
    ("time", include_str!("../../profiles/time.toml")),
];

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
