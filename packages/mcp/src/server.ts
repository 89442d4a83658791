import { McpServer } from '@modelcontextprotocol/server';
import { registerResources } from './resources.ts';
import type { ToolHost } from './tool-host.ts';
import { registerToolsets, toolsets, type Toolset } from './toolsets.ts';

const instructions = `Sandboxes are virtual machines for code that must not run on this computer.
Begin with create_sandbox, and pass the id that it returns to every other tool. A sandbox keeps its files and background
processes until destroy_sandbox or the end of its lifetime. Destroy what is no longer needed.
Where a connection is refused, network_denials says why: do not try to get around it, tell the user.`;

/** A server of the Model Context Protocol with the tools for one caller's sandboxes. It keeps no state of its own. */
export function createToolServer(
  host: ToolHost,
  { version, chosen = toolsets }: { readonly version: string; readonly chosen?: readonly Toolset[] | undefined },
): McpServer {
  const server = new McpServer({ name: 'novasandbox', title: 'NovaSandbox', version }, { instructions });
  registerToolsets(server, host, chosen);
  registerResources(server, host);
  return server;
}
