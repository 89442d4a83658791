import { mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Layout } from '../layout.ts';
import { openToVmms } from '../vmm/image-group.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { runCommand } from './command.ts';

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
  await clearWorkFolder(layout, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  openToVmms(folder);
  try {
    return await work(folder);
  } finally {
    await clearWorkFolder(layout, name);
  }
}

/** Removes a work folder with what is in it. To be called under the lock of `name`. */
export async function clearWorkFolder(layout: Layout, name: string): Promise<void> {
  await unmountBelow(layout.workDirectory, name);
  await removeFolder(join(layout.workDirectory, name));
}

/**
 * Unmounts what a killed build may have left mounted there: /dev and /proc of the host among it, which must not be emptied with the folder.
 * Throws when that fails.
 */
async function unmountBelow(parent: string, name: string): Promise<void> {
  if (process.platform !== 'linux') return;
  const folder = join(await realpath(parent).catch(() => parent), name);
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) =>
      line.split(' ')[4]?.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCodePoint(parseInt(octal, 8))),
    )
    .filter((path) => path !== undefined && path.startsWith(`${folder}/`));
  for (const path of mounts.toReversed()) await runCommand('umount', ['-l', path ?? '']);
}

/** Waits until the contents of a file are on the disk, so that a rename never shows a file that a power cut emptied. */
export async function flush(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
