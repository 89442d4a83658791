import { NovaError, within, everything, type Scope, type SnapshotInfo } from '@novasandbox/protocol';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../artifacts/missing.ts';
import { inOwnWorkFolder } from '../artifacts/publish.ts';
import type { EngineContext } from '../context.ts';
import type { SnapshotRecord } from '../ports/store.ts';
import { findSnapshot, toSnapshotInfo } from './find.ts';

/** Deletes a snapshot. Sandboxes that were made from it have all they need. */
export async function removeSnapshot(context: EngineContext, ref: string): Promise<void> {
  await remove(context, findSnapshot(context, ref));
}

/**
 * Removes the snapshots within `scope` that were taken longer ago than `ageMs`, except those whose memory younger ones
 * need; returns those removed.
 */
export async function removeOlder(
  context: EngineContext,
  ageMs: number,
  scope: Scope = everything,
): Promise<SnapshotInfo[]> {
  const before = Date.now() - ageMs;
  const old = context.store.listSnapshots().filter((each) => within(scope, each) && each.createdAtMs <= before);
  const removed: SnapshotInfo[] = [];
  // The youngest first, because they may need the memory of older ones.
  for (const snapshot of old.toReversed()) {
    if (dependents(context, snapshot).length > 0) continue;
    await remove(context, snapshot);
    removed.push(toSnapshotInfo(snapshot));
  }
  return removed.toReversed();
}

async function remove(context: EngineContext, snapshot: SnapshotRecord): Promise<void> {
  const { layout, store } = context;
  const [dependent] = dependents(context, snapshot);
  if (dependent !== undefined)
    throw new NovaError(
      'conflict',
      `The snapshot ${dependent.name ?? dependent.id} holds only the memory that differs from this one's.`,
      { hint: `Remove ${dependent.name ?? dependent.id} first.` },
    );
  await inOwnWorkFolder(layout.instants, snapshot.id, undefined, async (work) => {
    // From here on it is gone as a whole, also where this process is killed.
    await rename(layout.snapshot(snapshot.id), join(work, 'removed')).catch(unlessMissing);
    store.removeSnapshot(snapshot.id);
  });
}

const dependents = ({ store }: EngineContext, { id }: SnapshotRecord): SnapshotRecord[] =>
  store.listSnapshots().filter(({ memoryFrom }) => memoryFrom === id);
