"""The official Python MCP client, driven by one JSON job on stdin; prints one JSON transcript on stdout.

A job is `{command, env, cwd, calls, resources, prompts}`. The server's stderr is this program's own. The SDK speaks the
newest protocol both sides know (`server/discover`), and falls back to `initialize` with older servers.
"""

import asyncio
import json
import sys

from mcp import ClientCapabilities, MCPError, StdioServerParameters, types
from mcp.client.client import Client


async def answer_sampling(context, params):
    return types.CreateMessageResult(
        role="assistant", content=types.TextContent(type="text", text="sampled"), model="fixed", stop_reason="endTurn"
    )


def plain(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def outcome(request):
    """The result of one request, or the protocol error that came instead."""
    try:
        return {"result": plain(await request)}
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def list_all(client: Client, capabilities: ClientCapabilities) -> dict:
    lists = {}
    if capabilities.tools:
        lists["tools"] = await outcome(client.list_tools())
    if capabilities.resources:
        lists["resources"] = await outcome(client.list_resources())
        lists["templates"] = await outcome(client.list_resource_templates())
    if capabilities.prompts:
        lists["prompts"] = await outcome(client.list_prompts())
    return lists


async def call(client: Client, tool: str, arguments: dict) -> dict:
    progress = []

    async def on_progress(done, total, message):
        if done != total:  # the SDKs may drop the last report when the result comes in the same read
            progress.append([done, total, message])

    return {
        "tool": tool,
        **await outcome(client.call_tool(tool, arguments, progress_callback=on_progress)),
        "progress": progress,
    }


async def transcript(job: dict) -> dict:
    server = StdioServerParameters(command=job["command"][0], args=job["command"][1:], env=job["env"], cwd=job["cwd"])
    async with Client(server, sampling_callback=answer_sampling, cache=None) as client:
        return {
            "protocol": client.protocol_version,
            "server": plain(client.server_info),
            "capabilities": plain(client.server_capabilities),
            "instructions": client.instructions,
            "lists": await list_all(client, client.server_capabilities),
            "calls": [await call(client, c["tool"], c["arguments"]) for c in job["calls"]],
            "resources": [await outcome(client.read_resource(uri)) for uri in job["resources"]],
            "prompts": [await outcome(client.get_prompt(p["name"], p["arguments"])) for p in job["prompts"]],
        }


if __name__ == "__main__":
    json.dump(asyncio.run(transcript(json.load(sys.stdin))), sys.stdout)
