"""The test programs: as root in a service of the system, as the ordinary user in a service of the user's own manager."""

import json
import os
import re
import subprocess
from pathlib import Path

USER = "tester"
UID = 1000
# Time limits are the supervisor's, the same on every kernel; the tests of them count in seconds that the emulation
# does not keep.
LEFT_OUT = ["--skip", "time::"]
# What the host has put beside the tree: where the programs are, and how long one may take.
MANIFEST = Path("/vm/manifest.json")


def manifest() -> dict:
    return json.loads(MANIFEST.read_text())


def open_ways() -> None:
    """On the host a checkout may lie below a private folder, such as root's home."""
    given = manifest()
    for path in [given["sandbox"], given["cargo"], *given["programs"].values()]:
        for folder in Path(path).parents:
            folder.chmod(folder.stat().st_mode | 0o055)


def parts() -> dict:
    """Each program under the names PROGRAM:root, PROGRAM:user and PROGRAM:delegated."""
    named = {}
    for name, path in manifest()["programs"].items():
        named[f"{name}:root"] = lambda path=path: tested([path])
        named[f"{name}:user"] = lambda path=path: tested(as_user([path]))
        named[f"{name}:delegated"] = lambda path=path: tested(as_user([path], "--property=Delegate=yes"))
    return named


def as_user(command: list[str], *options: str) -> list[str]:
    """A service of the user's manager, as a login would start a program."""
    bus = f"/run/user/{UID}/bus"
    user = ["runuser", "-u", USER, "--", "env", f"XDG_RUNTIME_DIR=/run/user/{UID}"]
    wait = ["sh", "-c", f'while [ ! -S {bus} ]; do sleep 0.2; done; exec "$@"', "wait"]
    service = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "--collect", *options]
    settings = [f"--setenv={name}={value}" for name, value in environment().items()]
    return [*user, *wait, *service, *settings, "--", *command]


def environment() -> dict[str, str]:
    given = manifest()
    path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return {
        "PATH": path,
        "CARGO_MANIFEST_DIR": given["root"],
        "MCP_SANDBOX_TEST_SLOWNESS": "8",
    }


def tested(command: list[str]) -> str:
    """Runs a program of tests and tells at once which fail; its counts."""
    given = manifest()
    timeout = ["timeout", "--kill-after=5", str(given["seconds"])]
    program = subprocess.Popen(
        [*timeout, *command, *LEFT_OUT, *given["arguments"]],
        env=os.environ | environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said = []
    for line in program.stdout:
        if line.rstrip().endswith("... FAILED") or "has been running for over" in line:
            print("   ", line.rstrip(), flush=True)
        if not line.rstrip().endswith("... ok"):
            said.append(line)
    text = "".join(said)[-60_000:]
    if program.wait() != 0:
        raise AssertionError(f"exit code {program.returncode}\n{text}")
    counts = re.search(r"test result: ok\. (\d+) passed", text)
    # A program without tests would pass too.
    if not counts or int(counts[1]) == 0:
        raise AssertionError(f"no test ran\n{text}")
    return f", {counts[1]} tests"
