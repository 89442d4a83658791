import { statfs } from 'node:fs/promises';
import type { DaemonContext } from './daemon-context.ts';

const hourMs = 3_600_000;
/** The first time, so that a start of the daemon is not slowed down, ms. */
const firstAfterMs = hourMs / 6;
const everyMs = 24 * hourMs;
/** How long a disk stays short before it is tried again, ms. */
const shortEveryMs = hourMs;
/** The disk is short when less than this part of it is free. */
const shortPart = 0.05;

/**
 * Removes what nobody needs, once a day, and when the disk is short. The result is to be called regularly. What
 * somebody may soon want again stays for a while.
 */
export function createHousekeeping(
  { layout, log, quietEngine }: Pick<DaemonContext, 'layout' | 'log' | 'quietEngine'>,
  signal: AbortSignal,
): () => Promise<void> {
  let nextMs = performance.now() + firstAfterMs;
  let shortNextMs = performance.now();
  return async () => {
    const now = performance.now();
    const isDue = now >= nextMs;
    if (!isDue && (now < shortNextMs || !(await isShort(layout.home)))) return;
    nextMs = now + everyMs;
    shortNextMs = now + shortEveryMs;
    const { removed, freed, adopted, problems } = await quietEngine.storage.collect({ gentle: true }, { signal });
    const names = removed.map(({ name }) => name);
    if (names.length > 0 || adopted.length > 0) log.info({ operation: 'gc', freed, removed: names, adopted }, 'tidied');
    for (const problem of problems) log.warn({ operation: 'gc' }, problem);
  };
}

async function isShort(folder: string): Promise<boolean> {
  const { blocks, bavail } = await statfs(folder);
  return bavail < blocks * shortPart;
}
