import { isDeepStrictEqual } from 'node:util';
import { parse, sandboxConfigSchema, type PoolMiss, type SandboxConfig } from '@novasandbox/protocol';

/**
 * The meaning of each field of a config for a clone that waits in the warm pool. `shape`: the clone is made with it.
 * `claim`: it is set when the clone becomes a sandbox. All others cannot change once a clone runs: a config that sets
 * one gets no clone, for that reason.
 */
const roles: Readonly<Record<keyof SandboxConfig, 'shape' | 'claim' | PoolMiss>> = {
  templateId: 'shape',
  vcpus: 'shape',
  memoryMb: 'shape',
  diskSizeMb: 'shape',
  enableNetwork: 'shape',
  readOnlyRootfs: 'shape',
  hypervisor: 'shape',
  architecture: 'shape',
  name: 'claim',
  onTimeout: 'claim',
  autoResume: 'claim',
  labels: 'claim',
  env: 'claim',
  user: 'claim',
  maxProcesses: 'claim',
  timeoutMs: 'claim',
  ephemeral: 'claim',
  bootTimeoutMs: 'claim',
  policy: 'claim',
  networks: 'claim',
  secrets: 'claim',
  // It means nothing without a port of the host.
  guestPort: 'claim',
  hostPort: 'host_port',
  rateLimits: 'rate_limits',
  volumes: 'volumes',
  // A create has put a template in its place before.
  image: 'cold_boot',
  rootfsPath: 'cold_boot',
  extraDrives: 'cold_boot',
  firmwarePath: 'cold_boot',
  kernelArgs: 'cold_boot',
  hyperv: 'cold_boot',
};
const entries = Object.entries(roles) as [keyof SandboxConfig, (typeof roles)[keyof SandboxConfig]][];

/** Why no clone can be such a sandbox; null where one can. */
export function whyUnpoolable(config: SandboxConfig): PoolMiss | null {
  const usual = parse(sandboxConfigSchema, {}, 'sandbox config');
  for (const [name, role] of entries) {
    if (role === 'shape' || role === 'claim') continue;
    if (!isDeepStrictEqual(config[name], usual[name])) return role;
  }
  return null;
}

/** The config of a clone that can become any sandbox of the shape that the config has. */
export function pooledConfig(config: SandboxConfig): SandboxConfig {
  const shape = entries.filter(([name, role]) => role === 'shape' && config[name] !== undefined);
  return parse(sandboxConfigSchema, Object.fromEntries(shape.map(([name]) => [name, config[name]])), 'sandbox config');
}
