//! `resources.processes`: bombs of processes and of threads.

use crate::common::{gone_within_a_second, hosts, root_hosts, unique};
use crate::loads::{flags, outcome, python};

const FORKS: &str = "\
import os, time
made = 0
try:
    for i in range(60):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
    print('all')
except OSError as error:
    # Long enough to be seen.
    time.sleep(1)
    print(made, error.errno)";

#[test]
fn one_more_than_the_limit_is_refused() {
    for host in hosts() {
        python(&host, "processes = 100", FORKS).done("all\n");
        let outcome = python(&host, "processes = 20", FORKS);
        // The first is the server itself; EAGAIN is 11.
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(0), "19 11\n"),
            "{outcome:#?}"
        );
        outcome.reached("processes", "20");
        assert_eq!(outcome.used("processes_peak"), 20.0);
    }
}

#[test]
fn threads_count() {
    let script = "\
import threading, time
made = 0
try:
    for i in range(60):
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
        made += 1
    print('all')
except RuntimeError:
    print(made)";
    for host in hosts() {
        python(&host, "processes = 100", script).done("all\n");
        let outcome = python(&host, "processes = 20", script);
        assert_eq!(outcome.out, "19\n", "{outcome:#?}");
    }
}

/// In the default box: it ends, with nothing left, and the machine has not noticed.
#[test]
fn a_bomb_of_the_default_box_goes_off_inside() {
    let bomb = "\
import os, sys, time
end = time.monotonic() + 4
while time.monotonic() < end:
    try:
        os.fork()
    except OSError:
        time.sleep(0.2)";
    for host in hosts() {
        let marker = unique("marker");
        let outcome = python(&host, "", &format!("{bomb} # {marker}"));
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        assert_eq!(outcome.used("processes_peak"), 256.0, "{outcome:#?}");
        assert!(
            outcome.err.contains("limit reached: processes = 256"),
            "{outcome:#?}"
        );
        assert!(outcome.err.contains("built-in profile default"), "{outcome:#?}");
        gone_within_a_second(&marker);
    }
}

/// Root is not counted by the kernel's own limit: the supervisor counts, and ends the box.
#[test]
fn root_without_control_groups_is_ended() {
    for host in root_hosts() {
        let hide = "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"";
        let hidden = |resources: &str| {
            let mut run = host.run(flags(&host, resources));
            // So long that nobody is too late to see it.
            run.args(["python3", "-c", &format!("{FORKS}\ntime.sleep(1)")]);
            let mut command = host.command("unshare");
            command.args(["--mount", "--", "sh", "-c", hide, "sh"]);
            command.arg(run.get_program()).args(run.get_args());
            outcome(&host, command)
        };
        hidden("processes = 100").done("all\n");
        let ended = hidden("processes = 20");
        assert_eq!(ended.code, Some(137), "{ended:#?}");
        ended.reached("processes", "20");
    }
}
