//! Predictable names in /tmp (CVE-2019-12439): the set-up touches nothing there.

use crate::common::mounts::PrivateTmp;
use crate::common::{hosts, unique};

#[test]
fn a_run_leaves_tmp_as_it_was() {
    for host in hosts() {
        let tmp = PrivateTmp::new(&host);
        // Names such tools have used, made by somebody else beforehand, most of them pointing elsewhere.
        tmp.shell(
            &host,
            "cd /tmp && mkdir .mcp-sandbox && for name in .bubblewrap newroot oldroot bwrap mcp-sandbox root; do \
             ln -s /etc $name; done",
        );
        let before = tmp.contents();
        let watch = Watch::new(&tmp.path());
        let word = unique("word");
        let mut command = tmp.run(&host, ["--env", &format!("WORD={word}")]);
        let output = command
            .args(["sh", "-c", "echo $WORD > /tmp/inside; cat /tmp/*"])
            .output()
            .expect("the sandbox");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), word, "{output:?}");
        assert_eq!(tmp.contents(), before);
        assert_eq!(watch.events(), Vec::<String>::new(), "not even for a moment");
    }
}

#[test]
fn control_a_bare_program_that_writes_to_tmp_is_seen() {
    for host in hosts() {
        let tmp = PrivateTmp::new(&host);
        let watch = Watch::new(&tmp.path());
        tmp.shell(&host, "echo > /tmp/x; rm /tmp/x");
        assert!(!watch.events().is_empty());
    }
}

/// Every name made, removed or opened for writing in a folder, inotify(7).
struct Watch(nix::sys::inotify::Inotify);

impl Watch {
    fn new(path: &std::path::Path) -> Self {
        use nix::sys::inotify::{AddWatchFlags as Flag, InitFlags, Inotify};
        let watch = Inotify::init(InitFlags::IN_NONBLOCK).expect("inotify");
        let events =
            Flag::IN_CREATE | Flag::IN_DELETE | Flag::IN_MOVE | Flag::IN_CLOSE_WRITE | Flag::IN_ATTRIB;
        watch.add_watch(path, events).expect("the folder can be watched");
        Watch(watch)
    }

    fn events(&self) -> Vec<String> {
        self.0.read_events().map_or_else(
            |_| Vec::new(),
            |events| {
                events
                    .iter()
                    .map(|event| format!("{:?} {:?}", event.mask, event.name))
                    .collect()
            },
        )
    }
}
