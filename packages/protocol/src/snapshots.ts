import * as z from 'zod';
import { hypervisorNameSchema } from './hypervisors.ts';
import { joinedNetworksSchema } from './network.ts';
import { policyChoiceSchema } from './policy/index.ts';
import {
  architectureSchema,
  labelsSchema,
  nameSchema,
  onTimeoutSchema,
  sandboxIdSchema,
  snapshotIdSchema,
  type SandboxInfo,
} from './sandbox.ts';
import { volumeMountsSchema } from './volume.ts';

/**
 * `memory`: memory, devices and disk of one instant, from which sandboxes go on with all their processes. `disk`: the
 * disk alone, from which sandboxes boot.
 */
export const snapshotKindSchema = z.enum(['memory', 'disk']);
export type SnapshotKind = z.infer<typeof snapshotKindSchema>;

/** A snapshot of a sandbox, as its record describes it. */
export const snapshotInfoSchema = z.object({
  id: snapshotIdSchema,
  /** Unique among the snapshots of one sandbox. */
  name: nameSchema.nullable(),
  description: z.string().nullable(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  kind: snapshotKindSchema,
  /** The sandbox that it was taken of, which may have been removed since. */
  sandboxId: sandboxIdSchema,
  sandboxName: nameSchema.nullable(),
  /** The snapshot that the sandbox was last taken to, made from, or gone back to before this one. */
  parentId: snapshotIdSchema.nullable(),
  templateId: z.string(),
  hypervisor: hypervisorNameSchema,
  architecture: architectureSchema,
  memoryMb: z.int(),
  vcpus: z.int(),
  diskSizeMb: z.int(),
  /** Whether sandboxes that go on from it have a network. */
  enableNetwork: z.boolean(),
  labels: z.record(z.string(), z.string()),
  createdAt: z.iso.datetime(),
  /** Whether it holds only the memory that differs from the template's, which is kept for as long as it is needed. */
  incremental: z.boolean(),
  /** Space on the host's disk, of the memory and of the disk, in bytes. */
  memoryBytes: z.int(),
  diskBytes: z.int(),
  /** How long the sandbox stood still, ms; 0 for one that did not run. */
  stoppedMs: z.number(),
});
export type SnapshotInfo = z.infer<typeof snapshotInfoSchema>;

const descriptionSchema = z.string().min(1).max(4096);

/** How to take a snapshot. */
export const takeSnapshotSchema = z.strictObject({
  name: nameSchema.optional(),
  description: descriptionSchema.optional(),
  /** false: the disk alone. Default: memory too where the sandbox runs or is paused. */
  memory: z.boolean().optional(),
  labels: labelsSchema.default({}),
});
export type TakeSnapshotInput = z.input<typeof takeSnapshotSchema>;

/** The settings that a sandbox from a snapshot has of its own; all others are those of the sandbox it was taken of. */
export const continuedConfigSchema = z.strictObject({
  name: nameSchema.optional(),
  labels: labelsSchema.optional(),
  /** Environment variables of new commands, besides those of the original. */
  env: z.record(z.string(), z.string()).optional(),
  /** Time to live from now on, ms, 0 for none. Default: that of the original's config, from now on. */
  timeoutMs: z
    .int()
    .min(0)
    .max(30 * 86_400_000)
    .optional(),
  /** Whether it is removed when it stops. */
  ephemeral: z.boolean().optional(),
  /** The action at the end of its time to live, and whether requests wake it. Default: as with the original. */
  onTimeout: onTimeoutSchema.optional(),
  autoResume: z.boolean().optional(),
  /** What it may reach. Default: as with the original. */
  policy: policyChoiceSchema.optional(),
  /** Private networks that it joins. Default: as with the original. */
  networks: joinedNetworksSchema.optional(),
  /** false: boots from the disk alone, also where the snapshot has memory. */
  memory: z.boolean().default(true),
  /** A port of the host that leads to the guest's `guestPort`; the original's is not taken over. */
  hostPort: z.int().min(1).max(65_535).optional(),
  /**
   * Its volumes; default: the original's. Memory knows the disks of the machine, so others are for a sandbox that boots
   * from the disk alone.
   */
  volumes: volumeMountsSchema.optional(),
});
export type ContinuedConfigInput = z.input<typeof continuedConfigSchema>;

/** Most children of one fork. E2B's API has the same limit. */
export const maxForks = 100;

/** How to fork a running sandbox. */
export const forkSchema = z.strictObject({
  count: z.int().min(1).max(maxForks).default(1),
  /** Whether the children have the secrets of the original. Default: they have none. */
  keepSecrets: z.boolean().default(false),
  /** Of each child; with several, the name is the beginning of theirs: `<name>-1`, `<name>-2`. */
  ...continuedConfigSchema.omit({ hostPort: true, memory: true, volumes: true }).shape,
});
export type ForkInput = z.input<typeof forkSchema>;

/** One child of a fork, or why there is none. The others of the same fork do not depend on it. */
export type ForkResult =
  | { readonly sandbox: SandboxInfo; readonly error: null }
  | { readonly sandbox: null; readonly error: Error & { readonly code: string; readonly hint: string } };

/** The problems of a snapshot's files; with none it is whole. */
export const snapshotCheckSchema = z.object({ valid: z.boolean(), problems: z.array(z.string()) });
export type SnapshotCheck = z.infer<typeof snapshotCheckSchema>;

/** All snapshots that a caller may see, added up. */
export const snapshotStatisticsSchema = z.object({
  count: z.int(),
  withMemory: z.int(),
  totalBytes: z.int(),
  oldest: z.iso.datetime().nullable(),
  newest: z.iso.datetime().nullable(),
  bySandbox: z.array(z.object({ sandboxId: z.string(), count: z.int(), totalBytes: z.int() })),
});
export type SnapshotStatistics = z.infer<typeof snapshotStatisticsSchema>;
