import * as z from 'zod';
import { volumesOf, wireVolumesSchema } from '../config/volume-mounts.ts';
import { inCamelCase } from './names.ts';
import {
  architectureSchema,
  onTimeoutSchema,
  sandboxIdSchema,
  sandboxStateSchema,
  snapshotIdSchema,
  type SandboxInfo,
  type SandboxStats,
} from '../sandbox.ts';

/** Sandboxes on the wire: snake case, seconds and the word "vm", as this API's users expect. */

export const vmSchema = z.object({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string().nullable().describe('`user:<name>` or `key:<id>`; null: it belongs to the host'),
  team: z.string().nullable(),
  status: sandboxStateSchema,
  template: z.string(),
  os_type: z.enum(['linux', 'windows']),
  hypervisor: z.string(),
  architecture: architectureSchema,
  accelerator: z.string().nullable(),
  vcpus: z.int(),
  memory_mb: z.int(),
  disk_mb: z.int(),
  network: z.boolean(),
  host_port: z.int().nullable(),
  guest_port: z.int(),
  metadata: z.record(z.string(), z.string()),
  ephemeral: z.boolean(),
  on_timeout: onTimeoutSchema,
  auto_resume: z.boolean(),
  created_at: z.iso.datetime(),
  started_at: z.iso.datetime().nullable(),
  stopped_at: z.iso.datetime().nullable(),
  expires_at: z.iso.datetime().nullable(),
  boot_time_ms: z.number().nullable(),
  boot_kind: z.enum(['cold', 'snapshot', 'process']).nullable(),
  reason: z.string().nullable(),
  volumes: wireVolumesSchema.default([]),
  networks: z.array(z.string()).default([]).describe('Private networks that it has joined'),
  full_disks: z
    .array(z.string())
    .default([])
    .describe('Disks of the running guest that are full: mount points of volumes, and / for the writable layer'),
  forked_from: sandboxIdSchema
    .nullable()
    .default(null)
    .describe('The VM that it is a fork of, which may have been removed since'),
  snapshot_id: snapshotIdSchema
    .nullable()
    .default(null)
    .describe("The snapshot that it was last taken to, made from, or taken back to. A fork begins with its parent's"),
  restored_at: z.iso.datetime().nullable().default(null).describe('When it was last taken back to a snapshot'),
});
export type Vm = z.infer<typeof vmSchema>;

export function vmOf(info: SandboxInfo): Vm {
  return {
    id: info.id,
    name: info.name,
    owner: info.owner,
    team: info.team,
    status: info.state,
    template: info.templateId,
    os_type: 'linux',
    hypervisor: info.hypervisor,
    architecture: info.architecture,
    accelerator: info.metadata.accelerator,
    vcpus: info.vcpus,
    memory_mb: info.memoryMb,
    disk_mb: info.diskSizeMb,
    network: info.enableNetwork,
    host_port: info.hostPort,
    guest_port: info.guestPort,
    metadata: info.labels,
    ephemeral: info.ephemeral,
    on_timeout: info.onTimeout,
    auto_resume: info.autoResume,
    created_at: info.createdAt,
    started_at: info.startedAt,
    stopped_at: info.stoppedAt,
    expires_at: info.expiresAt,
    boot_time_ms: info.metadata.bootTimeMs,
    boot_kind: info.metadata.bootKind,
    reason: info.reason,
    full_disks: info.fullDisks,
    forked_from: info.forkedFrom,
    snapshot_id: info.snapshotId,
    networks: info.networks,
    restored_at: info.restoredAt,
    volumes: info.volumes.map(({ readOnly, ...mount }) => ({ ...mount, read_only: readOnly })),
  };
}

export function infoOfVm(vm: Vm): SandboxInfo {
  const {
    status: state,
    template: templateId,
    hypervisor,
    diskMb: diskSizeMb,
    network: enableNetwork,
    metadata: labels,
    bootTimeMs,
    bootKind,
    accelerator,
    osType: _,
    ...same
  } = inCamelCase(vm);
  return {
    ...same,
    state,
    templateId,
    hypervisor: hypervisor as SandboxInfo['hypervisor'],
    diskSizeMb,
    enableNetwork,
    labels,
    metadata: { bootTimeMs, bootKind, accelerator },
    volumes: volumesOf(vm.volumes),
  };
}

export const vmListSchema = z.object({ vms: z.array(vmSchema), total: z.int(), next_cursor: z.string().nullable() });

/** Resources given to a VM. */
export const resourcesSchema = z.object({ vcpus: z.int(), memory_mb: z.int(), disk_mb: z.int() });
export const vmMetricsSchema = z.object({
  timestamp: z.iso.datetime(),
  uptime_ms: z.number(),
  cpu_count: z.int(),
  cpu_usage_us: z.number(),
  memory_total_mb: z.number(),
  memory_usage_mb: z.number(),
  memory_cache_mb: z.number(),
  disk_total_mb: z.number(),
  disk_usage_mb: z.number(),
  processes: z.int(),
  network_rx_bytes: z.number(),
  network_tx_bytes: z.number(),
  host_rss_mb: z.number(),
  host_cpu_usage_us: z.number(),
});
export type VmMetrics = z.infer<typeof vmMetricsSchema>;

export function metricsOf(stats: SandboxStats): VmMetrics {
  return {
    timestamp: stats.timestamp,
    uptime_ms: stats.uptimeMs,
    cpu_count: stats.cpuCount,
    cpu_usage_us: stats.cpuUsageUs,
    memory_total_mb: stats.memoryTotalMb,
    memory_usage_mb: stats.memoryUsageMb,
    memory_cache_mb: stats.memoryCacheMb,
    disk_total_mb: stats.diskTotalMb,
    disk_usage_mb: stats.diskUsageMb,
    processes: stats.processes,
    network_rx_bytes: stats.networkRxBytes,
    network_tx_bytes: stats.networkTxBytes,
    host_rss_mb: stats.host.rssMb,
    host_cpu_usage_us: stats.host.cpuUsageUs,
  };
}

export function statsOfMetrics(metrics: VmMetrics): SandboxStats {
  const { hostRssMb: rssMb, hostCpuUsageUs: cpuUsageUs, ...same } = inCamelCase(metrics);
  return { ...same, host: { rssMb, cpuUsageUs } };
}

export const vmLogsSchema = z.object({
  console: z.string(),
  vmm: z.string(),
  note: z.string().nullable().describe('Why the console is empty, and what to look at instead'),
});
