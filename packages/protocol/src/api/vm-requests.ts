import * as z from 'zod';
import type { SandboxConfigInput } from '../config/input.ts';
import { configShape } from '../config/schema.ts';
import { values } from '../config/values.ts';
import { fromWire, wireShape } from '../config/wire.ts';
import { sandboxStateSchema } from '../sandbox.ts';

/** Requests about sandboxes. Clients do not contain these schemas: they send, and the daemon checks. */

export const seconds = z
  .number()
  .min(0)
  .max(30 * 86_400);

/** Fields for the daemon in addition to the config of a sandbox. */
export const daemonShape = {
  os_type: z.enum(['linux', 'windows']).default('linux').describe('There are Linux guests only'),
  idle_timeout_seconds: seconds
    .optional()
    .describe(
      "Time of idleness after which it stops, or is put away as `on_timeout` says; 0 for never. It is idle without a command, terminal, tunnel or request, and while its guest neither computes nor gets anything over its network. Default: the daemon's",
    ),
  guest_agent: z.boolean().optional().describe('Accepted from older clients: every sandbox has an agent'),
};

export const createVmSchema = z
  .strictObject({
    ...wireShape,
    ...daemonShape,
    template: values.name.optional(),
    template_id: values.name.optional(),
  })
  .refine(
    ({ template_id: id, template = id }) => (id ?? template) === template,
    'template and template_id are two names of one field, and differ',
  )
  .transform(({ template_id: id, template = id, ...body }) => ({
    ...body,
    template: wireShape.template.parse(template),
  }));
export type CreateVm = z.output<typeof createVmSchema>;

/** Builds the config that the body of a create request asks for. */
export const configOfCreateVm = (body: CreateVm, defaultTimeoutSeconds: number): SandboxConfigInput =>
  fromWire({ ...body, timeout_seconds: body.timeout_seconds ?? defaultTimeoutSeconds });

const labelWanted = z.string().meta({ pattern: '^[^=]+=' });
const anyState = sandboxStateSchema.options.join('|');
export const listVmsQuerySchema = z.object({
  status: z
    .string()
    .max(100)
    .optional()
    .meta({
      description: 'Comma-separated states; default running, paused, stopping and hibernated; "all" for every state.',
      pattern: `^(all|(${anyState})(,(${anyState}))*)$`,
    }),
  os_type: z.enum(['linux', 'windows']).optional(),
  /** `key=value`; may be repeated. */
  label: z.union([labelWanted, z.array(labelWanted)]).optional(),
  owner: z.string().max(128).optional().describe('Those of that owner, of all that the caller may see'),
  team: z.string().max(128).optional().describe('Those of that team, of all that the caller may see'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  cursor: z.string().max(200).optional(),
  sort: z.enum(['created_at', 'name', 'status']).default('created_at'),
  order: z.enum(['asc', 'desc']).default('asc'),
});

export const startVmSchema = z.strictObject({
  /** A hypervisor other than the last one; the disk moves with it. */
  hypervisor: configShape.hypervisor.unwrap().optional(),
});
export const stopVmSchema = z.strictObject({
  force: z.boolean().default(false),
  timeout_seconds: z.number().min(0).max(600).default(5),
});
export const hibernateVmSchema = z.strictObject({
  memory: z
    .boolean()
    .default(true)
    .describe('false: only the disk is kept, from which the VM boots when it is resumed'),
});
export const resumeVmSchema = z.strictObject({
  memory: z.boolean().default(true).describe('false: a hibernated VM boots from its disk, and its memory is dropped'),
});
/** Properties of a VM that can be changed in any state. */
export const updateVmSchema = z.strictObject({ name: values.name });
export const vmTimeoutSchema = z.strictObject({ timeout_seconds: seconds });

/** New sizes for a VM; a size that is left out stays the same. CPUs and memory can change only while it runs. */
export const resizeVmSchema = z
  .strictObject({
    vcpus: z.int().min(1).optional(),
    memory_mb: z.int().min(1).optional(),
    disk_mb: configShape.diskSizeMb.describe('The writable disk, which can only grow'),
  })
  .refine((sizes) => Object.values(sizes).some((size) => size !== undefined), 'changes nothing')
  .meta({ minProperties: 1 });
