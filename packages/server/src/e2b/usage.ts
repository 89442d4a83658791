import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxInfo, SandboxStats } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';
import type { Measurements, VmMeasurement } from '../metrics/measurements.ts';

/** One measurement of a sandbox. */
export interface Usage {
  readonly takenAtMs: number;
  readonly cpuCount: number;
  /** CPU use of all CPUs together since the previous measurement. */
  readonly cpuUsedPct: number;
  readonly memUsed: number;
  readonly memTotal: number;
  readonly memCache: number;
  readonly diskUsed: number;
  readonly diskTotal: number;
}

const mebibyte = 1024 * 1024;
/** CPU use is measured as the difference of two samples this far apart. */
const intervalMs = 100;

const percent = (used: number): number => Math.round(Math.min(100, Math.max(0, used)) * 100) / 100;
const bytes = (megabytes: number): number => Math.round(megabytes * mebibyte);

export async function measure({ engine }: CallerContext, id: string): Promise<Usage> {
  const before = await engine.sandboxes.stats(id);
  await delay(intervalMs);
  return usageBetween(before, await engine.sandboxes.stats(id));
}

function usageBetween(before: SandboxStats, after: SandboxStats): Usage {
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
  /** Seconds since 1970; both ends are inclusive. */
  readonly start?: number | undefined;
  readonly end?: number | undefined;
}

/**
 * Answers `GET /sandboxes/{id}/metrics`: the measurements within the requested time, followed by a current one where
 * the time includes now. A paused sandbox is not measured. The first measurement of a sandbox has no CPU use and is
 * left out.
 */
export async function metricsBody(
  context: CallerContext,
  measurements: Pick<Measurements, 'history'>,
  info: SandboxInfo,
  { start = 0, end = Number.MAX_SAFE_INTEGER }: Span,
) {
  // Clients round times up or down, so that both ends are extended: a measurement named by its time is always included.
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
