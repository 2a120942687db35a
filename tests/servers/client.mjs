// The official TypeScript MCP client, driven by one JSON job on stdin; prints one JSON transcript on stdout.
// Job and transcript are those of client.py. The server's stderr is this program's own.

import { text } from "node:stream/consumers";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CreateMessageRequestSchema, McpError } from "@modelcontextprotocol/sdk/types.js";

const sampled = { role: "assistant", content: { type: "text", text: "sampled" }, model: "fixed", stopReason: "endTurn" };

/** The result of one request, or the protocol error that came instead. */
async function outcome(request) {
  try {
    return { result: await request };
  } catch (error) {
    if (!(error instanceof McpError)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
}

async function listAll(client, capabilities) {
  const lists = {};
  if (capabilities.tools) lists.tools = await outcome(client.listTools());
  if (capabilities.resources) {
    lists.resources = await outcome(client.listResources());
    lists.templates = await outcome(client.listResourceTemplates());
  }
  if (capabilities.prompts) lists.prompts = await outcome(client.listPrompts());
  return lists;
}

async function call(client, tool, args) {
  const progress = [];
  const onprogress = ({ progress: done, total, message }) => {
    // The SDKs may drop the last report when the result comes in the same read.
    if (done !== total) progress.push([done, total ?? null, message ?? null]);
  };
  const answer = await outcome(client.callTool({ name: tool, arguments: args }, undefined, { onprogress }));
  return { tool, ...answer, progress };
}

async function inOrder(items, request) {
  const answers = [];
  for (const item of items) answers.push(await request(item));
  return answers;
}

async function transcript(job) {
  const [command, ...args] = job.command;
  const client = new Client({ name: "mcp-sandbox-tests", version: "1" }, { capabilities: { sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, () => sampled);
  const transport = new StdioClientTransport({ command, args, env: job.env, cwd: job.cwd, stderr: "inherit" });
  let protocol = null;
  transport.setProtocolVersion = (version) => (protocol = version);
  await client.connect(transport);
  const capabilities = client.getServerCapabilities();
  const log = {
    protocol,
    server: client.getServerVersion(),
    capabilities,
    instructions: client.getInstructions() ?? null,
    lists: await listAll(client, capabilities),
    calls: await inOrder(job.calls, (c) => call(client, c.tool, c.arguments)),
    resources: await inOrder(job.resources, (uri) => outcome(client.readResource({ uri }))),
    prompts: await inOrder(job.prompts, (p) => outcome(client.getPrompt(p))),
  };
  await client.close();
  return log;
}

process.stdout.write(JSON.stringify(await transcript(JSON.parse(await text(process.stdin)))));
