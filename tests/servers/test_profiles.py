"""Servers of the built-in profiles, each from a pinned release: `run` picks the profile, and the server lists its tools in it.

Nothing is reached and no account is needed. The tokens are none, and arrive by the names that the profile passes.
"""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import BIN, HERE, MCP_SANDBOX, VENV

CASES = json.loads((HERE / "profiles.json").read_text())
# Servers that do not start offline, or are large: what README.md says about each stands there.
LEFT_OUT = set(re.findall(r"^\| `([a-z0-9-]+)` \|", (HERE / "README.md").read_text(), re.MULTILINE))

MESSAGES = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]


def filled(words, work):
    places = {
        "{bin}": BIN,
        "{venv}": VENV,
        "{profiles}": HERE / "profiles/node_modules/.bin",
        "{profiles_venv}": HERE / "profiles/.venv/bin",
        "{work}": work,
    }
    for place, path in places.items():
        words = [word.replace(place, str(path)) for word in words]
    return words


def answers(command, env, home):
    """The names of the tools, and what was written to stderr."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **env}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=home, text=True
    ) as server:
        for message in MESSAGES:
            server.stdin.write(json.dumps(message) + "\n")
            server.stdin.flush()
            while "id" in message:
                line = server.stdout.readline()
                assert line, server.stderr.read()
                answer = json.loads(line)
                if answer.get("id") == message["id"] and "method" not in answer:
                    assert "result" in answer, answer
                    break
        server.stdin.close()
        stderr = server.stderr.read()
    return [tool["name"] for tool in answer["result"]["tools"]], stderr


def start(name, folder):
    case = CASES[name]
    work, home = folder / "work", folder / "home"
    work.mkdir()
    home.mkdir()
    return answers([MCP_SANDBOX, "run", "--", *filled(case["command"], work)], case.get("env", {}), home)


@pytest.fixture(scope="module")
def started(request, tmp_path_factory):
    """What came of each server that is asked about, as many at a time as there are processors."""
    wanted = {item.callspec.params["name"] for item in request.session.items if "started" in item.fixturenames}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(start, name, tmp_path_factory.mktemp(name)) for name in sorted(wanted)}


@pytest.mark.parametrize("name", CASES)
def test_the_server_starts_in_its_profile(name, started):
    tools, stderr = started[name].result()
    assert CASES[name]["tool"] in tools
    assert f'profile "{name}" (it fits the command)' in stderr


def test_every_built_in_profile_is_tried_or_left_out_for_a_reason():
    listed = subprocess.run([MCP_SANDBOX, "profiles", "list"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in listed.splitlines()[1:] if " built-in " in line}
    assert names - {"default"} == set(CASES) | LEFT_OUT
    assert not set(CASES) & LEFT_OUT
