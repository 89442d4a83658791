import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isNovaError, toNovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { withFreeLock } from '../artifacts/lock.ts';
import type { EngineContext } from '../context.ts';
import { problemsOf, readManifest } from '../memory/manifest.ts';
import type { SnapshotRecord } from '../ports/store.ts';

interface Adopted {
  readonly ids: string[];
  readonly problems: string[];
}

/**
 * Makes the records of snapshots again that the store has lost, from what their folders say of themselves. A folder
 * whose lock is held belongs to a snapshot that is being taken or removed.
 */
export async function adoptSnapshots(
  context: EngineContext,
  { dryRun = false, signal }: { readonly dryRun?: boolean; readonly signal?: AbortSignal | undefined },
): Promise<Adopted> {
  const { layout, store } = context;
  const adopted: Adopted = { ids: [], problems: [] };
  const known = new Set(store.listSnapshots().map(({ id }) => id));
  for (const id of await readdir(layout.snapshots).catch(() => [])) {
    if (known.has(id)) continue;
    throwIfAborted(signal, 'while lost snapshots were looked at');
    const lock = join(layout.instants.workDirectory, `${id}.lock`);
    await withFreeLock(lock, async () => {
      try {
        if (store.findSnapshot(id) === null && (await adopt(context, id, dryRun, signal))) adopted.ids.push(id);
      } catch (error) {
        signal?.throwIfAborted();
        adopted.problems.push(`The store does not know the snapshot ${id}: ${toNovaError(error).message}`);
      } finally {
        await rm(lock, { force: true });
      }
    });
  }
  return adopted;
}

/** Returns false where the snapshot is gone meanwhile. */
async function adopt(
  context: EngineContext,
  id: string,
  dryRun: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { layout, store } = context;
  const folder = layout.snapshot(id);
  if (!(await readdir(layout.snapshots)).includes(id)) return false;
  const manifest = await readManifest(folder);
  const record = store.parseSnapshot(manifest.record);
  if (record.id !== id) throw new Error(`its folder says that it is ${record.id}`);
  const problems = await problemsOf(folder, manifest, 'quick', signal);
  if (problems.length > 0) throw new Error(problems.join('; '));
  if (!dryRun) addAgain(context, record);
  return true;
}

/** Another snapshot of its sandbox may have got its name since. */
function addAgain({ store }: EngineContext, record: Omit<SnapshotRecord, 'sequence'>): void {
  try {
    store.addSnapshot(record);
  } catch (error) {
    if (record.name === null || !isNovaError(error, 'conflict')) throw error;
    store.addSnapshot({ ...record, name: null });
  }
}
