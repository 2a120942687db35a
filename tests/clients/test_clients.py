"""Clients read the files that `wrap` changed, and start the servers in the box; `unwrap` gives the files back."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
SERVER = MODULES / ".bin/mcp-server-everything"
MCP_SANDBOX = os.environ.get("MCP_SANDBOX") or str(HERE.parents[1] / "target/release/mcp-sandbox")
NEWER_NODE = next(MODULES.glob("node-linux-*/bin"))
CLAUDE = next(path for path in MODULES.glob("@anthropic-ai/claude-code-linux-*/claude") if "musl" not in str(path))


@dataclass
class Client:
    name: str
    file: str
    # How it writes a server that is a command with arguments.
    text: Callable[[str, list[str]], str]
    # Starts the server `everything` of its file, and gives what it says of it.
    start: Callable[["Desk"], str]
    # What it says when it got the server's tools, or knows that it is there.
    connected: str
    # It writes its file itself.
    rewrites: bool = False


class Desk:
    """A user's home and a folder to work in, without a network."""

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.work = folder / "work"
        self.home.mkdir()
        self.work.mkdir()

    def run(self, *command, path: str | None = None) -> subprocess.CompletedProcess:
        command, env = self.offline(command, path)
        return subprocess.run(
            command, cwd=self.work, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    def answer(self, asked: list[dict], *command) -> str:
        """What a server that speaks JSON lines says to the last of what it is asked."""
        command, env = self.offline(command)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=self.work, env=env, text=True, **pipes) as server:
            server.stdin.write("".join(json.dumps(one) + "\n" for one in asked))
            server.stdin.flush()
            for line in server.stdout:
                if json.loads(line).get("id") == asked[-1]["id"]:
                    return line
        raise AssertionError("there was no answer")

    def offline(self, command, path: str | None = None) -> tuple[list[str], dict[str, str]]:
        env = {
            "PATH": ":".join(filter(None, [path, os.environ["PATH"]])),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "SECRET_CANARY": "canary-token",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "GEMINI_TELEMETRY_ENABLED": "false",
            "MCP_INSPECTOR_SECRET_STORE": "memory",
        }
        network = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-current-user", "--net"]
        return [*network, *map(str, command)], env

    def ours(self, *words) -> str:
        done = self.run(MCP_SANDBOX, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


def json_file(command: str, args: list[str]) -> str:
    servers = {"everything": {"command": command, "args": args}}
    return json.dumps({"mcpServers": servers}, indent=2) + "\n"


def toml_file(command: str, args: list[str]) -> str:
    return f"# Codex\n[mcp_servers.everything]   # the test server\ncommand = {json.dumps(command)}\nargs = {json.dumps(args)}\n"


def start_claude(desk: Desk) -> str:
    return desk.run(CLAUDE, "mcp", "list").stdout


def start_gemini(desk: Desk) -> str:
    (desk.home / ".gemini/trustedFolders.json").write_text(json.dumps({str(desk.work): "TRUST_FOLDER"}))
    done = desk.run(MODULES / ".bin/gemini", "mcp", "list")
    return done.stdout + done.stderr


def start_codex(desk: Desk) -> str:
    """Asks the server that Codex's windows talk to."""
    asked = [
        {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "test", "version": "1"}}},
        {"method": "initialized"},
        {"id": 2, "method": "mcpServerStatus/list", "params": {}},
    ]
    return desk.answer(asked, MODULES / ".bin/codex", "app-server")


def start_inspector(desk: Desk, *request) -> str:
    request = request or ("--method", "tools/list")
    file = desk.home / ".cursor/mcp.json"
    command = [MODULES / ".bin/mcp-inspector", "--cli", "--config", file, "--server", "everything", *request]
    done = desk.run(*command, path=str(NEWER_NODE))
    return done.stdout


CLIENTS = [
    Client("claude-code", ".claude.json", json_file, start_claude, "✔ Connected", rewrites=True),
    Client("gemini", ".gemini/settings.json", json_file, start_gemini, " - Connected"),
    Client("codex", ".codex/config.toml", toml_file, start_codex, '"get-sum"'),
    # The Inspector has no file of its own and reads the others' format: here Cursor's.
    Client("cursor", ".cursor/mcp.json", json_file, start_inspector, '"get-sum"'),
]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request, desk: Desk) -> Client:
    (desk.home / request.param.file).parent.mkdir(parents=True, exist_ok=True)
    return request.param


def test_the_client_starts_what_was_boxed(client: Client, desk: Desk):
    file = desk.home / client.file
    file.write_text(client.text(str(SERVER), []))
    bare = client.start(desk)
    assert client.connected in bare, bare

    before = file.read_text()
    desk.ours("wrap", client.name, "--yes")
    assert MCP_SANDBOX in file.read_text()
    boxed = client.start(desk)
    assert client.connected in boxed, boxed
    assert "boxed" in desk.ours("status", "--strict", client.name)

    desk.ours("unwrap", client.name, "--yes")
    if client.rewrites:
        assert json.loads(file.read_text())["mcpServers"] == json.loads(before)["mcpServers"]
    else:
        assert file.read_text() == before


def test_the_client_tells_when_the_box_cannot_be_made(client: Client, desk: Desk):
    """The control: that a client is connected is due to what we start."""
    (desk.home / client.file).write_text(
        client.text(MCP_SANDBOX, ["run", "--profile", "no-such-profile", "--", str(SERVER)])
    )
    said = client.start(desk)
    assert client.connected not in said, said


def test_only_the_boxed_server_is_without_the_clients_secrets(desk: Desk):
    (desk.home / ".cursor").mkdir()
    (desk.home / ".cursor/mcp.json").write_text(json_file(str(SERVER), []))
    call = ("--method", "tools/call", "--tool-name", "get-env")
    pass_all = ("-e", "SECRET_CANARY=canary-token")
    assert "canary-token" in start_inspector(desk, *call, *pass_all)
    desk.ours("wrap", "cursor", "--yes")
    said = start_inspector(desk, *call, *pass_all)
    assert "TMPDIR" in said and "canary-token" not in said, said


def test_codex_reads_what_was_written(desk: Desk):
    (desk.home / ".codex").mkdir()
    (desk.home / ".codex/config.toml").write_text(toml_file(str(SERVER), ["stdio"]))
    desk.ours("wrap", "codex", "--yes")
    done = desk.run(MODULES / ".bin/codex", "mcp", "get", "everything", "--json")
    transport = json.loads(done.stdout)["transport"]
    assert transport["command"] == MCP_SANDBOX
    assert transport["args"] == ["run", "--profile", "everything", "--", str(SERVER), "stdio"]


def test_claude_code_reads_what_was_written_for_one_folder(desk: Desk):
    file = desk.home / ".claude.json"
    servers = json.loads(json_file(str(SERVER), []))["mcpServers"]
    file.write_text(json.dumps({"projects": {str(desk.work): {"mcpServers": servers}}}))
    desk.ours("wrap", "claude-code", "--yes")
    said = desk.run(CLAUDE, "mcp", "get", "everything").stdout
    assert "Local" in said and "✔ Connected" in said, said
