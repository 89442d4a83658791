import { readdir } from 'node:fs/promises';
import type { EngineContext } from '../context.ts';
import { removeCgroup } from '../vmm/cgroup.ts';
import { processesNaming } from '../vmm/find-processes.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { terminate } from '../vmm/terminate.ts';
import { settle } from './reconcile.ts';

/**
 * Removes what nobody remembers: VMMs and folders of sandboxes that have no record, and whatever makers left that were killed. A record comes before
 * its first folder and goes after its last, so that nothing of a living sandbox is taken for an orphan.
 */
export async function removeOrphans(context: EngineContext): Promise<void> {
  const { layout, store } = context;
  const found = new Set([...(await idsIn(layout.sandboxes)), ...(await idsIn(layout.run))]);
  const remembered = new Set(store.listSandboxes().map(({ id }) => id));
  for (const id of found) {
    if (remembered.has(id)) continue;
    for (const orphan of processesNaming(layout.sockets(id))) await terminate(orphan, 0);
    await removeCgroup(id);
    await removeFolder(layout.sockets(id));
    await removeFolder(layout.sandbox(id));
  }
  for (const record of store.listSandboxes(['creating', 'running', 'paused'])) await settle(context, record);
}

/**
 * Names of folders that are ids of sandboxes; what is anything else is not ours to remove. Guests that are booted for a snapshot (`snap` and a digest)
 * may be another process's work, and are cleared by the next one that makes the same snapshot, under its lock.
 */
async function idsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && /^[a-z][a-z0-9]{19}$/.test(entry.name))
    .map(({ name }) => name);
}
