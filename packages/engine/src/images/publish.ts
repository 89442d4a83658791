import { chmod, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Layout } from '../layout.ts';

/**
 * Makes a content-addressed folder whole or not at all: `make` fills a work folder and says the final name that it then takes. What a killed
 * predecessor left in the work folder goes first, and the work folder goes when `make` fails. To be called under the lock of `name`.
 */
export async function publish(layout: Layout, name: string, make: (work: string) => Promise<string>): Promise<void> {
  await inWorkFolder(layout, name, async (work) => {
    const final = await make(work);
    await mkdir(dirname(final), { recursive: true });
    // A folder that is there although it was judged missing is a broken one: it gives way.
    await rm(final, { recursive: true, force: true });
    await rename(work, final);
  });
}

/** Runs `work` with an empty folder that is gone afterwards. To be called under the lock of `name`. */
export async function inWorkFolder<T>(layout: Layout, name: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(layout.workDirectory, name);
  const clear = (): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  await clear();
  await mkdir(folder, { recursive: true });
  // The VMM runs as another user: what it opens must be readable whatever the umask.
  await chmod(folder, 0o755);
  try {
    return await work(folder);
  } finally {
    await clear();
  }
}

/** Waits until the contents of a file are on the disk, so that a rename never shows a file that a power cut emptied. */
export async function flush(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
