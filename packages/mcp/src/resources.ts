import { ResourceTemplate, type McpServer } from '@modelcontextprotocol/server';
import { NovaError, toNovaError } from '@novasandbox/protocol';
import type { ToolHost } from './tool-host.ts';

type Channel = 'stdout' | 'stderr';

/** The address at which a host reads all the output of a command that the sandbox keeps. */
export const outputUri = (sandbox: string, execId: number, channel: Channel): string =>
  `nova://sandboxes/${encodeURIComponent(sandbox)}/commands/${execId}/${channel}`;

/** Adds the resources to which results link. */
export function registerResources(server: McpServer, { engine }: ToolHost): void {
  const template = new ResourceTemplate('nova://sandboxes/{sandbox}/commands/{exec}/{channel}', { list: undefined });
  const description = 'All the output of a command that the sandbox keeps.';
  server.registerResource(
    'command output',
    template,
    { description, mimeType: 'text/plain' },
    async (uri, variables, context) => {
      const { sandbox, execId, channel } = named(uri, variables);
      try {
        const from = { stdout: 0, stderr: 0 };
        await using reading = await engine.exec.output(sandbox, execId, from, { signal: context.mcpReq.signal });
        const parts: Uint8Array[] = [];
        for await (const chunk of reading.output)
          if ((chunk.channel === 'stderr') === (channel === 'stderr')) parts.push(chunk.bytes);
        return { contents: [{ uri: uri.href, mimeType: 'text/plain', text: Buffer.concat(parts).toString() }] };
      } catch (error) {
        const { code, message, hint } = toNovaError(error);
        throw new Error(`${code}: ${message} ${hint}`, { cause: error });
      }
    },
  );
}

function named(
  uri: URL,
  variables: Readonly<Record<string, string | string[]>>,
): { readonly sandbox: string; readonly execId: number; readonly channel: Channel } {
  const [sandbox, exec, channel] = ['sandbox', 'exec', 'channel'].map((name) => String(variables[name] ?? ''));
  const execId = Number(exec);
  if (
    sandbox === undefined ||
    sandbox === '' ||
    !Number.isSafeInteger(execId) ||
    (channel !== 'stdout' && channel !== 'stderr')
  )
    throw new NovaError('invalid_argument', `${uri.href.slice(0, 200)} is no output of a command.`);
  return { sandbox: decodeURIComponent(sandbox), execId, channel };
}
