import * as z from 'zod';
import { defaultLifetimeMs, sandboxField } from '../fields.ts';
import type { ToolHost } from '../tool-host.ts';
import type { Tool } from '../tool.ts';

const takeInput = z.object({
  sandbox: sandboxField,
  name: z.string().min(1).max(63).optional().describe('Name of your own; default: none.'),
});
const takeOutput = z.object({ snapshot: z.string(), name: z.string().nullable(), kind: z.string() });

export const takeSnapshot = ({ engine }: ToolHost): Tool<typeof takeInput, typeof takeOutput> => ({
  name: 'take_snapshot',
  title: 'Take a snapshot',
  description:
    'Keeps memory and disk of a sandbox as they are now; it goes on. create_sandbox with this snapshot goes on from ' +
    'there, any number of times. Take one before something risky.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  input: takeInput,
  output: takeOutput,
  async run({ sandbox, name }, { signal }) {
    const info = await engine.snapshots.take(sandbox, name === undefined ? {} : { name }, { signal });
    return { data: { snapshot: info.id, name: info.name, kind: info.kind } };
  },
});

const mostChildren = 16;

const forkInput = z.object({
  sandbox: sandboxField,
  count: z.int().min(1).max(mostChildren).default(1).describe('How many copies to make.'),
});
const forkOutput = z.object({
  children: z.array(z.object({ sandbox: z.string().nullable(), error: z.string().nullable() })),
});

export const forkSandbox = ({ engine, made }: ToolHost): Tool<typeof forkInput, typeof forkOutput> => ({
  name: 'fork_sandbox',
  title: 'Fork a sandbox',
  description:
    'Makes running copies of a running sandbox, with its memory, processes and files of this moment. Use them to try ' +
    'several ways at once; the sandbox itself goes on.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  input: forkInput,
  output: forkOutput,
  async run({ sandbox, count }, { signal }) {
    const { timeoutMs } = await engine.sandboxes.config(sandbox);
    const lifetimeMs = timeoutMs === 0 ? defaultLifetimeMs : timeoutMs;
    const results = await engine.snapshots.fork(sandbox, { count, ephemeral: true, timeoutMs: lifetimeMs }, { signal });
    const children = results.map(({ sandbox: child, error }) => {
      if (child !== null) made?.({ id: child.id, name: child.name, lifetimeMs });
      return { sandbox: child?.id ?? null, error: error === null ? null : `${error.code}: ${error.message}` };
    });
    return { data: { children } };
  },
});
