"""Language runtimes installed in a user's home folder, as nvm and pyenv lay them out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import HERE

SHIM = """#!/usr/bin/env bash
set -e
[ -n "$PYENV_DEBUG" ] && set -x

program="${0##*/}"

export PYENV_ROOT="{root}"
exec "{root}/libexec/pyenv" exec "$program" "$@"
"""

# What of pyenv a shim needs: the version is that of the environment, of the folder or of the user, in this order.
PYENV = """#!/usr/bin/env bash
set -e
find_version() {
  if [ -n "$PYENV_VERSION" ]; then echo "$PYENV_VERSION"; return; fi
  dir=$PWD
  while [ -n "$dir" ]; do
    if [ -f "$dir/.python-version" ]; then cat "$dir/.python-version"; return; fi
    dir=${dir%/*}
  done
  cat "$PYENV_ROOT/version"
}
version=$(find_version)
case $1 in
  root) echo "$PYENV_ROOT" ;;
  version-name) echo "$version" ;;
  prefix) echo "$PYENV_ROOT/versions/$version" ;;
  which) echo "$PYENV_ROOT/versions/$version/bin/$2" ;;
  exec) program=$2; shift 2; exec "$PYENV_ROOT/versions/$version/bin/$program" "$@" ;;
  *) echo "pyenv: no such command '$1'" >&2; exit 1 ;;
esac
"""


def install_node(home: Path) -> Path:
    """The tests' node under ~/.nvm with the Node servers installed globally; the folder for PATH."""
    node = Path(shutil.which("node")).resolve()
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    prefix = home / ".nvm/versions/node" / version
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(node, prefix / "bin/node")
    shutil.copytree(HERE / "node_modules", prefix / "lib/node_modules", symlinks=True)
    server = "@modelcontextprotocol/server-filesystem/dist/index.js"
    (prefix / "bin/mcp-server-filesystem").symlink_to(f"../lib/node_modules/{server}")
    return prefix / "bin"


def install_pyenv(home: Path) -> Path:
    """The tests' Python as a version of pyenv, with mcp-server-time installed in it; the folder of the shims."""
    root = home / ".pyenv"
    version = ".".join(map(str, sys.version_info[:3]))
    prefix = root / "versions" / version
    install_python(prefix)
    (root / "version").write_text(version + "\n")
    write_script(root / "libexec/pyenv", PYENV)
    (root / "bin").mkdir()
    (root / "bin/pyenv").symlink_to("../libexec/pyenv")
    for program in ("python", "python3", "mcp-server-time"):
        write_script(root / "shims" / program, SHIM.replace("{root}", str(root)))
    return root / "shims"


def install_python(prefix: Path) -> None:
    """A Python of its own at `prefix`: interpreter, standard library, and the packages of the tests' venv."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = prefix / "lib" / name
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(os.path.realpath(sys.executable), prefix / "bin" / name)
    (prefix / "bin/python3").symlink_to(name)
    (prefix / "bin/python").symlink_to(name)
    leave_out = shutil.ignore_patterns("test", "__pycache__", "site-packages", "dist-packages", "config-*", "idlelib")
    shutil.copytree(os.path.dirname(os.__file__), library, ignore=leave_out)
    packages = next((HERE / ".venv/lib").glob("python3*/site-packages"))
    unused = shutil.ignore_patterns("__pycache__", "pip", "lxml", "setuptools", "pygments", "_pytest")
    shutil.copytree(packages, library / "site-packages", ignore=unused)
    # Debian's Python looks into dist-packages outside a venv.
    (library / "dist-packages").symlink_to("site-packages")
    script = f"#!{prefix}/bin/{name}\nimport sys\nfrom mcp_server_time import main\nsys.exit(main())\n"
    write_script(prefix / "bin/mcp-server-time", script)


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def python_prefix(python: Path) -> str:
    """The prefix that `python` itself reports."""
    code = "import json, sys; print(json.dumps(sys.prefix))"
    return json.loads(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)
