import { mkdir, open, readdir, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Layout } from '../layout.ts';
import { withLock } from './lock.ts';
import { openToVmms } from '../vmm/image-group.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { runCommand } from '../programs/command.ts';

/** Where half-made things are. */
export type WorkPlace = Pick<Layout, 'workDirectory'>;

/**
 * Publishes a content-addressed folder atomically: `make` fills a work folder and returns its final name, to which the
 * folder is then renamed. Leftovers of a killed process in the work folder are removed first, and the work folder is
 * removed when `make` fails. Must be called under the lock of `name`.
 */
export async function publish(layout: Layout, name: string, make: (work: string) => Promise<string>): Promise<void> {
  await inWorkFolder(layout, name, async (work) => {
    const final = await make(work);
    await mkdir(dirname(final), { recursive: true });
    // A folder that exists although the caller found it missing is broken, and is replaced.
    await rm(final, { recursive: true, force: true });
    await rename(work, final);
  });
}

/**
 * Runs `work` with an empty folder of that name, which no other call ever uses; the folder is removed afterwards. If
 * this process is killed, the next one removes it, because nobody holds its lock any more.
 */
export async function inOwnWorkFolder<T>(
  place: WorkPlace,
  name: string,
  signal: AbortSignal | undefined,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const lock = join(place.workDirectory, `${name}.lock`);
  return withLock(lock, { signal }, async () => {
    try {
      return await inWorkFolder(place, name, work);
    } finally {
      await rm(lock, { force: true });
    }
  });
}

/** Runs `work` with an empty folder that is removed afterwards. Must be called under the lock of `name`. */
export async function inWorkFolder<T>(
  layout: WorkPlace,
  name: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
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

/** Removes a work folder with its contents. Must be called under the lock of `name`. */
export async function clearWorkFolder(layout: WorkPlace, name: string): Promise<void> {
  await unmountBelow(layout.workDirectory, name);
  await removeFolder(join(layout.workDirectory, name));
}

/**
 * Unmounts what a killed build may have left mounted there. This includes the host's /dev and /proc, which must not be
 * emptied together with the folder. Throws when unmounting fails.
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

/** Moves a finished folder of files to its final place, where nothing is yet, once its files are on the disk. */
export async function publishFrom(work: string, final: string): Promise<void> {
  const names = await readdir(work, { withFileTypes: true });
  for (const entry of names) if (entry.isFile()) await flush(join(work, entry.name));
  await mkdir(dirname(final), { recursive: true });
  await rename(work, final);
  await flush(dirname(final));
}

/**
 * Waits until the contents of a file are on the disk. Otherwise a rename could show a file that a power cut has
 * emptied.
 */
export async function flush(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
