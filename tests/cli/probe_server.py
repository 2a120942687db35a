"""A server that says what nobody sees. argv: the era it speaks, and a host and port that it tries to reach."""

import json
import socket
import sys

era, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    socket.create_connection((host, port), timeout=5)
except OSError:
    pass
print("starting", flush=True)
while era == "chatty":
    print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x" * 200000}}), flush=True)
tools = [
    {"name": "plain", "description": "says hello", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": "sly", "description": "adds\U000e0049\U000e0047 numbers\u202e", "inputSchema": {"type": "object"}},
]
told = {"capabilities": {"tools": {}, "prompts": {}}, "serverInfo": {"name": "sly-server", "version": "1.2"}}
for line in sys.stdin:
    message = json.loads(line)
    method, params = message["method"], message.get("params", {})
    if "id" not in message:
        continue
    error = result = None
    if method == "server/discover" and era == "modern":
        result = told | {"supportedVersions": ["2026-07-28"]}
    elif method == "initialize" and era == "legacy":
        result = told | {"protocolVersion": "2025-06-18"}
    elif method == "tools/list":
        # One page for each tool.
        at = int(params.get("cursor", "0"))
        result = {"tools": tools[at : at + 1]} | ({"nextCursor": str(at + 1)} if at == 0 else {})
        if era == "modern" and "io.modelcontextprotocol/protocolVersion" not in params.get("_meta", {}):
            error = {"code": -32602, "message": "no version"}
    elif method == "prompts/list":
        result = {"prompts": []}
    else:
        error = {"code": -32601, "message": "unknown"}
    answer = {"error": error} if error else {"result": result}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"]} | answer), flush=True)
