import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxInfo, SandboxStats } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';
import type { Measurements, VmMeasurement } from '../metrics/measurements.ts';

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

const percent = (used: number): number => Math.round(Math.min(100, Math.max(0, used)) * 100) / 100;
const bytes = (megabytes: number): number => Math.round(megabytes * mebibyte);

export async function measure({ engine }: CallerContext, id: string): Promise<Usage> {
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
    cpuUsedPct: percent(used),
    memUsed: bytes(after.memoryUsageMb),
    memTotal: bytes(after.memoryTotalMb),
    memCache: bytes(after.memoryCacheMb),
    diskUsed: bytes(after.diskUsageMb),
    diskTotal: bytes(after.diskTotalMb),
  };
}

export interface Span {
  /** Seconds since 1970, both inclusive. */
  readonly start?: number | undefined;
  readonly end?: number | undefined;
}

/**
 * What `GET /sandboxes/{id}/metrics` answers: what the daemon has measured within the time asked for, and last a measurement of now where that is
 * within it. A paused sandbox uses nothing that could be measured. The first measurement of a sandbox has no CPU use, and is left out.
 */
export async function metricsBody(
  context: CallerContext,
  measurements: Pick<Measurements, 'history'>,
  info: SandboxInfo,
  { start = 0, end = Number.MAX_SAFE_INTEGER }: Span,
) {
  // Clients round times of their own, up or down: a measurement that they name by its time is always within.
  const within = ({ takenAtMs }: Usage): boolean =>
    Math.round(takenAtMs / 1000) >= start && Math.floor(takenAtMs / 1000) <= end;
  const known = measurements.history(info.id).map(usageOf);
  const measured = known.filter((usage) => usage !== null);
  const seconds = Date.now() / 1000;
  const asksForNow = info.state === 'running' && start <= Math.round(seconds) && end >= Math.floor(seconds);
  const now = asksForNow ? [await measure(context, info.id)] : [];
  return [...measured, ...now].filter(within).map(wire);
}

const wire = ({ takenAtMs, ...usage }: Usage) => ({
  timestamp: new Date(takenAtMs).toISOString(),
  timestampUnix: Math.floor(takenAtMs / 1000),
  ...usage,
});

function usageOf({ metrics, cpuPercent }: VmMeasurement): Usage | null {
  if (cpuPercent === null) return null;
  return {
    takenAtMs: Date.parse(metrics.timestamp),
    cpuCount: metrics.cpu_count,
    cpuUsedPct: percent(cpuPercent),
    memUsed: bytes(metrics.memory_usage_mb),
    memTotal: bytes(metrics.memory_total_mb),
    memCache: bytes(metrics.memory_cache_mb),
    diskUsed: bytes(metrics.disk_usage_mb),
    diskTotal: bytes(metrics.disk_total_mb),
  };
}
