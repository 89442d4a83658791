import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Layout } from './layout.ts';
import { requireOwn } from './own-folder.ts';
import { openToVmms } from './vmm/image-group.ts';

/** Closed to others but for passing through. */
const passable = 0o711;

/**
 * Makes the folders that must be there before anything else, and closes them to other users, whatever the umask is and whatever they were before.
 * @throws NovaError `set_up_failed` where another user could exchange what lies in them
 */
export function prepareLayout(layout: Layout): void {
  for (const folder of [layout.home, layout.run]) requireOwn(folder);
  for (const folder of [layout.home, layout.sandboxes, layout.workDirectory, layout.run]) {
    make(folder);
    keepTo(passable, folder);
  }
  for (const folder of layout.imageFolders) {
    make(folder);
    openToVmms(folder);
  }
  for (const folder of layout.ownFolders) {
    make(folder);
    keepTo(0o700, folder);
  }
}

function make(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false }) !== undefined) return;
  // The first that was missing: VMMs of other users must be able to pass through all that were made.
  const made = mkdirSync(folder, { recursive: true, mode: passable }) ?? folder;
  for (let each = folder; each.startsWith(made); each = dirname(each)) chmodSync(each, passable);
}

function keepTo(mode: number, folder: string): void {
  if ((statSync(folder).mode & 0o7777) !== mode) chmodSync(folder, mode);
}
