"""The least of an MCP client: newline-delimited JSON over two pipes, with as little of its own time as Python allows."""

import json
import os
import subprocess

from commands import environment

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


class Session:
    """One running server. Closing it closes stdin and waits for the end."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env or environment(),
            bufsize=0,
        )
        self.input = self.process.stdin.fileno()
        self.output = self.process.stdout.fileno()
        self.rest = b""
        self.next_id = 0

    def initialize(self) -> None:
        self.request("initialize", INITIALIZE)
        self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def echo(self, message: str) -> bytes:
        return self.request("tools/call", {"name": "echo", "arguments": {"message": message}})

    def request(self, method: str, params: dict) -> bytes:
        """The line that answers the request; a server that ends instead is an error."""
        self.next_id += 1
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}
        self.send(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        wanted = b'"id":%d' % self.next_id
        while True:
            line = self.line()
            # The id comes first or last, whatever the size of the result.
            if wanted in line[:64] or wanted in line[-64:]:
                return line

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.input, view) :]

    def line(self) -> bytes:
        parts = [self.rest]
        while b"\n" not in parts[-1]:
            part = os.read(self.output, 1 << 20)
            if not part:
                raise RuntimeError(f"{self.process.args[0]} ended early: exit {self.process.wait()}")
            parts.append(part)
        line, _, self.rest = b"".join(parts).partition(b"\n")
        return line

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
