import { randomUUID } from 'node:crypto';
import { constants, fchmodSync, fchownSync, fstatSync } from 'node:fs';
import { open, readdir, rename, rm, rmdir, unlink, type FileHandle } from 'node:fs/promises';

/**
 * How often a folder that is not empty afterwards is emptied again. Files that were being made while the folder was
 * taken back appear in it later.
 */
const rounds = 8;

/**
 * Removes a folder with all its contents, whoever owns them; a missing folder is fine. The user of a VMM owns folders
 * inside those of its machine, and may replace entries of them while they are removed. So each folder is held open,
 * taken back and then emptied; no path leads through a name in a folder that is not ours, and a link is removed, never
 * followed. However deeply folders are nested, only two are open at once. The parent of `path` must be ours.
 */
export async function removeFolder(path: string): Promise<void> {
  // On other systems VMMs run as our own user.
  if (process.platform !== 'linux') return rm(path, { recursive: true, force: true });
  for (let round = 1; ; round++) {
    await using folder = await takeFolder(path);
    if (folder === null) return await rm(path, { force: true });
    await empty(folder);
    try {
      return await rmdir(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      if (codeOf(error) !== 'ENOTEMPTY' || round === rounds) throw error;
    }
  }
}

/** Opens a folder and closes it to changes by others. Null where there is none, or something else. */
async function takeFolder(path: string): Promise<FileHandle | null> {
  let folder;
  try {
    folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error))) return null;
    throw error;
  }
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const found = fstatSync(folder.fd);
  if (found.uid !== uid) fchownSync(folder.fd, uid, gid);
  if ((found.mode & 0o777) !== 0o700) fchmodSync(folder.fd, 0o700);
  return folder;
}

const within = (folder: FileHandle, name = ''): string => `/proc/self/fd/${folder.fd}/${name}`;

/** Nested folders are moved up to the top, where they are removed themselves. */
async function empty(top: FileHandle): Promise<void> {
  for (;;) {
    const folders = await removeFiles(top);
    if (folders.length === 0) return;
    for (const name of folders) {
      await using folder = await takeFolder(within(top, name));
      if (folder === null) continue;
      for (const deeper of await removeFiles(folder)) await rename(within(folder, deeper), within(top, randomUUID()));
      await rmdir(within(top, name)).catch(ignoreChange);
    }
  }
}

/** Removes everything except folders, and returns the names of these. */
async function removeFiles(folder: FileHandle): Promise<string[]> {
  const entries = await readdir(within(folder), { withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  await Promise.all(files.map(({ name }) => unlink(within(folder, name)).catch(ignoreChange)));
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** An entry that was replaced meanwhile is handled in the next round. */
function ignoreChange(error: unknown): void {
  if (!['ENOENT', 'EISDIR', 'EPERM', 'ENOTDIR', 'ENOTEMPTY'].includes(codeOf(error))) throw error;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
