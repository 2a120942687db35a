"""Talks to pinned servers through the official clients, bare or in a box, and makes what they answer comparable."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE / "node_modules/.bin"
VENV = HERE / ".venv/bin"
VULNERABLE_FILESYSTEM = HERE / "node_modules/server-filesystem-vulnerable/dist/index.js"
MCP_SANDBOX = os.environ.get("MCP_SANDBOX") or str(HERE.parents[1] / "target/release/mcp-sandbox")

# What package managers are told by the environment about registries and how to get there.
OF_MANAGERS = re.compile(r"npm_config_.+|pip_.+|uv_.+|node_extra_ca_certs|ssl_cert_(file|dir)|(https?|all|no)_proxy", re.IGNORECASE)

# How rich begins a line of a log: with the time, or with blanks where it is that of the line before.
TIME = [r'(?m)^(  ")(\[\d\d/\d\d/\d\d \d\d:\d\d:\d\d\]| {19}) (?=[A-Z]+ )', r"\1[TIME] "]

CLIENTS = {
    "python": [sys.executable, str(HERE / "client.py")],
    "typescript": ["node", str(HERE / "client.mjs")],
}

# A seed file's times, so that two copies of a folder answer alike.
SEED_TIME = 1_750_000_000


@dataclass
class Session:
    """What a client saw of one server, and what the server wrote to stderr."""

    transcript: dict
    stderr: str

    def text(self, call: int = 0) -> str:
        """All text of one call's answer, result or error."""
        answer = self.transcript["calls"][call]
        if "error" in answer:
            return answer["error"]["message"]
        return "\n".join(part.get("text", "") for part in answer["result"]["content"])

    def failed(self, call: int = 0) -> bool:
        answer = self.transcript["calls"][call]
        return "error" in answer or bool(answer["result"].get("isError"))


def of_managers(environment) -> dict[str, str]:
    """The part of the environment that a download depends on."""
    return {name: value for name, value in environment.items() if OF_MANAGERS.fullmatch(name)}


def bare(command, *_flags) -> list[str]:
    return [str(word) for word in command]


def boxed(command, *flags) -> list[str]:
    return [MCP_SANDBOX, "run", "--quiet", *map(str, flags), "--", *map(str, command)]


def call(tool: str, **arguments) -> dict:
    return {"tool": tool, "arguments": arguments}


def talk(command, *calls, home, env=None, client="typescript", resources=(), prompts=(), timeout=60) -> Session:
    """One session with the server that `command` starts: handshake, every list, then the calls in order.

    `home` is the user's home folder and the working folder of the server; `env` is what the client was configured to
    pass to it, as in the `env` block of a client's configuration file.
    """
    job = {
        "command": bare(command),
        "env": {"PATH": os.environ["PATH"], "HOME": str(home), **(env or {})},
        "cwd": str(home),
        "calls": calls,
        "resources": list(resources),
        "prompts": list(prompts),
    }
    done = subprocess.run(CLIENTS[client], input=json.dumps(job), capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise AssertionError(f"{client} client: exit {done.returncode} with {job['command']}\n{done.stderr}")
    return Session(json.loads(done.stdout), done.stderr)


@dataclass
class Case:
    """One entry of cases.json."""

    name: str
    command: list[str]
    calls: list[dict]
    flags: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    repositories: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    prompts: list[dict] = field(default_factory=list)
    normalise: list[list[str]] = field(default_factory=list)

    def run(self, client: str, wrap, work: Path) -> tuple[Session, str]:
        """The session, and its transcript as text without what differs between any two runs."""
        for name in self.repositories:
            make_repository(work / name)
        write_files(work, self.files)
        home = work / "home"
        home.mkdir(parents=True)
        session = talk(
            wrap(self.command, *self.flags),
            *self.calls,
            home=home,
            env=self.env,
            client=client,
            resources=self.resources,
            prompts=self.prompts,
        )
        text = json.dumps(
            {"transcript": session.transcript, "stderr": session.stderr.splitlines()}, indent=1, sort_keys=True
        )
        for pattern, replacement in [[re.escape(str(work)), "WORK"], TIME, *self.normalise]:
            text = re.sub(pattern, replacement, text)
        return session, text


def load_case(name: str, work: Path) -> Case:
    """A case with its places filled in: `{bin}`, `{venv}`, and `{work}` for a folder of this run."""
    places = {"{bin}": str(BIN), "{venv}": str(VENV), "{work}": str(work)}

    def fill(value):
        if isinstance(value, str):
            for place, path in places.items():
                value = value.replace(place, path)
            return value
        if isinstance(value, list):
            return [fill(item) for item in value]
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        return value

    return Case(name, **fill(all_cases()[name]))


def all_cases() -> dict:
    return json.loads((HERE / "cases.json").read_text())


def write_files(root: Path, files: dict[str, str]) -> None:
    """Files by relative path; a path that ends in a slash is an empty folder. All carry the same times."""
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            os.utime(path, (SEED_TIME, SEED_TIME))


def make_repository(path: Path, content: str = "first\n") -> Path:
    """A git repository with one commit, whose hash is the same every time."""
    write_files(path, {"file.txt": content})
    settings = {"user.name": "Tester", "user.email": "tester@example.org", "gc.auto": "0", "maintenance.auto": "false"}
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": f"{SEED_TIME} +0000",
        "GIT_COMMITTER_DATE": f"{SEED_TIME} +0000",
    }
    steps = [
        ["init", "--quiet", "--initial-branch=main", "--template="],
        *(["config", key, value] for key, value in settings.items()),
        ["add", "."],
        ["commit", "--quiet", "--message=first"],
    ]
    for step in steps:
        subprocess.run([shutil.which("git") or "git", *step], cwd=path, env=env, check=True)
    return path
