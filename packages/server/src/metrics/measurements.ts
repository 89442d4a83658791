import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '@novasandbox/engine';
import type { SandboxStats } from '@novasandbox/protocol';
import { metricsOf, type VmMetrics } from '@novasandbox/protocol/api';
import type { Roster } from '../observe/roster.ts';

export interface VmMeasurement {
  readonly metrics: VmMetrics;
  /** CPU use of all CPUs since the previous measurement; null for the first one. */
  readonly cpuPercent: number | null;
}

/**
 * Keeps the last measurements of VMs. A VM that does not run has no latest measurement, and a removed VM has no
 * history.
 */
export interface Measurements {
  latest(vmId: string): VmMeasurement | null;
  history(vmId: string, how?: { readonly sinceMs?: number; readonly limit?: number }): VmMeasurement[];
  /** Measures all running VMs once. A guest whose previous answer is still outstanding is skipped. */
  sample(): Promise<void>;
  forget(vmId: string): void;
}

const atOnce = 4;
/** A healthy guest answers within milliseconds. After this time the next guest is asked; a late answer still counts. */
const turnMs = 500;

export function createMeasurements(engine: Engine, roster: Roster, kept: number): Measurements {
  const rings = new Map<string, VmMeasurement[]>();
  const latest = new Map<string, VmMeasurement>();
  const asked = new Set<string>();

  const add = (vmId: string, stats: SandboxStats): void => {
    const metrics = metricsOf(stats);
    const ring = rings.get(vmId) ?? [];
    rings.set(vmId, ring);
    const before = ring.at(-1)?.metrics;
    const wallUs = before === undefined ? 0 : (Date.parse(metrics.timestamp) - Date.parse(before.timestamp)) * 1000;
    const usedUs = before === undefined ? 0 : metrics.cpu_usage_us - before.cpu_usage_us;
    const cpuPercent = wallUs <= 0 ? null : Math.max(0, (usedUs / wallUs / Math.max(1, metrics.cpu_count)) * 100);
    const measurement = { metrics, cpuPercent };
    ring.push(measurement);
    if (ring.length > kept) ring.shift();
    latest.set(vmId, measurement);
  };
  const ask = async (vmId: string): Promise<void> => {
    if (asked.has(vmId)) return;
    asked.add(vmId);
    try {
      add(vmId, await engine.sandboxes.stats(vmId));
    } catch {
      // The VM has ended, or its guest does not answer: it has no current measurement.
      latest.delete(vmId);
    } finally {
      asked.delete(vmId);
    }
  };

  return {
    latest: (vmId) => latest.get(vmId) ?? null,
    history: (vmId, { sinceMs = 0, limit = kept } = {}) =>
      (rings.get(vmId) ?? []).filter(({ metrics }) => Date.parse(metrics.timestamp) >= sinceMs).slice(-limit),
    async sample() {
      const infos = roster.list();
      const running = infos.filter(({ state }) => state === 'running').map(({ id }) => id);
      for (const id of latest.keys()) if (!running.includes(id)) latest.delete(id);
      const queue = running.values();
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (const id of queue) {
            const over = new AbortController();
            const turn = delay(turnMs, undefined, { signal: over.signal }).catch(() => undefined);
            await Promise.race([ask(id), turn]).finally(() => over.abort());
          }
        }),
      );
    },
    forget(vmId) {
      rings.delete(vmId);
      latest.delete(vmId);
    },
  };
}
