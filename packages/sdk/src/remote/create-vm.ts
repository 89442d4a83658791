import { parse, sandboxConfigSchema, type SandboxConfigInput } from '@novasandbox/protocol';
import { wireRateLimits, type createVmSchema } from '@novasandbox/protocol/api';
import type * as z from 'zod';
import { notOverDaemon } from './remote-error.ts';

/** Paths of this host mean nothing on the daemon's, and are not a client's to name there. */
const hostOnly = ['kernelArgs', 'rootfsPath', 'extraDrives', 'firmwarePath'] as const;

const names = {
  name: 'name',
  templateId: 'template',
  vcpus: 'vcpus',
  memoryMb: 'memory_mb',
  diskSizeMb: 'disk_mb',
  maxProcesses: 'max_processes',
  enableNetwork: 'network',
  hostPort: 'host_port',
  guestPort: 'guest_port',
  readOnlyRootfs: 'read_only_rootfs',
  hyperv: 'hyperv',
  labels: 'metadata',
  env: 'environment',
  user: 'user',
  ephemeral: 'ephemeral',
  hypervisor: 'hypervisor',
  architecture: 'architecture',
} as const satisfies Partial<Record<keyof SandboxConfigInput, keyof z.input<typeof createVmSchema>>>;

/** A config as the contract has it. What is not given is left to the daemon's defaults, the time to live too. */
export function createVmOf(config: SandboxConfigInput): z.input<typeof createVmSchema> {
  // Checked here, so that errors name the fields as the caller knows them.
  parse(sandboxConfigSchema, config, 'config');
  for (const field of hostOnly) {
    const value = config[field];
    if (value !== undefined && value.length > 0) throw notOverDaemon(field);
  }
  const { bootTimeoutMs, timeoutMs, rateLimits } = config;
  const given = Object.entries(names).map(([field, name]) => [name, config[field as keyof typeof names]] as const);
  return {
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    ...(bootTimeoutMs === undefined ? {} : { boot_timeout_seconds: bootTimeoutMs / 1000 }),
    ...(rateLimits === undefined ? {} : { rate_limits: wireRateLimits(rateLimits) }),
    ...(timeoutMs === undefined ? {} : { timeout_seconds: timeoutMs / 1000 }),
  };
}
