#!/usr/bin/env python3
"""Measures what the box costs, beside the bare program and bubblewrap with the equivalent options, and prints ratios.

    a  launch of /bin/true            c  memory that stays resident beside the server
    b  tool calls of server-everything  d  time to the first answer of server-everything
    e  one allowed host: bytes and connections per second over a veth pair, and what the broker adds to a, c and d

Started by root, `--user NAME` measures as that user; root only reads the memory of processes that are not dumpable.
Exit code 0 says that everything ran, not that every goal was met.
"""

import argparse
import contextlib
import json
import os
import platform
import pwd
import re
import shutil
import subprocess
import sys

import network
from commands import EVERYTHING, PROBE, PROGRAM, SERVERS
from measures import Row
from measures import MEASURES as LOCAL

MEASURES = LOCAL | {"e": network.measure}


def main() -> int:
    options = parse_arguments()
    peer = contextlib.nullcontext()
    if {"b", "d", "e"} & set(options.only):
        subprocess.run([SERVERS / "setup.sh"], check=True, stdout=sys.stderr)
    if "e" in options.only:
        # Everything that is measured lives where the peer can be reached.
        peer = network.away_from_the_machine()
    with peer:
        return measure(options, pss) if options.user is None else as_user(options)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=list(LOCAL), metavar="a,b", help="some of them (default a,b,c,d)"
    )
    parser.add_argument("--rounds", type=int, help="rounds of a, c, d and e (default 40, 5, 24 and 10)")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--user", help="run everything that is measured as this user (needs root)")
    options = parser.parse_args()
    unknown = [name for name in options.only if name not in MEASURES]
    if unknown:
        parser.error(f"no measurement {unknown[0]!r}; there are {', '.join(MEASURES)}")
    if options.user and os.geteuid() != 0:
        parser.error("--user needs root")
    if "e" in options.only and os.geteuid() != 0:
        parser.error("e makes network namespaces, which needs root; name the user that is measured with --user")
    return options


def measure(options: argparse.Namespace, read_pss) -> int:
    try:
        check_requirements(options.only)
        rows = [row for name in options.only for row in MEASURES[name](options.rounds, read_pss)]
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    user = pwd.getpwuid(os.geteuid()).pw_name
    if options.json:
        print(json.dumps({"machine": machine(), "user": user, "rows": [row.as_json() for row in rows]}, indent=1))
    else:
        print(f"{machine()}, as {user}\n")
        print_table(rows)
    return 0


def check_requirements(only: list[str]) -> None:
    needed = [PROGRAM]
    if {"a", "c", "d"} & set(only):
        needed.append(shutil.which("bwrap") or "bwrap")
    if {"b", "d", "e"} & set(only):
        needed.append(EVERYTHING)
    if "e" in only:
        needed.append(PROBE)
    for program in needed:
        if not os.access(program, os.X_OK):
            raise RuntimeError(f'cannot execute "{program}"')


def as_user(options: argparse.Namespace) -> int:
    """Measures in a child that has become the user for good, so that changing users is in no measured time."""
    ask_read, ask_write = os.pipe()
    answer_read, answer_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ask_read)
        os.close(answer_write)
        become(options.user)

        def ask(pid: int) -> float:
            os.write(ask_write, b"%d\n" % pid)
            answer = os.read(answer_read, 64).decode()
            if not answer.strip():
                raise RuntimeError(f"no memory figures for process {pid}")
            return float(answer)

        code = measure(options, ask)
        sys.stdout.flush()
        os._exit(code)
    os.close(ask_write)
    os.close(answer_read)
    for line in os.fdopen(ask_read):
        try:
            answer = b"%f" % pss(int(line))
        except OSError:
            answer = b"\n"
        os.write(answer_write, answer)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def become(name: str) -> None:
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        sys.exit(f'error: there is no user "{name}"')
    os.initgroups(name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.chdir(user.pw_dir if os.access(user.pw_dir, os.X_OK) else "/")


def pss(pid: int) -> float:
    """Proportional set size in kB (proc_pid_smaps(5)); of a process that is not dumpable, root only."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return float(re.search(r"^Pss:\s+(\d+) kB", rollup.read(), re.MULTILINE)[1])
    except PermissionError:
        raise OSError(
            "memory of processes that are not dumpable is readable for root only: run as root with --user"
        ) from None


def machine() -> str:
    """Cores, processor and kernel, for whoever compares two tables."""
    with open("/proc/cpuinfo") as info:
        model = re.search(r"^model name\s*:\s*(.+)$", info.read(), re.MULTILINE)
    name = model[1] if model else platform.machine()
    return f"{os.cpu_count()} × {name}, {platform.system()} {platform.release()}, {os.getloadavg()[0]:.1f} load"


def print_table(rows: list[Row]) -> None:
    lines = [["measure", "bare", "bwrap", "ours", "", "median", "p10-p90", "goal", ""]]
    for row in rows:
        values = [f"{row.values[name]:.3g} {row.unit}" if name in row.values else "-" for name in ("bare", "bwrap", "ours")]
        spread = f"{row.spread[0]:.2f}-{row.spread[1]:.2f}" if row.spread else "-"
        lines.append([row.measure, *values, row.label, f"{row.figure:.2f}", spread, goal(row), verdict(row)])
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def goal(row: Row) -> str:
    if row.low is not None and row.high is not None:
        return f"{row.low:g}-{row.high:g}"
    if row.low is not None:
        return f"≥ {row.low:g}"
    return f"≤ {row.high:g}" if row.high is not None else "-"


def verdict(row: Row) -> str:
    return {None: "", True: "met", False: "missed"}[row.met]


if __name__ == "__main__":
    sys.exit(main())
