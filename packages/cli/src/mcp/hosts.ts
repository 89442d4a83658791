import { homedir } from 'node:os';
import { join } from 'node:path';
import { jsonWith, jsonWithout } from './json-entry.ts';
import { tomlWith, tomlWithout } from './toml-entry.ts';

/** How a host starts a server on its stdin and stdout. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Variables that the host sets for it. */
  readonly env: Readonly<Record<string, string>>;
}

/** The name that the server has in the configuration of its host. */
const serverName = 'novasandbox';

/** A program that runs a model and starts servers of the Model Context Protocol for it. */
export interface McpHost {
  readonly title: string;
  /** The file that holds for a project; null where the host has none. */
  readonly projectFile: string | null;
  /** The file that holds for the user; null where the host has none, or where its place depends on the system. */
  readonly userFile: string | null;
  /** The text of the file with the server in it. Everything else in it stays, with its comments. */
  readonly with: (text: string, server: ServerCommand) => string;
  /** The text without the server. */
  readonly without: (text: string) => string;
}

const inJson = (
  path: readonly string[],
  entry: (server: ServerCommand) => unknown,
): Pick<McpHost, 'with' | 'without'> => ({
  with: (text, server) => jsonWith(text, [...path, serverName], entry(server)),
  without: (text) => jsonWithout(text, [...path, serverName]),
});

const plain = ({ command, args, env }: ServerCommand): object => ({
  command,
  args,
  ...(Object.keys(env).length === 0 ? {} : { env }),
});

/** Each host with its files and its form of an entry, as their documents of November 2026 describe them. */
export const mcpHosts: Readonly<Record<string, McpHost>> = {
  'claude-code': {
    title: 'Claude Code',
    projectFile: '.mcp.json',
    userFile: join(homedir(), '.claude.json'),
    ...inJson(['mcpServers'], plain),
  },
  codex: {
    title: 'Codex',
    projectFile: null,
    userFile: join(homedir(), '.codex', 'config.toml'),
    with: (text, server) => tomlWith(text, ['mcp_servers', serverName], server),
    without: (text) => tomlWithout(text, ['mcp_servers', serverName]),
  },
  cursor: {
    title: 'Cursor',
    projectFile: join('.cursor', 'mcp.json'),
    userFile: join(homedir(), '.cursor', 'mcp.json'),
    ...inJson(['mcpServers'], plain),
  },
  opencode: {
    title: 'OpenCode',
    projectFile: 'opencode.json',
    userFile: join(homedir(), '.config', 'opencode', 'opencode.json'),
    ...inJson(['mcp'], ({ command, args, env }) => ({
      type: 'local',
      command: [command, ...args],
      ...(Object.keys(env).length === 0 ? {} : { environment: env }),
      enabled: true,
    })),
  },
  vscode: {
    title: 'Visual Studio Code',
    projectFile: join('.vscode', 'mcp.json'),
    userFile: null,
    ...inJson(['servers'], (server) => ({ type: 'stdio', ...plain(server) })),
  },
};
