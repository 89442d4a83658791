import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { isMissing } from '../artifacts/missing.ts';
import type { EngineContext } from '../context.ts';
import { tellInBackground } from '../ports/background.ts';
import { removeCgroup } from '../vmm/cgroup.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { endProcessesOf } from './delete.ts';
import { settle } from './reconcile.ts';

/** Time for a VMM to write the cached data of its disks, ms. */
const endMs = 3000;

/**
 * Clears up everything without a record: VMMs and sockets of sandboxes that the store does not know, and the leftovers
 * of killed processes. A record is written before the first folder of its sandbox and removed after the last. A folder
 * without a record therefore means that the store was lost, or is an older copy. The folder may hold all that is left
 * of somebody's work, so it is moved aside and kept.
 */
export async function removeOrphans(context: EngineContext): Promise<void> {
  const { layout, store } = context;
  const onHost = new Set([...(await idsIn(layout.sandboxes)), ...(await idsIn(layout.run))]);
  const remembered = new Set(store.listSandboxes().map(({ id }) => id));
  for (const id of onHost) {
    if (remembered.has(id)) continue;
    await endProcessesOf(context, id, endMs);
    await removeCgroup(id);
    await removeFolder(layout.sockets(id));
    await putAside(context, id);
  }
  for (const record of store.listSandboxes(['creating', 'running', 'paused', 'stopping'])) {
    // A sandbox that cannot be settled does not keep the others from being settled.
    await settle(context, record).catch((error: unknown) =>
      tellInBackground(`bringing the sandbox ${record.id} in order`, error),
    );
  }
}

/** Moves the folder of an unknown sandbox to the quarantine, where nothing touches it. */
async function putAside({ layout }: EngineContext, id: string): Promise<void> {
  const folder = layout.sandbox(id);
  try {
    // An empty folder is not worth keeping.
    await rmdir(folder);
    return;
  } catch (error) {
    if (isMissing(error)) return;
  }
  await mkdir(layout.quarantine, { mode: 0o700, recursive: true });
  const taken = (await readdir(layout.quarantine)).includes(id);
  const aside = join(layout.quarantine, taken ? `${id}-${Date.now()}` : id);
  try {
    await rename(folder, aside);
  } catch (error) {
    tellInBackground(`keeping ${folder}, which the store does not know`, error);
    return;
  }
  tellInBackground(
    `looking for the sandbox ${id}`,
    new NovaError('storage_failed', `The store does not know the sandbox ${id}: its folder was moved to ${aside}.`, {
      hint: 'Put back the store that knows it and the folder, or remove the folder when nobody needs it.',
    }),
  );
}

/**
 * The ids of sandboxes among the names of folders. Folders with other names are not ours to touch. Guests that are
 * booted for a piece of work have longer ids, and are noted elsewhere (vmm/unfinished.ts).
 */
async function idsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && /^[a-z][a-z0-9]{19}$/.test(entry.name))
    .map(({ name }) => name);
}
