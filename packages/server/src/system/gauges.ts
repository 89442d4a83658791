import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasMachine, sandboxStateSchema, type SandboxInfo } from '@novasandbox/protocol';
import { Counter, Gauge, Registry } from 'prom-client';
import type { DaemonContext } from '../daemon-context.ts';
import { checks } from './checks.ts';
import type { HostUsage } from './host.ts';
import type { Measurements } from '../metrics/measurements.ts';
import { metricName } from '../metrics/metrics.ts';

const mebibyte = 1024 * 1024;
const goldenLookMs = 60_000;

export interface Gauges {
  /**
   * Returns all metrics in Prometheus' format. Only the given VMs have series of their own; all VMs are in the sums.
   */
  text(seen: readonly Pick<SandboxInfo, 'id'>[]): Promise<string>;
}

/** Creates gauges that are filled on request. VMs that do not run have no series. */
export function createGauges(
  context: Pick<DaemonContext, 'metrics' | 'roster' | 'measurements' | 'config' | 'layout' | 'store' | 'quietEngine'>,
  look: () => Promise<HostUsage>,
): Gauges {
  const registers = [context.metrics.registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: metricName(name), help, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: metricName(name), help, labelNames, registers });

  const current = gauge('vm_current', 'VMs by state', ['state']);
  const pool = gauge('pool_clones', 'Clones in the warm pool, and those that it wants to have ready', ['state']);
  const snapshots = gauge('snapshot_size_bytes', 'Disk used by the snapshots of VMs');
  const golden = gauge('golden_snapshot_size_bytes', 'Disk used by the golden snapshots, of which VMs are clones');
  const hostCpu = gauge('host_cpu_usage_percent', 'CPU of the host');
  const hostMemory = gauge('host_memory_usage_bytes', 'Memory used on the host');
  const hostDisk = gauge('host_disk_usage_bytes', 'Disk used where the state folder lies');
  const hostNetwork = counter('host_network_bytes_total', 'Bytes over the network interfaces of the host', [
    'direction',
  ]);
  const health = gauge('health_check_status', 'Results of the readiness checks: 1 for ok', ['check']);
  const allocations = gauge('resource_allocations', 'Resources given to running VMs', ['resource']);
  const quota = gauge('resource_quota_usage_percent', 'Use of the allowed resources', ['resource']);

  let goldenBytes = { atMs: 0, bytes: 0 };
  const goldenSize = async (): Promise<number> => {
    if (Date.now() - goldenBytes.atMs > goldenLookMs) {
      goldenBytes = { atMs: Date.now(), bytes: await allocatedBytes(context.layout.goldenSnapshots) };
    }
    return goldenBytes.bytes;
  };

  const vms = (): void => {
    current.reset();
    const infos = context.roster.list();
    for (const state of sandboxStateSchema.options) {
      current.set({ state }, infos.filter((info) => info.state === state).length);
    }
    const alive = infos.filter(({ state }) => hasMachine(state));
    const sum = (of: (info: (typeof alive)[number]) => number): number =>
      alive.reduce((all, info) => all + of(info), 0);
    allocations.set({ resource: 'vms' }, alive.length);
    allocations.set(
      { resource: 'vcpus' },
      sum(({ vcpus }) => vcpus),
    );
    allocations.set({ resource: 'memory_bytes' }, sum(({ memoryMb }) => memoryMb) * mebibyte);
    allocations.set({ resource: 'disk_bytes' }, sum(({ diskSizeMb }) => diskSizeMb) * mebibyte);
    const { max_vms } = context.config.resources;
    quota.set({ resource: 'vms' }, max_vms === 0 ? 0 : (alive.length / max_vms) * 100);
  };

  return {
    async text(seen) {
      vms();
      const [host, readiness, goldenNow, { totalBytes }, { clones, shapes }] = await Promise.all([
        look(),
        checks(context),
        goldenSize(),
        context.quietEngine.snapshots.statistics(),
        context.quietEngine.pool.status(),
      ]);
      hostCpu.set(host.cpuPercent);
      hostMemory.set((host.memoryTotalMb - host.memoryAvailableMb) * mebibyte);
      hostDisk.set((host.diskTotalMb - host.diskFreeMb) * mebibyte);
      hostNetwork.reset();
      hostNetwork.inc({ direction: 'receive' }, host.networkRxBytes);
      hostNetwork.inc({ direction: 'transmit' }, host.networkTxBytes);
      pool.set({ state: 'ready' }, clones.filter(({ ready }) => ready).length);
      pool.set({ state: 'making' }, clones.filter(({ ready }) => !ready).length);
      pool.set(
        { state: 'wanted' },
        shapes.reduce((sum, { wanted }) => sum + wanted, 0),
      );
      golden.set(goldenNow);
      snapshots.set(totalBytes);
      for (const [check, { ok }] of Object.entries(readiness)) health.set({ check }, ok ? 1 : 0);
      const ofEach = await eachVm(context.measurements, seen).metrics();
      return `${await context.metrics.registry.metrics()}\n${ofEach}`;
    },
  };
}

/** Creates a registry for each request, because concurrent readers may see different VMs. */
function eachVm(measurements: Measurements, seen: readonly Pick<SandboxInfo, 'id'>[]): Registry {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string) =>
    new Gauge({ name: metricName(name), help, labelNames: ['vm'], registers });
  const cpu = gauge('vm_cpu_usage_percent', 'CPU use of a VM, as a share of all its CPUs');
  const memory = gauge('vm_memory_usage_bytes', 'Memory used in a VM');
  const disk = gauge('vm_disk_usage_bytes', 'Disk used in a VM');
  const network = new Counter({
    name: metricName('vm_network_bytes_total'),
    help: 'Bytes over the network of a VM',
    labelNames: ['vm', 'direction'],
    registers,
  });
  for (const { id } of seen) {
    const latest = measurements.latest(id);
    if (latest === null) continue;
    const { metrics, cpuPercent } = latest;
    cpu.set({ vm: id }, cpuPercent ?? 0);
    memory.set({ vm: id }, metrics.memory_usage_mb * mebibyte);
    disk.set({ vm: id }, metrics.disk_usage_mb * mebibyte);
    network.inc({ vm: id, direction: 'receive' }, metrics.network_rx_bytes);
    network.inc({ vm: id, direction: 'transmit' }, metrics.network_tx_bytes);
  }
  return registry;
}

async function allocatedBytes(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    // 512 is the unit of st_blocks whatever the file system's own.
    bytes += ((await stat(join(entry.parentPath, entry.name)).catch(() => null))?.blocks ?? 0) * 512;
  }
  return bytes;
}
