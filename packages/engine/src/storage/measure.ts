import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The unit of `blocks` of stat(2). */
const blockBytes = 512;
/** Files that are looked at in all. */
const mostFiles = 300_000;
/** Files that are looked at side by side. */
const atOnce = 64;

/** Measures what files take on the disk. Files with several names count once. */
export interface Measuring {
  /** Space of a file, or of a folder with all in it, in bytes; 0 where there is none. */
  bytesOf(path: string): Promise<number>;
  /** false: there were more files than are looked at. */
  readonly complete: boolean;
}

export function startMeasuring(signal: AbortSignal | undefined): Measuring {
  const seen = new Set<string>();
  let left = mostFiles;

  const measure = async (path: string): Promise<number> => {
    signal?.throwIfAborted();
    if (left <= 0) return 0;
    left--;
    // A file that is gone meanwhile takes no space.
    const found = await lstat(path).catch(() => null);
    if (found === null) return 0;
    if (!found.isDirectory() && found.nlink > 1) {
      const file = `${found.dev}:${found.ino}`;
      if (seen.has(file)) return 0;
      seen.add(file);
    }
    const own = found.blocks * blockBytes;
    return found.isDirectory() ? own + (await measureBelow(path)) : own;
  };

  /** Follows no link that somebody puts in the place of the folder: VMMs own folders in those of sandboxes. */
  const measureBelow = async (path: string): Promise<number> => {
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW).catch(
      () => null,
    );
    if (folder === null) return 0;
    await using _folder = folder;
    const within = process.platform === 'linux' ? `/proc/self/fd/${folder.fd}` : path;
    const names = await readdir(within).catch(() => []);
    let bytes = 0;
    for (let from = 0; from < names.length && left > 0; from += atOnce) {
      const part = names.slice(from, from + atOnce).map((name) => measure(join(within, name)));
      for (const each of await Promise.all(part)) bytes += each;
    }
    return bytes;
  };

  return {
    bytesOf: measure,
    get complete() {
      return left > 0;
    },
  };
}
