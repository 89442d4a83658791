import { link, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { inWorkFolder, makeWritableDisk, publish, withLock, type Layout } from '@novasandbox/engine';

/**
 * Unused disks are kept for this long. A disk is made again when its contents change, but those of other checkouts and
 * of earlier states may be needed again.
 */
const keptMs = 14 * 24 * 3600_000;

/** More than any disk of the lab holds; a sparse file takes only the space of its contents. */
const sizeMb = 16 * 1024;

export interface KeptDiskOptions {
  readonly layout: Layout;
  /** Folder of this run. It gets a link to the disk, which lasts as long as the run even if the original is removed. */
  readonly directory: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns a disk with the contents of the folder that `gather` returns; its argument is an empty folder to fill. The
 * disk is kept under `digest`, which has to identify the contents, and is made if it is missing.
 * @returns the path, below `directory`
 */
export async function keptDisk(
  { layout, directory, signal }: KeptDiskOptions,
  name: string,
  digest: string,
  gather: (empty: string) => Promise<string>,
): Promise<string> {
  const kept = layout.lab(digest);
  const path = join(directory, `${name}.ext4`);
  await withLock(layout.lab('lock'), { signal }, async () => {
    if ((await stat(join(kept, 'disk.ext4')).catch(() => null)) === null) {
      await publish(layout, 'labdisk', async (work) => {
        await inWorkFolder(layout, 'labtree', async (empty) =>
          diskOf(await gather(empty), join(work, 'disk.ext4'), signal),
        );
        return kept;
      });
    }
    const now = new Date();
    await utimes(kept, now, now);
    await link(join(kept, 'disk.ext4'), path);
    await removeUnused(layout);
  });
  return path;
}

/** Makes an ext4 of a folder's contents, with room for writes. */
export async function diskOf(folder: string, path: string, signal?: AbortSignal): Promise<void> {
  await makeWritableDisk(path, sizeMb, { contents: folder, signal });
}

async function removeUnused(layout: Layout): Promise<void> {
  const parent = join(layout.home, 'lab');
  for (const entry of await readdir(parent, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const { mtimeMs } = await stat(join(parent, entry.name));
    if (Date.now() - mtimeMs > keptMs) await rm(join(parent, entry.name), { recursive: true, force: true });
  }
}
