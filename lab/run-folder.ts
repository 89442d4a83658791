import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inWorkFolder, withLock, type Layout } from '@novasandbox/engine';

const prefix = 'lab-';

/** Runs `work` with a folder for this run, which is removed afterwards. Folders of killed runs are removed first. */
export async function inRunFolder<T>(
  layout: Layout,
  signal: AbortSignal | undefined,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  await sweep(layout);
  const name = `${prefix}${process.pid}`;
  const lock = lockOf(layout, name);
  try {
    return await withLock(lock, { signal }, () => inWorkFolder(layout, name, work));
  } finally {
    await rm(lock, { force: true });
  }
}

const lockOf = (layout: Layout, name: string): string => join(layout.workDirectory, `${name}.lock`);

class Running extends Error {}

async function sweep(layout: Layout): Promise<void> {
  for (const entry of await readdir(layout.workDirectory)) {
    const name = new RegExp(`^(${prefix}\\d+)\\.lock$`).exec(entry)?.[1];
    if (name === undefined) continue;
    const lock = lockOf(layout, name);
    const onWait = (): never => {
      throw new Running();
    };
    try {
      await withLock(lock, { onWait }, async () => {
        await rm(join(layout.workDirectory, name), { recursive: true, force: true });
        await rm(lock, { force: true });
      });
    } catch (error) {
      if (!(error instanceof Running)) throw error;
    }
  }
}
