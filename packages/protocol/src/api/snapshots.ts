import * as z from 'zod';
import { toNovaError } from '../errors.ts';
import { architectureSchema } from '../sandbox.ts';
import {
  snapshotCheckSchema,
  snapshotKindSchema,
  type ForkResult,
  type SnapshotInfo,
  type SnapshotStatistics,
} from '../snapshots.ts';
import { inCamelCase } from './names.ts';
import { errorWireSchema } from './route.ts';
import { vmOf, vmSchema } from './vms.ts';

/** Snapshots and forks of sandboxes on the wire. */

export const snapshotSchema = z.object({
  id: z.string(),
  name: z.string().nullable(),
  description: z.string().nullable(),
  owner: z.string().nullable().describe('`user:<name>` or `key:<id>`; null: it belongs to the host'),
  team: z.string().nullable(),
  kind: snapshotKindSchema.describe('What goes on from it: `memory`: all processes; `disk`: a boot from the disk'),
  vm_id: z.string().describe('The VM that it was taken of, which may be gone'),
  vm_name: z.string().nullable(),
  parent_id: z
    .string()
    .nullable()
    .describe('The snapshot that the VM was last taken to, made from or taken back to before'),
  template: z.string(),
  hypervisor: z.string(),
  architecture: architectureSchema,
  memory_mb: z.int(),
  vcpus: z.int(),
  disk_mb: z.int(),
  network: z.boolean().describe('Whether VMs that go on from it have a network'),
  metadata: z.record(z.string(), z.string()),
  created_at: z.iso.datetime(),
  incremental: z.boolean().describe("Whether it holds only the memory that differs from the template's"),
  memory_bytes: z.int().describe('Space that its memory takes on the disk of the host'),
  disk_bytes: z.int().describe('Space that its disk takes on the disk of the host'),
  stopped_ms: z.number().describe('How long the VM stood still'),
});
export type SnapshotWire = z.infer<typeof snapshotSchema>;

export const snapshotWireOf = (info: SnapshotInfo): SnapshotWire => ({
  id: info.id,
  name: info.name,
  description: info.description,
  owner: info.owner,
  team: info.team,
  kind: info.kind,
  vm_id: info.sandboxId,
  vm_name: info.sandboxName,
  parent_id: info.parentId,
  template: info.templateId,
  hypervisor: info.hypervisor,
  architecture: info.architecture,
  memory_mb: info.memoryMb,
  vcpus: info.vcpus,
  disk_mb: info.diskSizeMb,
  network: info.enableNetwork,
  metadata: info.labels,
  created_at: info.createdAt,
  incremental: info.incremental,
  memory_bytes: info.memoryBytes,
  disk_bytes: info.diskBytes,
  stopped_ms: info.stoppedMs,
});

export function snapshotOfWire(wire: SnapshotWire): SnapshotInfo {
  const {
    vmId: sandboxId,
    vmName: sandboxName,
    template: templateId,
    hypervisor,
    diskMb: diskSizeMb,
    network: enableNetwork,
    metadata: labels,
    ...same
  } = inCamelCase(wire);
  return {
    ...same,
    sandboxId,
    sandboxName,
    templateId,
    hypervisor: hypervisor as SnapshotInfo['hypervisor'],
    diskSizeMb,
    enableNetwork,
    labels,
  };
}

export const snapshotPageSchema = z.object({
  snapshots: z.array(snapshotSchema),
  total: z.int(),
  next_cursor: z.string().nullable(),
});

export { snapshotCheckSchema };

export const statisticsWireSchema = z.object({
  count: z.int(),
  with_memory: z.int(),
  total_bytes: z.int().describe('Space that they take on the disk of the host'),
  oldest: z.iso.datetime().nullable(),
  newest: z.iso.datetime().nullable(),
  by_vm: z.array(z.object({ vm_id: z.string(), count: z.int(), total_bytes: z.int() })),
});
export type StatisticsWire = z.infer<typeof statisticsWireSchema>;

export const statisticsWireOf = (statistics: SnapshotStatistics): StatisticsWire => ({
  count: statistics.count,
  with_memory: statistics.withMemory,
  total_bytes: statistics.totalBytes,
  oldest: statistics.oldest,
  newest: statistics.newest,
  by_vm: statistics.bySandbox.map(({ sandboxId, count, totalBytes }) => ({
    vm_id: sandboxId,
    count,
    total_bytes: totalBytes,
  })),
});

export function statisticsOfWire(wire: StatisticsWire): SnapshotStatistics {
  const { byVm, ...same } = inCamelCase(wire);
  const bySandbox = byVm.map((each) => {
    const { vmId: sandboxId, ...counted } = inCamelCase(each);
    return { sandboxId, ...counted };
  });
  return { ...same, bySandbox };
}

export const removedSnapshotsSchema = z.object({ removed: z.array(snapshotSchema) });

/** The children of a fork, in order; of each, either the VM or why there is none. */
export const forkedSchema = z.object({
  results: z.array(
    z.union([
      z.object({ vm: vmSchema, error: z.literal(null) }),
      z.object({ vm: z.literal(null), error: errorWireSchema }),
    ]),
  ),
});
export type Forked = z.infer<typeof forkedSchema>;

export const forkedOf = (results: readonly ForkResult[]): Forked => ({
  results: results.map(({ sandbox, error }) =>
    sandbox === null ? { vm: null, error: toNovaError(error).toJSON() } : { vm: vmOf(sandbox), error: null },
  ),
});
