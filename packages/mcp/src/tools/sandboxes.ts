import { builtInPolicies, policyOf, type PolicyChoiceInput, type SandboxInfo } from '@novasandbox/protocol';
import * as z from 'zod';
import { defaultLifetimeMs, sandboxField } from '../fields.ts';
import type { ToolHost } from '../tool-host.ts';
import type { Tool } from '../tool.ts';

const mostLifetimeMin = 24 * 60;
const minuteMs = 60_000;

const sandboxShape = {
  sandbox: sandboxField,
  name: z.string().nullable(),
  state: z.string(),
  template: z.string(),
  expires_at: z.string().nullable().describe('When it is removed.'),
};
const described = ({
  id,
  name,
  state,
  templateId,
  expiresAt,
}: SandboxInfo): z.output<z.ZodObject<typeof sandboxShape>> => ({
  ...{ sandbox: id, name, state, template: templateId, expires_at: expiresAt },
});

const createInput = z.object({
  template: z.string().min(1).max(128).optional().describe('Template, such as base; default: base.'),
  snapshot: z.string().min(1).max(128).optional().describe('Snapshot to go on from, instead of a template.'),
  name: z.string().min(1).max(63).optional().describe('Name of your own; default: none.'),
  allow: z
    .array(z.string().min(1).max(300))
    .max(256)
    .optional()
    .describe(
      'All that it may reach: hosts (api.example.com, *.example.com, example.com:443), ranges (192.0.2.0/24) or presets ' +
        '(preset:github, preset:npm, preset:pypi). An empty list: nothing. Left out: the internet, but no private network.',
    ),
  env: z.record(z.string(), z.string()).optional().describe('Environment variables of all its commands.'),
  memory_mb: z
    .int()
    .min(64)
    .max(1 << 20)
    .optional(),
  vcpus: z.int().min(1).max(64).optional(),
  lifetime_min: z
    .int()
    .min(1)
    .max(mostLifetimeMin)
    .default(defaultLifetimeMs / minuteMs)
    .describe('Minutes until it is removed; where the server runs beside its host, since its last use.'),
});
const createOutput = z.object(sandboxShape);

export const createSandbox = ({ engine, made }: ToolHost): Tool<typeof createInput, typeof createOutput> => ({
  name: 'create_sandbox',
  title: 'Create a sandbox',
  description:
    'Makes a sandbox: a virtual machine of its own, with Linux, Python and usual tools, cut off from this computer. ' +
    'It is there in a fraction of a second and is removed at the end of its lifetime. Run untrusted code in it.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  input: createInput,
  output: createOutput,
  async run({ template, snapshot, name, allow, env, memory_mb, vcpus, lifetime_min }, { signal }) {
    const policy = allow === undefined ? undefined : policyFor(allow);
    const own = { name, env, policy, ephemeral: true, timeoutMs: lifetime_min * minuteMs };
    const info =
      snapshot === undefined
        ? await engine.sandboxes.create(given({ ...own, templateId: template, memoryMb: memory_mb, vcpus }), { signal })
        : await engine.snapshots.create(snapshot, given(own), { signal });
    made?.({ id: info.id, name: info.name, lifetimeMs: lifetime_min * minuteMs });
    return { data: described(info) };
  },
});

const policyFor = (allow: readonly string[]): PolicyChoiceInput =>
  allow.length === 0 ? 'none' : policyOf({ base: builtInPolicies.none, allow });

/** Leaves out the fields that were not given. */
const given = <T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;

const listInput = z.object({});
const listOutput = z.object({ sandboxes: z.array(createOutput) });

export const listSandboxes = ({ engine }: ToolHost): Tool<typeof listInput, typeof listOutput> => ({
  name: 'list_sandboxes',
  title: 'List sandboxes',
  description: 'Lists the sandboxes that run, are paused or hibernated.',
  annotations: { readOnlyHint: true, openWorldHint: false },
  input: listInput,
  output: listOutput,
  async run() {
    return { data: { sandboxes: (await engine.sandboxes.list()).map(described) } };
  },
});

const destroyInput = z.object({ sandbox: sandboxField });
const destroyOutput = z.object({ removed: z.string() });

export const destroySandbox = ({ engine }: ToolHost): Tool<typeof destroyInput, typeof destroyOutput> => ({
  name: 'destroy_sandbox',
  title: 'Destroy a sandbox',
  description: 'Ends a sandbox and removes its disk. Its snapshots stay.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  input: destroyInput,
  output: destroyOutput,
  async run({ sandbox }) {
    const { id } = await engine.sandboxes.get(sandbox);
    await engine.sandboxes.remove(id, { force: true });
    return { data: { removed: id } };
  },
});
