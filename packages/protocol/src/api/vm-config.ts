import * as z from 'zod';
import { parse } from '../parse.ts';
import { rateLimitsOf, rateLimitsSchema, wireRateLimits } from './rate-limits.ts';
import { architectureSchema, givenLabels, sandboxConfigSchema, type SandboxConfig } from '../sandbox.ts';

/** What a VM was made with, on the wire. Paths of the daemon's host are not told. */
export const vmConfigSchema = z.object({
  name: z.string().nullable(),
  template: z.string(),
  vcpus: z.int().nullable(),
  memory_mb: z.int().nullable(),
  disk_mb: z.int().nullable(),
  max_processes: z.int(),
  boot_timeout_seconds: z.number(),
  network: z.boolean(),
  host_port: z.int().nullable(),
  guest_port: z.int(),
  read_only_rootfs: z.boolean(),
  hyperv: z.boolean(),
  rate_limits: rateLimitsSchema,
  metadata: z.record(z.string(), z.string()),
  environment: z.record(z.string(), z.string()),
  user: z.string().nullable(),
  timeout_seconds: z.number(),
  ephemeral: z.boolean(),
  hypervisor: z.string(),
  architecture: architectureSchema.nullable(),
});
export type VmConfig = z.infer<typeof vmConfigSchema>;

export function vmConfigOf(config: SandboxConfig): VmConfig {
  return {
    name: config.name ?? null,
    template: config.templateId,
    vcpus: config.vcpus ?? null,
    memory_mb: config.memoryMb ?? null,
    disk_mb: config.diskSizeMb ?? null,
    max_processes: config.maxProcesses,
    boot_timeout_seconds: config.bootTimeoutMs / 1000,
    network: config.enableNetwork,
    host_port: config.hostPort ?? null,
    guest_port: config.guestPort,
    read_only_rootfs: config.readOnlyRootfs,
    hyperv: config.hyperv,
    rate_limits: wireRateLimits(config.rateLimits),
    metadata: givenLabels(config.labels),
    environment: config.env,
    user: config.user ?? null,
    timeout_seconds: config.timeoutMs / 1000,
    ephemeral: config.ephemeral,
    hypervisor: config.hypervisor,
    architecture: config.architecture ?? null,
  };
}

export function configOfVmConfig(wire: VmConfig): SandboxConfig {
  const perhaps = {
    name: wire.name,
    vcpus: wire.vcpus,
    memoryMb: wire.memory_mb,
    diskSizeMb: wire.disk_mb,
    hostPort: wire.host_port,
    user: wire.user,
    architecture: wire.architecture,
  };
  const config = {
    ...Object.fromEntries(Object.entries(perhaps).filter(([, value]) => value !== null)),
    templateId: wire.template,
    maxProcesses: wire.max_processes,
    bootTimeoutMs: Math.round(wire.boot_timeout_seconds * 1000),
    enableNetwork: wire.network,
    guestPort: wire.guest_port,
    readOnlyRootfs: wire.read_only_rootfs,
    hyperv: wire.hyperv,
    rateLimits: rateLimitsOf(wire.rate_limits),
    labels: wire.metadata,
    env: wire.environment,
    timeoutMs: Math.round(wire.timeout_seconds * 1000),
    ephemeral: wire.ephemeral,
    hypervisor: wire.hypervisor,
  };
  return parse(sandboxConfigSchema, config, 'config');
}
