import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { NovaError, toNovaError } from '@novasandbox/protocol';
import type { Layout } from './layout.ts';
import { adoptOldLayout } from './old-layout.ts';
import { requireOwn } from './own-folder.ts';
import { openToVmms } from './vmm/image-group.ts';

/** Mode of folders that other users may only pass through. */
const passable = 0o711;

/**
 * Makes the folders that everything else needs, and closes them to other users, whatever the umask is and whatever
 * their modes were before.
 * @throws NovaError `set_up_failed` where another user could replace the folders' contents, `storage_failed` where one
 * cannot be made
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
  adoptOldLayout(layout);
}

function make(folder: string): void {
  try {
    makeWithParents(folder);
  } catch (error) {
    // The error of a full or read-only disk has a better hint than this one.
    if (toNovaError(error).code !== 'internal') throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new NovaError('storage_failed', `The folder ${folder} cannot be made: ${reason}.`, {
      cause: error,
      hint: 'NOVA_HOME names the state folder: set it to a folder that can be made and written to.',
    });
  }
}

/** Does not use Node's `recursive` option, which never returns below /proc. */
function makeWithParents(folder: string): void {
  if (isDirectory(folder)) return;
  if (dirname(folder) !== folder) makeWithParents(dirname(folder));
  try {
    mkdirSync(folder, passable);
  } catch (error) {
    // Another process may have been faster. It sets the same mode.
    if (isDirectory(folder)) return;
    throw error;
  }
  // VMMs of other users must be able to pass through every folder that was made.
  chmodSync(folder, passable);
}

function keepTo(mode: number, folder: string): void {
  if ((statSync(folder).mode & 0o7777) !== mode) chmodSync(folder, mode);
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
