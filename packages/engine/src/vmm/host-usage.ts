import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { MachineStats } from '../ports/vmm-driver.ts';

const pageBytes = 4096;
/** USER_HZ, which is 100 on every Linux (proc(5)). */
const ticksPerSecond = 100;

/** Resident memory and CPU time of a process; zeros when it has ended. */
export async function hostUsage(pid: number): Promise<MachineStats> {
  if (process.platform !== 'linux') return usageFromPs(pid);
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    return {
      rssBytes: (fields[21] ?? 0) * pageBytes,
      cpuUs: (((fields[11] ?? 0) + (fields[12] ?? 0)) * 1e6) / ticksPerSecond,
    };
  } catch {
    return { rssBytes: 0, cpuUs: 0 };
  }
}

function usageFromPs(pid: number): MachineStats {
  try {
    const [rssKb = 0] = execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8', timeout: 10_000 })
      .trim()
      .split(/\s+/)
      .map(Number);
    return { rssBytes: rssKb * 1024, cpuUs: 0 };
  } catch {
    return { rssBytes: 0, cpuUs: 0 };
  }
}
