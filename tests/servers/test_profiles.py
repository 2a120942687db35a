"""Servers of the built-in profiles, each from a pinned release: `run` picks the profile, and the server lists its tools in it.

Each is started twice. Cold is the first start in a home where nothing was started yet: with an installed program the profile
makes its home, with `npx` and `uvx` the package is downloaded. Warm is the second one, for which no registry is there.
Nothing else is reached and no account is needed. The tokens are none, and arrive by the names that the profile passes.
"""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from harness import HERE, MCP_SANDBOX, VENV, of_managers

CASES = json.loads((HERE / "profiles.json").read_text())
# Servers that do not start offline: what README.md says about each stands there.
LEFT_OUT = set(re.findall(r"^\| `([a-z0-9-]+)` \|", (HERE / "README.md").read_text(), re.MULTILINE))
PLACES = [HERE, HERE / "profiles"]

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
# Nobody listens there.
NO_REGISTRY = {
    "npm_config_registry": "http://127.0.0.1:1/",
    "npm_config_fetch_retries": "0",
    "PIP_INDEX_URL": "http://127.0.0.1:1/simple/",
    "PIP_RETRIES": "0",
    "UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple/",
}
COLD_SECONDS, WARM_SECONDS = 900, 120
# The system's Python, not the caller's pyenv: a box shows nothing of root's home.
PATH = f"{os.path.dirname(shutil.which('node'))}:/usr/local/bin:/usr/bin:/bin"


@dataclass
class Start:
    tools: list[str]
    stderr: str
    seconds: float


def pin(case):
    """The version and the folder that the package is installed in; no folder for one that is started by its launcher alone."""
    if "version" in case:
        return case["version"], None
    for place in PLACES:
        if "npm" in case:
            pins = json.loads((place / "package.json").read_text())["dependencies"]
        else:
            lines = (place / "requirements.in").read_text().splitlines()
            pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
        name = case.get("npm") or case["python"]
        if name in pins:
            return pins[name], place
    raise AssertionError(f"no version is pinned for {case}")


def installed(case):
    """The command of the installed program."""
    _, place = pin(case)
    folder = "node_modules/.bin" if "npm" in case else ".venv/bin"
    return [str(place / folder / case["program"]), *case.get("args", [])]


def launched(case):
    """The command that a client's configuration has."""
    version, _ = pin(case)
    if "npm" in case:
        return ["npx", "-y", f"{case['npm']}@{version}", *case.get("args", [])]
    more = [word for package in case.get("with", []) for word in ("--with", package)]
    return ["uvx", *more, f"{case['python']}@{version}", *case.get("args", [])]


def answers(command, env, home, most):
    """What a server says, started in `home`; an error after `most` seconds."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **env}
    began = time.monotonic()
    with (
        open(home / "stderr", "w+") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=env, cwd=home, text=True
        ) as server,
    ):
        clock = threading.Timer(most, server.kill)
        clock.start()
        try:
            for message in MESSAGES:
                server.stdin.write(json.dumps(message) + "\n")
                server.stdin.flush()
                while "id" in message:
                    line = server.stdout.readline()
                    assert line, f"{command} said no more:\n{(home / 'stderr').read_text()}"
                    answer = json.loads(line)
                    if answer.get("id") == message["id"] and "method" not in answer:
                        assert "result" in answer, answer
                        break
            seconds = time.monotonic() - began
            server.stdin.close()
            server.wait()
        finally:
            clock.cancel()
            server.kill()
    return Start([tool["name"] for tool in answer["result"]["tools"]], (home / "stderr").read_text(), seconds)


def twice(name, words, env, folder):
    """The cold start and the warm one."""
    case = CASES[name]
    work, home = folder / "work", folder / "home"
    work.mkdir()
    home.mkdir()
    command = [MCP_SANDBOX, "run", "--", *(word.replace("{work}", str(work)) for word in words(case))]
    env = {**case.get("env", {}), **env}
    try:
        cold = answers(command, env, home, COLD_SECONDS)
        return cold, answers(command, {**env, **NO_REGISTRY}, home, WARM_SECONDS)
    finally:
        shutil.rmtree(home / ".cache", ignore_errors=True)


def all_at_once(request, tmp_path_factory, fixture, words, env):
    """What came of each server that is asked about, as many at a time as there are processors."""
    wanted = {item.callspec.params["name"] for item in request.session.items if fixture in item.fixturenames}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            name: pool.submit(twice, name, words, env, tmp_path_factory.mktemp(f"{fixture}-{name}"))
            for name in sorted(wanted)
        }


@pytest.fixture(scope="module")
def of_installed(request, tmp_path_factory):
    yield from all_at_once(request, tmp_path_factory, "of_installed", installed, {})


@pytest.fixture(scope="module")
def of_launched(request, tmp_path_factory):
    env = of_managers(os.environ) | {"PATH": PATH}
    yield from all_at_once(request, tmp_path_factory, "of_launched", launched, env)


def pytest_generate_tests(metafunc):
    if "of_installed" in metafunc.fixturenames:
        metafunc.parametrize("name", [name for name, case in CASES.items() if pin(case)[1]])
    elif "of_launched" in metafunc.fixturenames:
        every = metafunc.config.getoption("--all")
        metafunc.parametrize("name", [name for name, case in CASES.items() if every or case.get("regular")])


def check(name, cold, warm):
    print(f"{name}: cold {cold.seconds:.1f} s, warm {warm.seconds:.1f} s")
    for start in (cold, warm):
        assert CASES[name]["tool"] in start.tools
        assert f'profile "{name}" (it fits the command)' in start.stderr
    assert cold.tools == warm.tools


def test_the_installed_server_starts_in_its_profile_cold_and_warm(name, of_installed):
    check(name, *of_installed[name].result())


def test_the_launched_server_starts_in_its_profile_cold_and_warm_without_a_registry(name, of_launched):
    cold, warm = of_launched[name].result()
    check(name, cold, warm)
    assert "mcp-sandbox: preparing" in cold.stderr
    assert "mcp-sandbox: preparing" not in warm.stderr


def test_uv_downloads_where_it_is_installed(tmp_path):
    tools, home = tmp_path / "bin", tmp_path / "home"
    tools.mkdir()
    home.mkdir()
    for tool in ("uv", "uvx"):
        (tools / tool).symlink_to(VENV / tool)
    env = of_managers(os.environ) | {"PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin"}
    command = [MCP_SANDBOX, "run", "--", *launched(CASES["time"])]
    cold = answers(command, env, home, COLD_SECONDS)
    [settings] = home.glob(".cache/mcp-sandbox/packages/python/mcp-server-time@*/pyvenv.cfg")
    assert "uv = " in settings.read_text()
    check("time", cold, answers(command, env | NO_REGISTRY, home, WARM_SECONDS))


@pytest.mark.parametrize("name", ["slack", "time"])
def test_a_cold_start_needs_the_registry(name, tmp_path):
    case = CASES[name]
    env = {"PATH": PATH, "HOME": str(tmp_path), **case.get("env", {}), **of_managers(os.environ)}
    command = [MCP_SANDBOX, "run", "--", *launched(case)]
    done = subprocess.run(
        command, env={**env, **NO_REGISTRY}, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 125, done.stderr
    assert "the server's package is not there: preparing it failed" in done.stderr


def test_every_built_in_profile_is_tried_or_left_out_for_a_reason():
    listed = subprocess.run([MCP_SANDBOX, "profiles", "list"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in listed.splitlines()[1:] if " built-in " in line}
    assert names - {"default"} == set(CASES) | LEFT_OUT
    assert not set(CASES) & LEFT_OUT
