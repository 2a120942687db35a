//! Any bytes as a profile: the loader answers with findings that can be printed, and never panics; what it
//! accepts merges and expands.
//!
//! Run with `cargo fuzz run --fuzz-dir tests/fuzz profile_load profiles`.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mcp_sandbox::profile::{Flags, Host, Source, expand, load, merge};

fuzz_target!(|bytes: &[u8]| {
    let source = Arc::new(Source {
        name: "fuzz.toml".to_owned(),
        file: Some("/profiles/fuzz.toml".into()),
    });
    let profile = match load::load(bytes, &source) {
        Ok(profile) => profile,
        Err(found) => {
            assert!(!found.is_empty());
            return found.iter().for_each(|one| drop(one.to_string()));
        }
    };
    let contexts: Vec<String> = profile.contexts.keys().cloned().collect();
    for context in contexts.iter().map(Some).chain([None]) {
        let chain = vec![profile.clone(), profile.clone()];
        let merged = merge::merge("fuzz", chain, context.map(String::as_str), &Flags::default());
        expanded(&merged.expect("known contexts merge"));
    }
});

fn expanded(profile: &mcp_sandbox::profile::Profile) {
    let host = Host {
        home: "/home/ann".into(),
        cwd: "/work".into(),
        config_dir: "/home/ann/.config/mcp-sandbox".into(),
        state_dir: "/home/ann/.local/state/mcp-sandbox".into(),
        uid: 1000,
        ssh_auth_sock: None,
        cores: 2,
    };
    let _ = expand::run(profile, &host);
    let _ = expand::cwd(profile, &host);
    for mount in &profile.mounts {
        let _ = expand::path(&mount.value.path, &host);
        if let Some(Ok(at)) = mount.value.at.as_ref().map(|at| expand::target(at, &host)) {
            assert!(at.is_absolute() && at.iter().all(|part| part != ".."));
        }
    }
}
