import { availableParallelism } from 'node:os';
import { hasMachine, type SandboxInfo } from '@novasandbox/protocol';
import type { RouteContext } from '../daemon-context.ts';
import type { HostUsage } from './host.ts';

type Parts = Pick<RouteContext, 'measurements' | 'config'>;

/** VMs that use their resources: paused and stopping VMs still hold their memory. */
const holding = (vms: readonly SandboxInfo[]): SandboxInfo[] => vms.filter(({ state }) => hasMachine(state));

export function allocations(vms: readonly SandboxInfo[]) {
  return {
    allocations: holding(vms).map(({ id, name, owner, team, state, vcpus, memoryMb, diskSizeMb }) => ({
      vm_id: id,
      name,
      owner,
      team,
      status: state,
      vcpus,
      memory_mb: memoryMb,
      disk_mb: diskSizeMb,
    })),
  };
}

export async function resourceUsage(parts: Parts, seen: readonly SandboxInfo[], look: () => Promise<HostUsage>) {
  const host = await look();
  const vms = holding(seen);
  const measured = vms.map(({ id }) => parts.measurements.latest(id)?.metrics).filter((each) => each !== undefined);
  const { max_vms, max_memory_mb, max_vcpus } = parts.config.resources;
  return {
    host: {
      cpus: availableParallelism(),
      cpu_usage_percent: host.cpuPercent,
      memory_total_mb: host.memoryTotalMb,
      memory_available_mb: host.memoryAvailableMb,
      disk_total_mb: host.diskTotalMb,
      disk_free_mb: host.diskFreeMb,
    },
    allocated: {
      vms: vms.length,
      vcpus: sum(vms, ({ vcpus }) => vcpus),
      memory_mb: sum(vms, ({ memoryMb }) => memoryMb),
      disk_mb: sum(vms, ({ diskSizeMb }) => diskSizeMb),
    },
    used: {
      measured_vms: measured.length,
      memory_mb: sum(measured, ({ memory_usage_mb }) => memory_usage_mb),
      disk_mb: sum(measured, ({ disk_usage_mb }) => disk_usage_mb),
      host_memory_mb: sum(measured, ({ host_rss_mb }) => host_rss_mb),
    },
    limits: { max_vms, max_memory_mb, max_vcpus },
  };
}

const sum = <T>(all: readonly T[], of: (each: T) => number): number =>
  Math.round(all.reduce((total, each) => total + of(each), 0) * 100) / 100;
