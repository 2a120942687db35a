//! The server's environment: built from nothing, never inherited.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use mcp_sandbox_platform::User;

use crate::host;
use crate::profile::Profile;
use crate::runtime::Runtime;

/// What every program expects, then what the runtime needs, then what the profile passes, then what it sets.
pub fn environment(
    profile: &Profile,
    runtime: &Runtime,
    user: &User,
    home: &Path,
    cwd: &Path,
) -> Vec<(OsString, OsString)> {
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::from([
        ("HOME".into(), home.into()),
        ("LOGNAME".into(), user.name.clone().into()),
        (
            "PATH".into(),
            std::env::join_paths(&runtime.path).unwrap_or_else(|_| "/usr/bin:/bin".into()),
        ),
        ("PWD".into(), cwd.into()),
        ("SHELL".into(), "/bin/sh".into()),
        ("TMPDIR".into(), "/tmp".into()),
        ("USER".into(), user.name.clone().into()),
    ]);
    env.extend(runtime.env.iter().cloned());
    let passed = profile.env_pass.iter().map(|name| &name.value);
    env.extend(passed.filter_map(|name| Some((name.clone(), host::variable(name)?))));
    env.extend(
        profile
            .env_set
            .iter()
            .map(|(name, value)| (name.clone(), value.value.clone())),
    );
    env.into_iter().collect()
}
