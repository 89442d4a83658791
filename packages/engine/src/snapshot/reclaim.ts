import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isNovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { withLock } from '../images/lock.ts';
import { clearWorkFolder } from '../images/publish.ts';
import { tellInBackground } from '../ports/background.ts';
import { reclaimProbes } from '../vmm/probe-debris.ts';
import { reclaimUnfinished } from '../vmm/unfinished.ts';

/**
 * Clears up what makers of snapshots and images, and probes, left that were killed: VMMs with all they have on the host, and half-made folders. Does not throw: what cannot be
 * cleared up now is tried again by the next.
 */
export async function reclaimWork(context: EngineContext): Promise<void> {
  const { layout, store, network } = context;
  try {
    for (const id of await reclaimUnfinished(layout.making)) {
      await network.giveBack(id);
      // Its channels.
      store.removeSandbox(id);
    }
    await reclaimProbes(layout.probeDirectory);
    await clearHalfMade(context);
  } catch (error) {
    tellInBackground('clearing up after what was killed', error);
  }
}

const lockSuffix = '.lock';

/** Work folders whose lock nobody holds: the kernel has given it back for whoever was killed. */
async function clearHalfMade({ layout }: EngineContext): Promise<void> {
  const entries = await readdir(layout.workDirectory, { withFileTypes: true });
  const names = new Set(entries.map(({ name }) => name));
  const images: Readonly<Record<string, string>> = {
    rootfs: layout.rootfs('lock'),
    kernel: layout.kernel('lock'),
    initramfs: layout.initramfs('lock'),
  };
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const lock = images[name] ?? join(layout.workDirectory, `${name}${lockSuffix}`);
    if (images[name] === undefined && !names.has(`${name}${lockSuffix}`)) continue;
    const busy = new AbortController();
    try {
      await withLock(lock, { signal: busy.signal, onWait: () => busy.abort() }, () => clearWorkFolder(layout, name));
    } catch (error) {
      // Somebody is at work there.
      if (!busy.signal.aborted && !isNovaError(error, 'cancelled')) throw error;
    }
  }
}
