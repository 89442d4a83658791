import * as z from 'zod';
import { wireVolumesSchema } from '../config/volume-mounts.ts';
import { fromWire, wireShape } from '../config/wire.ts';
import { environmentSchema, nameSchema } from '../sandbox.ts';
import {
  continuedConfigSchema,
  forkSchema,
  snapshotKindSchema,
  takeSnapshotSchema,
  type ContinuedConfigInput,
  type ForkInput,
  type TakeSnapshotInput,
} from '../snapshots.ts';
import { daemonShape, seconds } from './vm-requests.ts';

/** Requests about snapshots and forks. Clients do not contain these schemas: they send, and the daemon checks. */

const { name, description, memory, labels } = takeSnapshotSchema.shape;

export const takeSnapshotBodySchema = z.strictObject({
  name: name.describe('Unique among the snapshots of one VM'),
  description,
  include_memory: memory.describe('false: the disk alone. Default: memory too, where the VM runs or is paused'),
  metadata: labels,
  incremental: z
    .boolean()
    .optional()
    .describe('Accepted from older clients: a snapshot is incremental where the hypervisor can'),
});
export const takeOfBody = (body: z.output<typeof takeSnapshotBodySchema>): TakeSnapshotInput => ({
  name: body.name,
  description: body.description,
  memory: body.include_memory,
  labels: body.metadata,
});

const continued = continuedConfigSchema.shape;
const continuedShape = {
  name: wireShape.name,
  metadata: continued.labels.describe("Default: the original's"),
  environment: environmentSchema.optional().describe("Variables of new commands, besides the original's"),
  timeout_seconds: seconds.optional().describe("Time to live from now on; 0: none. Default: the original's"),
  ephemeral: continued.ephemeral.describe("Whether it is removed when it stops. Default: the original's"),
  on_timeout: continued.onTimeout.describe("What happens when its time to live ends. Default: the original's"),
  auto_resume: continued.autoResume.describe("Whether requests wake it. Default: the original's"),
  policy: continued.policy.describe('What it may reach. Default: as with the original'),
  networks: continued.networks.describe('Private networks that it joins. Default: as with the original'),
  idle_timeout_seconds: daemonShape.idle_timeout_seconds,
};

/** A new VM from a snapshot. */
export const cloneSnapshotBodySchema = z.strictObject({
  ...continuedShape,
  include_memory: continued.memory.describe('false: it boots from the disk, also where the snapshot has memory'),
  host_port: wireShape.host_port,
  volumes: wireVolumesSchema
    .optional()
    .describe("Where it boots from the disk alone: its volumes. Default: the original's"),
});
/** New VMs of a running one. */
export const forkBodySchema = z.strictObject({
  ...continuedShape,
  count: forkSchema.shape.count,
  keep_secrets: forkSchema.shape.keepSecrets.describe("Whether they have the original's secrets"),
  name: wireShape.name.describe('Of several, the beginning of their names: `<name>-1`, `<name>-2`'),
});

export const cloneOfBody = (body: z.output<typeof cloneSnapshotBodySchema>): ContinuedConfigInput => ({
  ...fromWire(body),
  memory: body.include_memory,
});
export const forkOfBody = (body: z.output<typeof forkBodySchema>): ForkInput => ({
  ...fromWire(body),
  count: body.count,
  keepSecrets: body.keep_secrets,
});

const labelWanted = z.string().meta({ pattern: '^[^=]+=' });
/** Which snapshots of a VM to list. */
export const listVmSnapshotsQuerySchema = z.object({
  name: nameSchema.optional(),
  kind: snapshotKindSchema.optional(),
  label: z.union([labelWanted, z.array(labelWanted)]).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  cursor: z.string().max(200).optional(),
  sort: z.enum(['created_at', 'name', 'size']).default('created_at'),
  order: z.enum(['asc', 'desc']).default('asc'),
});
export const listSnapshotsQuerySchema = listVmSnapshotsQuerySchema.extend({
  vm: z.string().min(1).max(64).optional().describe('Id or name of a VM, or the id of one that is gone'),
});
export const cleanupQuerySchema = z.object({
  days_old: z.coerce.number().min(0).max(36_500).describe('The age in days, fractions too'),
});
export const importQuerySchema = z.object({ name: nameSchema.optional() });
