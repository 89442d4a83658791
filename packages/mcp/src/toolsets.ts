import type { McpServer } from '@modelcontextprotocol/server';
import type { ToolHost } from './tool-host.ts';
import { registerTool, type AnyTool } from './tool.ts';
import { controlCommand, readCommand, runCommand, startCommand } from './tools/commands.ts';
import { listFiles, readFile, writeFile } from './tools/files.ts';
import { networkDenials, openPort } from './tools/network.ts';
import { createSandbox, destroySandbox, listSandboxes } from './tools/sandboxes.ts';
import { forkSandbox, takeSnapshot } from './tools/state.ts';

type MakeTool = (host: ToolHost) => AnyTool;

/** The tools by what they are about. A model chooses better among few, so a host may be given some of them alone. */
const table = {
  sandboxes: [createSandbox, listSandboxes, destroySandbox],
  commands: [runCommand, startCommand, readCommand, controlCommand],
  files: [readFile, writeFile, listFiles],
  state: [takeSnapshot, forkSandbox],
  network: [openPort, networkDenials],
} satisfies Readonly<Record<string, readonly MakeTool[]>>;

export type Toolset = keyof typeof table;
export const toolsets = Object.keys(table) as readonly Toolset[];
export const isToolset = (name: string): name is Toolset => Object.hasOwn(table, name);

/** Adds the tools of these sets to a server. */
export function registerToolsets(server: McpServer, host: ToolHost, chosen: readonly Toolset[]): void {
  for (const name of chosen) for (const make of table[name]) registerTool(server, make(host), host);
}
