#!/usr/bin/env python3
"""What limits cost: the launch of `true` with and without them, and the processor time of whoever watches a server that sleeps.

    limits.py [ROUNDS]      needs a release build; MCP_SANDBOX names another program

The limits are those that the machine offers to whoever runs this: control groups to root or below a delegated manager, else
rlimits and the supervisor. The status line says which.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from measures import ratios, spawn_and_wait

HERE = Path(__file__).resolve().parent
SANDBOX = os.environ.get("MCP_SANDBOX") or str(HERE.parents[1] / "target/release/mcp-sandbox")
SECONDS = 20

DEFAULT = """
memory = "2GiB"
processes = 256
disk = "1GiB"
"""
ALL = f"""{DEFAULT}
cpu = "150%"
open_files = 512
file_size = "1GiB"
timeout = "1h"
"""
# The kernel takes some 13 ms to close the listener that tells of traffic, at the end of the run.
VARIANTS = {"none": "", "default": DEFAULT, "all but idle": ALL, "idle": 'idle = "30m"'}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        profiles = {}
        for name, resources in VARIANTS.items():
            profiles[name] = Path(folder, f"{name}.toml")
            profiles[name].write_text(f'version = 1\ndescription = "a measurement"\n[resources]\n{resources}')
        shown = [SANDBOX, "run", "-p", profiles["all but idle"], "--", "true"]
        told = subprocess.run(shown, stderr=subprocess.PIPE, text=True, check=True)
        print("limits:", told.stderr.split("limits: ")[1].strip())
        launches(profiles, rounds)
        for name in ("default", "all but idle"):
            print(f"watching a server that sleeps, {name}: {watching(profiles[name]):.2%} of a core")


def launches(profiles: dict[str, Path], rounds: int) -> None:
    commands = {name: [SANDBOX, "run", "-q", "-p", str(profile), "--", "/bin/true"] for name, profile in profiles.items()}
    # Traffic is looked for in pipes, as a client has them.
    _, pipe = os.pipe()
    taken = spawn_and_wait(commands, rounds, pipe)
    for name in profiles:
        ratio = median(ratios(taken[name], taken["none"]))
        print(f"launch, {name}: {median(taken[name]):.2f} ms, {ratio:.3f} x none, {rounds} rounds")


def watching(profile: Path) -> float:
    """Every process of ours, and the server, which sleeps: as a share of one core."""
    box = subprocess.Popen([SANDBOX, "run", "-q", "-p", profile, "--", "sleep", str(SECONDS + 5)], stdin=subprocess.DEVNULL)
    time.sleep(2)
    start = spent(box.pid)
    time.sleep(SECONDS)
    share = (spent(box.pid) - start) / SECONDS
    box.terminate()
    box.wait()
    return share


def spent(pid: int) -> float:
    """Seconds of processor time, of a process and all below it (proc_pid_schedstat: nanoseconds)."""
    own = sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(spent(int(child)) for child in children)


if __name__ == "__main__":
    main()
