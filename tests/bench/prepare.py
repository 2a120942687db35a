#!/usr/bin/env python3
"""Time to the first answer of server-everything through `run -- npx -y …` beside bare `npx -y …`, warm and cold.

usage: prepare.py [--warm ROUNDS] [--cold ROUNDS]

Each variant has a home of its own. Rounds are interleaved; cold rounds start with an empty home, but for the user's own
settings of npm. Prints medians, and the ratio of each round's pair.
"""

import argparse
import os
import pathlib
import pwd
import shutil
import statistics
import tempfile
import time

import session
from commands import PROGRAM, environment

NPX = ["npx", "-y", "@modelcontextprotocol/server-everything"]
VARIANTS = {"bare npx": NPX, "mcp-sandbox": [PROGRAM, "run", "--quiet", "--", *NPX]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--warm", type=int, default=9)
    parser.add_argument("--cold", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcp-sandbox-bench-") as folder:
        homes = {name: pathlib.Path(folder) / str(number) for number, name in enumerate(VARIANTS)}
        cold = rounds("cold", options.cold, homes, fresh=True)
        if not options.cold:
            for name, command in VARIANTS.items():
                empty(homes[name])
                first_answer(command, homes[name])
        warm = rounds("warm", options.warm, homes, fresh=False)
    for label, taken, goal in (("cold", cold, 1.15), ("warm", warm, 1.0)):
        if not taken:
            continue
        medians = {name: statistics.median(times[name] for times in taken) for name in VARIANTS}
        ratio = statistics.median(times["mcp-sandbox"] / times["bare npx"] for times in taken)
        shown = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in medians.items())
        print(f"{label}: {shown}, ratio {ratio:.2f} (goal: at most {goal:.2f}), {len(taken)} rounds")


def rounds(label, count, homes, fresh):
    taken = []
    for number in range(count):
        times = {}
        # Who comes first changes, as what the machine does meanwhile does.
        for name in sorted(VARIANTS, reverse=number % 2 == 1):
            if fresh:
                empty(homes[name])
            times[name] = first_answer(VARIANTS[name], homes[name])
        taken.append(times)
    return taken


def empty(home):
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    settings = pathlib.Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".npmrc"
    if settings.is_file():
        shutil.copy(settings, home / ".npmrc")


def first_answer(command, home):
    start = time.monotonic()
    server = session.Session(command, environment() | {"HOME": str(home)} | certificates())
    server.initialize()
    taken = time.monotonic() - start
    server.close()
    return taken


def certificates():
    """Where the machine has certificates of its own for its registry."""
    return {name: value for name, value in os.environ.items() if name in ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")}


main()
