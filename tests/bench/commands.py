"""The command lines that are compared: the same program bare, in bubblewrap, and in our box."""

import os
import pwd
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ROOT / "tests/servers"
EVERYTHING = str(SERVERS / "node_modules/.bin/mcp-server-everything")
PROGRAM = os.path.abspath(os.environ.get("MCP_SANDBOX") or ROOT / "target/release/mcp-sandbox")
PROBE = str(ROOT / "target/release/mcp-sandbox-probe")
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"

# What the default profile shows of a system, so that both boxes make about the same number of mounts.
SYSTEM_FOLDERS = ["/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share"]
SYSTEM_FILES = [
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
]


def environment() -> dict[str, str]:
    """The client's environment, the same for every variant."""
    user = pwd.getpwuid(os.geteuid())
    node = shutil.which("node")
    path = f"{os.path.dirname(node)}:{SYSTEM_PATH}" if node else SYSTEM_PATH
    return {"PATH": path, "HOME": user.pw_dir, "USER": user.pw_name, "LANG": "C.UTF-8"}


def bare(command: list[str]) -> list[str]:
    return command


def ours(command: list[str]) -> list[str]:
    return [PROGRAM, "run", "--quiet", "--", *command]


def ours_with_hosts(command: list[str], *hosts: str) -> list[str]:
    allowed = [word for host in hosts for word in ("--allow", host)]
    return [PROGRAM, "run", "--quiet", *allowed, "--", *command]


def bwrap(command: list[str]) -> list[str]:
    """bubblewrap with the options that come nearest to our default box; it has no seccomp filter and no Landlock rules."""
    env = environment()
    options = ["--unshare-user", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    for name, value in env.items():
        options += ["--setenv", name, value]
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", env["HOME"]]
    for folder in SYSTEM_FOLDERS:
        options += ["--ro-bind-try", folder, folder]
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            options += ["--symlink", f"usr/{name}", f"/{name}"]
        else:
            options += ["--ro-bind-try", f"/{name}", f"/{name}"]
    for file in SYSTEM_FILES:
        options += ["--ro-bind-try", file, file]
    for folder in runtime_of(command):
        options += ["--ro-bind", folder, folder]
    return [shutil.which("bwrap") or "bwrap", *options, "--chdir", env["HOME"], "--", *command]


def runtime_of(command: list[str]) -> list[str]:
    """The folders a Node server needs beside the system's: its package tree, and node's prefix when that is elsewhere."""
    if command[0] != EVERYTHING:
        return []
    node = Path(shutil.which("node", path=environment()["PATH"]) or "node").resolve()
    prefix = [] if str(node).startswith("/usr/bin/") else [str(node.parents[1])]
    return [*prefix, str(SERVERS / "node_modules")]


VARIANTS = {"bare": bare, "bwrap": bwrap, "ours": ours}
