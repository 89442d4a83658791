import { everything, within, type Scope, type SnapshotStatistics } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SnapshotRecord } from '../ports/store.ts';

/** All snapshots within `scope`, added up. */
export function snapshotStatistics({ store }: EngineContext, scope: Scope = everything): SnapshotStatistics {
  const all = store.listSnapshots().filter((snapshot) => within(scope, snapshot));
  const times = all.map(({ createdAtMs }) => createdAtMs);
  const iso = (ms: number): string | null => (all.length === 0 ? null : new Date(ms).toISOString());
  return {
    count: all.length,
    withMemory: all.filter(({ kind }) => kind === 'memory').length,
    totalBytes: bytesOf(all),
    oldest: iso(Math.min(...times)),
    newest: iso(Math.max(...times)),
    bySandbox: [...Map.groupBy(all, ({ sandboxId }) => sandboxId)].map(([sandboxId, own]) => ({
      sandboxId,
      count: own.length,
      totalBytes: bytesOf(own),
    })),
  };
}

const bytesOf = (snapshots: readonly SnapshotRecord[]): number =>
  snapshots.reduce((total, { memoryBytes, diskBytes }) => total + memoryBytes + diskBytes, 0);
