import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Returns the content of a configuration file of the user; empty where there is none. */
export async function readConfig(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/**
 * Replaces a configuration file of the user as a whole; a new one is its owner's alone. A link stays, and
 * its target is replaced.
 */
export async function writeConfig(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const isThere = (await lstat(file).catch(() => null)) !== null;
  const target = isThere ? await realpath(file) : file;
  const mode = isThere ? (await stat(target)).mode & 0o777 : 0o600;
  const half = `${target}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(half, content, { mode, flag: 'wx' });
    await rename(half, target);
  } finally {
    await rm(half, { force: true });
  }
}
