import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from '../layout.ts';
import { manifestFile } from './manifest.ts';

/** Each takes some 130 MB; a change of agent, kernel or hypervisor makes all before it useless. */
const kept = 16;
/** Whoever has just looked one up may be about to open it. */
const safeMs = 10 * 60_000;

/** Notes that a snapshot was used now. */
export async function markUsed(directory: string): Promise<void> {
  const now = new Date();
  await utimes(join(directory, manifestFile), now, now);
}

/** Removes the snapshots that have not been used for longest. Clones of them live on: their memory is theirs until they end. */
export async function pruneSnapshots(layout: Layout): Promise<void> {
  const found: { readonly path: string; readonly usedMs: number }[] = [];
  for (const name of await readdir(layout.snapshots).catch(() => [])) {
    const path = join(layout.snapshots, name);
    const used = await stat(join(path, manifestFile)).catch(() => null);
    if (used !== null) found.push({ path, usedMs: used.mtimeMs });
  }
  const old = found.toSorted((a, b) => b.usedMs - a.usedMs).slice(kept);
  for (const { path, usedMs } of old) {
    if (Date.now() - usedMs > safeMs) await rm(path, { recursive: true, force: true });
  }
}
