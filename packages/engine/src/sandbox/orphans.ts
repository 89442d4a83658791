import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { tellInBackground } from '../ports/background.ts';
import { removeCgroup } from '../vmm/cgroup.ts';
import { processesNaming } from '../vmm/find-processes.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { terminate } from '../vmm/terminate.ts';
import { settle } from './reconcile.ts';

/** Lets a VMM write what it holds of its disks. */
const endMs = 3000;

/**
 * Clears up what nobody remembers: VMMs and sockets of sandboxes that have no record, and whatever makers left that were killed. A record comes before
 * its first folder and goes after its last. So a folder without one is of a store that was lost, or is older than the folder: what lies in it may be all
 * that is left of somebody's work, and is kept aside.
 */
export async function removeOrphans(context: EngineContext): Promise<void> {
  const { layout, store } = context;
  const found = new Set([...(await idsIn(layout.sandboxes)), ...(await idsIn(layout.run))]);
  const remembered = new Set(store.listSandboxes().map(({ id }) => id));
  for (const id of found) {
    if (remembered.has(id)) continue;
    for (const orphan of processesNaming(layout.sockets(id))) await terminate(orphan, endMs);
    await removeCgroup(id);
    await removeFolder(layout.sockets(id));
    await putAside(context, id);
  }
  for (const record of store.listSandboxes(['creating', 'running', 'paused'])) {
    // One that cannot be settled is no reason to leave the others as they are.
    await settle(context, record).catch((error: unknown) =>
      tellInBackground(`bringing the sandbox ${record.id} in order`, error),
    );
  }
}

/** Moves a folder that the store does not know to where nothing touches it. */
async function putAside({ layout }: EngineContext, id: string): Promise<void> {
  const folder = layout.sandbox(id);
  try {
    // One without contents is worth nothing.
    await rmdir(folder);
    return;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
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

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/**
 * Names of folders that are ids of sandboxes; what is anything else is not ours to touch. Guests that are booted for a snapshot (`snap` and a digest)
 * are noted elsewhere (vmm/unfinished.ts).
 */
async function idsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && /^[a-z][a-z0-9]{19}$/.test(entry.name))
    .map(({ name }) => name);
}
