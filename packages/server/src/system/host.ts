import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';

const mebibyte = 1024 * 1024;

export interface HostUsage {
  /** CPU use of all CPUs since the previous call. */
  readonly cpuPercent: number;
  readonly load1: number;
  readonly memoryTotalMb: number;
  readonly memoryAvailableMb: number;
  readonly diskTotalMb: number;
  readonly diskFreeMb: number;
  readonly networkRxBytes: number;
  readonly networkTxBytes: number;
}

/** Measures the host. CPU use covers the time since the previous call, so that no call has to wait for a sample. */
export function createHostLook(directory: string): () => Promise<HostUsage> {
  let before: { readonly busy: number; readonly total: number } | null = null;
  return async () => {
    const [stat, memory, network, disk] = await Promise.all([
      proc('/proc/stat'),
      proc('/proc/meminfo'),
      proc('/proc/net/dev'),
      statfs(directory),
    ]);
    const cpu = cpuTimes(stat);
    const total = before === null ? cpu.total : cpu.total - before.total;
    const busy = before === null ? cpu.busy : cpu.busy - before.busy;
    before = cpu;
    const available = /^MemAvailable:\s+(\d+) kB/m.exec(memory)?.[1];
    return {
      cpuPercent: round(total <= 0 ? (loadavg()[0] ?? 0) / availableParallelism() : (busy / total) * 100),
      load1: loadavg()[0] ?? 0,
      memoryTotalMb: round(totalmem() / mebibyte),
      memoryAvailableMb: round(available === undefined ? freemem() / mebibyte : Number(available) / 1024),
      diskTotalMb: round((disk.blocks * disk.bsize) / mebibyte),
      diskFreeMb: round((disk.bavail * disk.bsize) / mebibyte),
      ...networkBytes(network),
    };
  };
}

// Systems without /proc report 0 for what only /proc provides.
const proc = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
const round = (value: number): number => Math.round(value * 100) / 100;

function cpuTimes(stat: string): { busy: number; total: number } {
  const fields = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map(Number).slice(0, 8);
  const total = fields.reduce((sum, value) => sum + value, 0);
  return { busy: total - (fields[3] ?? 0) - (fields[4] ?? 0), total };
}

function networkBytes(table: string): { networkRxBytes: number; networkTxBytes: number } {
  let [networkRxBytes, networkTxBytes] = [0, 0];
  for (const [, name, fields = ''] of table.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (name === 'lo') continue;
    const values = fields.split(/\s+/).map(Number);
    networkRxBytes += values[0] ?? 0;
    networkTxBytes += values[8] ?? 0;
  }
  return { networkRxBytes, networkTxBytes };
}
