import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineContext } from '../context.ts';
import { withFreeLock } from '../artifacts/lock.ts';
import { clearWorkFolder, type WorkPlace } from '../artifacts/publish.ts';
import { tellInBackground } from '../ports/background.ts';
import { reclaimProbes } from '../vmm/probe-debris.ts';
import { reclaimUnfinished } from '../vmm/unfinished.ts';

/**
 * Clears up after killed processes that were making golden snapshots or images, or probing: their VMMs with all that
 * those have on the host, and half-made folders. Does not throw: the next call tries again to clear up leftovers that
 * remain.
 */
export async function reclaimWork(context: EngineContext): Promise<void> {
  const { layout, store, network } = context;
  try {
    for (const id of await reclaimUnfinished(layout.making)) {
      await network.giveBack(id);
      // This releases its channels.
      store.removeSandbox(id);
    }
    await reclaimProbes(layout.probeDirectory);
    await clearHalfMade(context);
  } catch (error) {
    tellInBackground('clearing up after what was killed', error);
  }
}

const lockSuffix = '.lock';

/** Removes work folders whose lock nobody holds. The kernel releases the lock of a process that is killed. */
async function clearHalfMade({ layout }: EngineContext): Promise<void> {
  await clearFoldersOf(layout, {
    rootfs: layout.rootfs('lock'),
    kernel: layout.kernel('lock'),
    initramfs: layout.initramfs('lock'),
    agent: layout.agent('lock'),
    confine: layout.confiner('lock'),
    listen: layout.listener('lock'),
  });
  await clearInstants(layout.instants);
}

/** @param locks those of work folders whose locks are elsewhere */
async function clearFoldersOf(place: WorkPlace, locks: Readonly<Record<string, string>>): Promise<void> {
  const entries = await readdir(place.workDirectory, { withFileTypes: true });
  const names = new Set(entries.map(({ name }) => name));
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const elsewhere = locks[name];
    if (elsewhere === undefined && !names.has(`${name}${lockSuffix}`)) continue;
    const lock = elsewhere ?? join(place.workDirectory, `${name}${lockSuffix}`);
    await withFreeLock(lock, async () => {
      await clearWorkFolder(place, name);
      if (elsewhere === undefined) await rm(lock, { force: true });
    });
  }
}

/** Each name there is used once, so the locks go too. */
async function clearInstants(place: WorkPlace): Promise<void> {
  for (const name of await readdir(place.workDirectory)) {
    if (!name.endsWith(lockSuffix)) continue;
    const lock = join(place.workDirectory, name);
    await withFreeLock(lock, async () => {
      await clearWorkFolder(place, name.slice(0, -lockSuffix.length));
      await rm(lock, { force: true });
    });
  }
}
