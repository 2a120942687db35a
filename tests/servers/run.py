#!/usr/bin/env python3
"""Runs the tests with real servers, as the caller or, started by root, as an ordinary user.

    run.py [--as-user NAME] [--all] [PYTEST ARGUMENTS…]

With --all every server of a built-in profile is also started by npx or uvx, downloaded anew, which takes a while.

The program under test is $MCP_SANDBOX, by default target/release/mcp-sandbox of this checkout.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import of_managers

HERE = Path(__file__).resolve().parent
PROGRAM = Path(os.environ.get("MCP_SANDBOX") or HERE.parents[1] / "target/release/mcp-sandbox").absolute()
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(arguments: list[str]) -> None:
    user = None
    if arguments[:1] == ["--as-user"]:
        user, arguments = arguments[1], arguments[2:]
    if not os.access(PROGRAM, os.X_OK):
        fail(f'"{PROGRAM}" is not there', "cargo build --release, or set MCP_SANDBOX")
    subprocess.run([HERE / "setup.sh"], check=True)
    with tempfile.TemporaryDirectory(prefix="mcp-sandbox-tests-") as home:
        prefix, env = become(user, home) if user else ([], dict(os.environ))
        sys.exit(run_tests(prefix, env, arguments))


def run_tests(prefix: list[str], env: dict[str, str], arguments: list[str]) -> int:
    env |= {"MCP_SANDBOX": str(PROGRAM), "PYTHONDONTWRITEBYTECODE": "1"}
    tests = [str(HERE / ".venv/bin/python"), "-m", "pytest", "-q", f"--rootdir={HERE}", "-c", str(HERE / "pytest.ini")]
    if not any(not word.startswith("-") and "test_" in word for word in arguments):
        arguments = [str(HERE), *arguments]
        if os.geteuid() == 0 and not prefix:
            # Whether two dozen more servers and a browser start is asked once, as the ordinary user who would start them.
            arguments += [f"--ignore={HERE / name}" for name in ("test_profiles.py", "test_browser_of_debian.py")]
    os.chdir(HERE)
    return subprocess.run([*prefix, *tests, *arguments], env=env).returncode


def become(name: str, home: str) -> tuple[list[str], dict[str, str]]:
    """The command prefix that makes the tests run as `name`, and the environment a login would give them.

    The home is a new one: an account such as nobody has none.
    """
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        fail(f'there is no user "{name}"', f"useradd --create-home {name}")
    os.chown(home, user.pw_uid, user.pw_gid)
    prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    for needed in (PROGRAM, HERE / ".venv/bin/python", HERE / "node_modules/.bin/mcp-server-everything"):
        if subprocess.run([*prefix, "test", "-x", needed]).returncode != 0:
            fail(f'"{name}" may not execute "{needed}"', "put the checkout where every user can read it")
    path = f"{os.path.dirname(shutil.which('node'))}:{SYSTEM_PATH}"
    return prefix, of_managers(os.environ) | {
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "SHELL": "/bin/sh",
        "PATH": path,
        "LANG": "C.UTF-8",
    }


def fail(what: str, hint: str):
    sys.exit(f"error: {what}\nhint: {hint}")


if __name__ == "__main__":
    main(sys.argv[1:])
