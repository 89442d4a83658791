import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Collected, StorageKind, StoredThing } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { removeFreeLock, withFreeLock } from '../artifacts/lock.ts';
import { unlessMissing } from '../artifacts/missing.ts';
import { inOwnWorkFolder } from '../artifacts/publish.ts';
import type { EngineContext } from '../context.ts';
import { reclaimWork } from '../guest/reclaim.ts';
import type { CallContext, CollectOptions } from '../services.ts';
import { turnIfFree } from '../sandbox/turn.ts';
import { settleVolumes } from '../volumes/info.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { adoptSnapshots } from './adopt.ts';
import { findAgain, findAll } from './find.ts';
import { missingFiles } from './find-memory.ts';
import type { Found } from './found.ts';
import { startMeasuring } from './measure.ts';
import { untilMadeNowHasEnded } from './under-way.ts';
import { plain } from './usage.ts';

/** Kinds that something which is being made may have looked up, and not opened yet. */
const lookedUp: readonly StorageKind[] = [
  'root-image',
  'oci-image',
  'kernel',
  'initramfs',
  'program',
  'golden-snapshot',
];
/** How long to wait for what is being made, ms. */
const madeWithinMs = 30_000;
/** How long a thing stays that nobody has asked to remove, ms. */
const staysMs = 7 * 86_400_000;

/**
 * Removes what nobody needs. Each thing is first moved into a work folder, so that it is gone as a whole at once: what
 * a killed process has moved there is removed by the next one that looks.
 */
export async function collect(
  context: EngineContext,
  how: CollectOptions = {},
  { signal }: CallContext = {},
): Promise<Collected> {
  const { dryRun = false } = how;
  if (!dryRun) {
    await reclaimWork(context);
    await settleVolumes(context);
  }
  const adopted = await adoptSnapshots(context, { dryRun, signal });
  const found = await findAll({ context, measuring: startMeasuring(signal) });
  const unneeded = found.filter(({ reason, name }) => reason !== null && !adopted.ids.some((id) => name.endsWith(id)));
  const wanted = unneeded.filter((each) => isWanted(each, how));
  const result = {
    removed: [] as StoredThing[],
    kept: unneeded.filter((each) => !wanted.includes(each)).map(plain),
    adopted: adopted.ids,
    problems: [...missingFiles(context), ...adopted.problems],
  };
  if (dryRun) result.removed.push(...wanted.map(plain));
  else await remove(context, wanted, result, signal);
  return { ...result, freed: result.removed.reduce((total, { bytes }) => total + bytes, 0) };
}

function isWanted({ when, sinceMs }: Found, { all = false, gentle = false }: CollectOptions): boolean {
  if (when === 'all') return all;
  return when === 'always' || !gentle || Date.now() - sinceMs > staysMs;
}

async function remove(
  context: EngineContext,
  wanted: readonly Found[],
  result: Pick<Collected, 'removed' | 'kept'>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (wanted.length === 0) return;
  const mayBeLookedUp = wanted.some(({ kind }) => lookedUp.includes(kind));
  const isQuiet = !mayBeLookedUp || (await untilMadeNowHasEnded(context, madeWithinMs, signal));
  const name = `gc${randomBytes(8).toString('hex')}`;
  await inOwnWorkFolder(context.layout, name, signal, async (work) => {
    for (const each of wanted) {
      throwIfAborted(signal, 'while what nobody needs was removed');
      const stays = !isQuiet && lookedUp.includes(each.kind);
      const isGone = !stays && (await removeOne(context, each, work));
      if (isGone) result.removed.push(plain(each));
      else result.kept.push({ ...plain(each), reason: `${each.reason}, but something that is being made may need it` });
    }
  });
}

/** Returns false where it is needed after all, or somebody makes such a thing now. */
async function removeOne(context: EngineContext, each: Found, work: string): Promise<boolean> {
  const { path, lock, turnOf, kind } = each;
  if (path === lock) return removeFreeLock(path);
  let isGone = false;
  const take = async (): Promise<void> => {
    isGone = kind === 'half-made' || (await isUnneeded(context, each));
    if (!isGone) return;
    const aside = join(work, 'removed');
    await rename(path, aside).catch(unlessMissing);
    await removeFolder(aside);
  };
  if (turnOf !== undefined) {
    await using turn = turnIfFree(context, turnOf);
    if (turn !== null) await take();
  } else if (lock === undefined) await take();
  else {
    await withFreeLock(lock, async () => {
      await take();
      // The lock of one thing alone goes with it.
      if (isLockOfOne(context, lock)) await rm(lock, { force: true });
    });
  }
  return isGone;
}

/** Whether nobody needs it still, or it is gone. */
async function isUnneeded(context: EngineContext, { kind, path }: Found): Promise<boolean> {
  const now = (await findAgain({ context }, kind)).find((other) => other.path === path);
  return now === undefined || now.reason !== null;
}

const isLockOfOne = ({ layout }: EngineContext, lock: string): boolean =>
  [layout.workDirectory, layout.instants.workDirectory].includes(dirname(lock));
