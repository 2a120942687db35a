//! Runtimes by where they are installed: prefixes, virtual environments, packages, single files.

use super::*;

#[test]
fn node_in_a_home_is_its_prefix() {
    let mut disk = Disk::new();
    let prefix = disk.node(".nvm/versions/node/v20.11.0");
    disk.on_path(".nvm/versions/node/v20.11.0/bin");
    let runtime = disk.run(&["npx", "-y", "server"]);
    assert_eq!(places(&runtime), [prefix.as_path()]);
    assert_eq!(runtime.mounts[0].reason, "runtime: node prefix");
    assert_eq!(runtime.program, prefix.join("bin/npx"));
    assert_eq!(runtime.argv, ["npx", "-y", "server"]);
    assert_eq!(runtime.path[0], prefix.join("bin"));
}
