import { NovaError } from '@novasandbox/protocol';
import * as z from 'zod';
import { sandboxField } from '../fields.ts';
import type { ToolHost } from '../tool-host.ts';
import type { Tool } from '../tool.ts';

const openInput = z.object({ sandbox: sandboxField, port: z.int().min(1).max(65_535) });
const openOutput = z.object({ url: z.string(), expires_at: z.string() });

export const openPort = ({ engine, openPort: open }: ToolHost): Tool<typeof openInput, typeof openOutput> => ({
  name: 'open_port',
  title: 'Open a port',
  description:
    'Gives an address at which a server in the sandbox can be seen in a browser. Whoever has the address can use it ' +
    'until it expires.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  input: openInput,
  output: openOutput,
  async run({ sandbox, port }) {
    if (open === null)
      throw new NovaError('feature_unsupported', 'Ports are opened by a daemon, and no daemon is in use here.', {
        hint: 'Start one with `nova serve`, or reach the server from within the sandbox, such as by curl.',
      });
    const { id } = await engine.sandboxes.get(sandbox);
    const { url, expiresAt } = await open(id, port);
    return { data: { url, expires_at: expiresAt } };
  },
});

/** The newest denials that are told. */
const mostDenials = 50;

const denialsInput = z.object({ sandbox: sandboxField });
const denialsOutput = z.object({
  denials: z.array(
    z.object({
      at: z.string(),
      to: z.string().describe('The host or address, and the port.'),
      code: z.string(),
      rule: z.string().describe('The rule that decided.'),
      remedy: z.string().nullable().describe('The change that would allow it; ask the user before you rely on it.'),
    }),
  ),
});

export const networkDenials = ({ engine }: ToolHost): Tool<typeof denialsInput, typeof denialsOutput> => ({
  name: 'network_denials',
  title: 'Explain refused connections',
  description:
    "Says which connections the sandbox's network policy has refused, by which rule, and what would allow them.",
  annotations: { readOnlyHint: true, openWorldHint: false },
  input: denialsInput,
  output: denialsOutput,
  async run({ sandbox }, { signal }) {
    const found = [];
    const decisions = await engine.sandboxes.decisions(sandbox, { denied: true, signal });
    for await (const { at, host, address, port, code, rule, remedy } of decisions)
      found.push({ at, to: `${host ?? address ?? 'unknown'}:${port}`, code, rule, remedy });
    return { data: { denials: found.slice(-mostDenials) } };
  },
});
