import {
  Client,
  StreamableHTTPClientTransport,
  type CallToolResult,
  type Transport,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { novaCommand } from './nova-cli.ts';

export type Era = 'legacy' | 'auto';

/** A host of the Model Context Protocol: the protocol's own client, and `nova mcp` as its server. */
export interface McpHost extends AsyncDisposable {
  readonly client: Client;
  /** Calls a tool, and returns its result as data. Throws with its text where it failed. */
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<Data>;
  /** Calls a tool that has to fail, and returns the text of the error. */
  refused(name: string, args: Record<string, unknown>): Promise<string>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: { readonly progress: number }) => void;
}

/** The data of a tool, which its output schema describes; some have a sandbox. */
export type Data = Record<string, unknown> & { readonly sandbox: string };

const hangMs = 120_000;

export async function mcpHost(
  env: NodeJS.ProcessEnv,
  { era = 'auto', args = [] }: { readonly era?: Era; readonly args?: readonly string[] } = {},
): Promise<McpHost & { readonly pid: number }> {
  const [command = '', ...words] = [...novaCommand, 'mcp', ...args];
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const transport = new StdioClientTransport({ command, args: words, env: Object.fromEntries(given) });
  return { ...(await connected(transport, era)), pid: transport.pid ?? 0 };
}

/** The same over HTTP, with a daemon as its server. */
export async function mcpHostOver(url: string, apiKey: string, era: Era = 'auto'): Promise<McpHost> {
  const headers = { authorization: `Bearer ${apiKey}` };
  return connected(new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit: { headers } }), era);
}

async function connected(transport: Transport, era: Era): Promise<McpHost> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: era } });
  await client.connect(transport, { timeout: hangMs });
  const call = async (name: string, args: Record<string, unknown> = {}, options: CallOptions = {}) =>
    client.callTool({ name, arguments: args }, { timeout: hangMs, ...options });
  return {
    client,
    async call(name, args, options) {
      const result = await call(name, args, options);
      if (result.isError === true) throw new Error(textOf(result));
      return result.structuredContent as Data;
    },
    async refused(name, args) {
      const result = await call(name, args);
      if (result.isError !== true) throw new Error(`${name} has not failed: ${textOf(result)}`);
      return textOf(result);
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

export const textOf = ({ content }: CallToolResult): string =>
  content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
