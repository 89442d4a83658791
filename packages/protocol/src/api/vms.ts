import * as z from 'zod';
import { rateLimitsOf, rateLimitsSchema } from './rate-limits.ts';
import {
  architectureSchema,
  sandboxConfigSchema,
  sandboxStateSchema,
  type SandboxConfigInput,
  type SandboxInfo,
  type SandboxStats,
} from '../sandbox.ts';

/** Sandboxes on the wire: snake case, seconds and the word "vm", as users of that API know them. */

const config = sandboxConfigSchema.shape;

export const createVmSchema = z.strictObject({
  name: config.name,
  template: config.templateId,
  os_type: z.enum(['linux', 'windows']).default('linux'),
  vcpus: config.vcpus,
  memory_mb: config.memoryMb,
  disk_mb: config.diskSizeMb,
  max_processes: config.maxProcesses,
  boot_timeout_seconds: z.number().min(0.1).max(600).default(60),
  network: config.enableNetwork,
  host_port: config.hostPort,
  guest_port: config.guestPort,
  read_only_rootfs: config.readOnlyRootfs,
  hyperv: config.hyperv,
  rate_limits: rateLimitsSchema.default({}),
  metadata: config.labels,
  environment: config.env,
  user: config.user,
  /** Time to live; 0 for none. Default: the server's. */
  timeout_seconds: z
    .number()
    .min(0)
    .max(30 * 86_400)
    .optional(),
  /** Stop after that long without a command, terminal, tunnel or request; 0 for never. Default: the server's. */
  idle_timeout_seconds: z
    .number()
    .min(0)
    .max(30 * 86_400)
    .optional(),
  ephemeral: config.ephemeral,
  hypervisor: config.hypervisor,
  architecture: config.architecture,
  /** Accepted for the sake of older clients: every sandbox has an agent. */
  guest_agent: z.boolean().optional(),
});
export type CreateVm = z.output<typeof createVmSchema>;

/** Host paths (kernel arguments, root images, drives) do not travel: what lies on the server is not a client's to name. */
export function configOfCreateVm(body: CreateVm, defaultTimeoutSeconds: number): SandboxConfigInput {
  const given = {
    name: body.name,
    vcpus: body.vcpus,
    memoryMb: body.memory_mb,
    diskSizeMb: body.disk_mb,
    hostPort: body.host_port,
    user: body.user,
    architecture: body.architecture,
  };
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    templateId: body.template,
    maxProcesses: body.max_processes,
    bootTimeoutMs: Math.round(body.boot_timeout_seconds * 1000),
    enableNetwork: body.network,
    guestPort: body.guest_port,
    readOnlyRootfs: body.read_only_rootfs,
    hyperv: body.hyperv,
    rateLimits: rateLimitsOf(body.rate_limits),
    labels: body.metadata,
    env: body.environment,
    timeoutMs: Math.round((body.timeout_seconds ?? defaultTimeoutSeconds) * 1000),
    ephemeral: body.ephemeral,
    hypervisor: body.hypervisor,
  };
}

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
  created_at: z.iso.datetime(),
  started_at: z.iso.datetime().nullable(),
  stopped_at: z.iso.datetime().nullable(),
  expires_at: z.iso.datetime().nullable(),
  boot_time_ms: z.number().nullable(),
  boot_kind: z.enum(['cold', 'snapshot', 'process']).nullable(),
  reason: z.string().nullable(),
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
    created_at: info.createdAt,
    started_at: info.startedAt,
    stopped_at: info.stoppedAt,
    expires_at: info.expiresAt,
    boot_time_ms: info.metadata.bootTimeMs,
    boot_kind: info.metadata.bootKind,
    reason: info.reason,
  };
}

export function infoOfVm(vm: Vm): SandboxInfo {
  return {
    id: vm.id,
    name: vm.name,
    owner: vm.owner,
    team: vm.team,
    state: vm.status,
    templateId: vm.template,
    hypervisor: vm.hypervisor as SandboxInfo['hypervisor'],
    architecture: vm.architecture,
    memoryMb: vm.memory_mb,
    vcpus: vm.vcpus,
    diskSizeMb: vm.disk_mb,
    enableNetwork: vm.network,
    hostPort: vm.host_port,
    guestPort: vm.guest_port,
    labels: vm.metadata,
    createdAt: vm.created_at,
    startedAt: vm.started_at,
    stoppedAt: vm.stopped_at,
    expiresAt: vm.expires_at,
    ephemeral: vm.ephemeral,
    metadata: { bootTimeMs: vm.boot_time_ms, bootKind: vm.boot_kind, accelerator: vm.accelerator },
    reason: vm.reason,
  };
}

const labelWanted = z.string().meta({ pattern: '^[^=]+=' });
const anyState = sandboxStateSchema.options.join('|');
export const listVmsQuerySchema = z.object({
  status: z
    .string()
    .max(100)
    .optional()
    .meta({
      description: 'Comma-separated states; default running and paused; "all" for every state.',
      pattern: `^(all|(${anyState})(,(${anyState}))*)$`,
    }),
  os_type: z.enum(['linux', 'windows']).optional(),
  /** `key=value`, may be repeated. */
  label: z.union([labelWanted, z.array(labelWanted)]).optional(),
  owner: z.string().max(128).optional().describe('Those of that owner, of all that the caller may see'),
  team: z.string().max(128).optional().describe('Those of that team, of all that the caller may see'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  cursor: z.string().max(200).optional(),
  sort: z.enum(['created_at', 'name', 'status']).default('created_at'),
  order: z.enum(['asc', 'desc']).default('asc'),
});
export const vmListSchema = z.object({ vms: z.array(vmSchema), total: z.int(), next_cursor: z.string().nullable() });

export const startVmSchema = z.strictObject({
  /** Another one than it last ran on: the disk moves. */
  hypervisor: config.hypervisor.unwrap().optional(),
});
export const stopVmSchema = z.strictObject({
  force: z.boolean().default(false),
  timeout_seconds: z.number().min(0).max(600).default(5),
});
export const vmTimeoutSchema = z.strictObject({
  timeout_seconds: z
    .number()
    .min(0)
    .max(30 * 86_400),
});

/** What a VM was given. */
export const resourcesSchema = z.object({ vcpus: z.int(), memory_mb: z.int(), disk_mb: z.int() });
/** New sizes for a running VM; what is left out stays. */
export const resizeVmSchema = z
  .strictObject({ vcpus: z.int().min(1).optional(), memory_mb: z.int().min(1).optional() })
  .refine(({ vcpus, memory_mb: memory }) => vcpus !== undefined || memory !== undefined, 'changes nothing')
  .meta({ minProperties: 1 });

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
  return {
    timestamp: metrics.timestamp,
    uptimeMs: metrics.uptime_ms,
    cpuCount: metrics.cpu_count,
    cpuUsageUs: metrics.cpu_usage_us,
    memoryTotalMb: metrics.memory_total_mb,
    memoryUsageMb: metrics.memory_usage_mb,
    memoryCacheMb: metrics.memory_cache_mb,
    diskTotalMb: metrics.disk_total_mb,
    diskUsageMb: metrics.disk_usage_mb,
    processes: metrics.processes,
    networkRxBytes: metrics.network_rx_bytes,
    networkTxBytes: metrics.network_tx_bytes,
    host: { rssMb: metrics.host_rss_mb, cpuUsageUs: metrics.host_cpu_usage_us },
  };
}

export const vmLogsSchema = z.object({ console: z.string(), vmm: z.string() });
