"""What the virtual machine does: runs the parts that the kernel command line names, and says what came of each.

A line for each part on the second serial port: PASS or FAIL, what, as whom, seconds. What a failed part said follows.
"""

import os
import sys
import time
from pathlib import Path

import kernel
import programs

def main() -> int:
    words = dict(word.split("=", 1) for word in Path("/proc/cmdline").read_text().split() if word.startswith("vm."))
    programs.open_ways()
    say(f"vm: Linux {os.uname().release}, LSMs {kernel.modules()}, {time.monotonic():.0f} s after start")
    parts = kernel.PARTS | programs.parts()
    wanted = words["vm.parts"].split(",")
    failed = [name for name in wanted if not run(name, parts[name])]
    say(f"vm: finished, {len(wanted)} parts, {len(failed)} failed")
    return 0


def run(name: str, part) -> bool:
    """Runs one part; what it raises is what it says."""
    start = time.monotonic()
    try:
        text, trouble = part(), None
    except Exception as error:  # noqa: BLE001: whatever it is, the next part is to run
        text, trouble = "", f"{type(error).__name__}: {error}"
    say(f"{'FAIL' if trouble else 'PASS'} {name} in {time.monotonic() - start:.0f} s{text}")
    for line in (trouble or "").splitlines():
        say(f"    {line}")
    return trouble is None


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
