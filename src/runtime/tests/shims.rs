//! Shims of every version manager.

use super::*;

#[test]
fn volta_links_to_its_shim() {
    let mut disk = Disk::new();
    disk.elf(".volta/bin/volta-shim");
    disk.link(".volta/bin/npx", "volta-shim");
    disk.file(
        ".volta/tools/user/platform.json",
        r#"{"node":{"runtime":"20.1.0","npm":null},"yarn":null}"#,
    );
    let image = disk.node(".volta/tools/image/node/20.1.0");
    disk.on_path(".volta/bin");
    let runtime = disk.run(&["npx", "x"]);
    assert_eq!(places(&runtime), [image.as_path()]);
    assert_eq!(runtime.program, image.join("bin/npx"));
}
