"""The official clients start a server by what `wrap` made of a client's configuration."""

import json
import os
import subprocess

import pytest
from harness import BIN, CLIENTS, MCP_SANDBOX, call, talk


def ours(home, *words):
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    subprocess.run([MCP_SANDBOX, *words], env=env, cwd=home, check=True, capture_output=True)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_wrapped_server_answers_as_before_and_is_boxed(client, home):
    file = home / ".cursor/mcp.json"
    file.parent.mkdir()
    entry = {"command": str(BIN / "mcp-server-everything"), "args": ["stdio"], "env": {"GIVEN": "by the client"}}
    file.write_text(json.dumps({"mcpServers": {"everything": entry}}, indent="\t"))
    before = file.read_bytes()

    def session():
        entry = json.loads(file.read_bytes())["mcpServers"]["everything"]
        env = {**entry["env"], "SECRET_CANARY": "canary-token"}
        return talk([entry["command"], *entry["args"]], call("get-env"), home=home, env=env, client=client)

    bare = session()
    ours(home, "wrap", "cursor", "--yes")
    boxed = session()
    assert bare.transcript["lists"] == boxed.transcript["lists"]
    variables = json.loads(boxed.text())
    assert variables["GIVEN"] == "by the client"
    assert "SECRET_CANARY" not in variables and "SECRET_CANARY" in json.loads(bare.text())
    ours(home, "unwrap", "cursor", "--yes")
    assert file.read_bytes() == before
