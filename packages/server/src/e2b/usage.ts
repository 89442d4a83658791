import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxInfo, SandboxStats } from '@novasandbox/protocol';
import type { ServerContext } from '../context.ts';

/** One measurement of a sandbox. */
export interface Usage {
  readonly takenAtMs: number;
  readonly cpuCount: number;
  /** Of all its CPUs together, since the measurement before. */
  readonly cpuUsedPct: number;
  readonly memUsed: number;
  readonly memTotal: number;
  readonly memCache: number;
  readonly diskUsed: number;
  readonly diskTotal: number;
}

const mebibyte = 1024 * 1024;
/** CPU use is a difference: two looks so far apart. */
const intervalMs = 100;

const bytes = (megabytes: number): number => Math.round(megabytes * mebibyte);

export async function measure({ engine }: ServerContext, id: string): Promise<Usage> {
  const before = await engine.sandboxes.stats(id);
  await delay(intervalMs);
  return usageBetween(before, await engine.sandboxes.stats(id));
}

export function usageBetween(before: SandboxStats, after: SandboxStats): Usage {
  const elapsedUs = Math.max(1, (after.uptimeMs - before.uptimeMs) * 1000);
  const used = ((after.cpuUsageUs - before.cpuUsageUs) / elapsedUs / Math.max(1, after.cpuCount)) * 100;
  return {
    takenAtMs: Date.parse(after.timestamp),
    cpuCount: after.cpuCount,
    cpuUsedPct: Math.round(Math.min(100, Math.max(0, used)) * 100) / 100,
    memUsed: bytes(after.memoryUsageMb),
    memTotal: bytes(after.memoryTotalMb),
    memCache: bytes(after.memoryCacheMb),
    diskUsed: bytes(after.diskUsageMb),
    diskTotal: bytes(after.diskTotalMb),
  };
}

/** What `GET /sandboxes/{id}/metrics` answers: a measurement of now, when now is asked for. A paused sandbox uses nothing that could be measured. */
export async function metricsBody(
  context: ServerContext,
  info: SandboxInfo,
  {
    start = 0,
    end = Number.MAX_SAFE_INTEGER,
  }: { readonly start?: number | undefined; readonly end?: number | undefined },
) {
  if (info.state !== 'running') return [];
  const { takenAtMs, ...usage } = await measure(context, info.id);
  const timestampUnix = Math.floor(takenAtMs / 1000);
  if (timestampUnix < start || timestampUnix > end) return [];
  return [{ timestamp: new Date(takenAtMs).toISOString(), timestampUnix, ...usage }];
}
