import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { EngineContext } from '../context.ts';
import { digestOf, goldenSnapshotsInUse } from './in-use.ts';
import { manifestFile } from './manifest.ts';

/**
 * Number of golden snapshots that are kept. Each takes some 130 MB. A change of the agent, the kernel or the hypervisor
 * makes all earlier ones useless.
 */
const kept = 16;
/** A snapshot that was looked up so recently may be about to be opened, ms. */
const inUseMs = 10 * 60_000;

/** Notes that a golden snapshot was used now. */
export async function markUsed(directory: string): Promise<void> {
  const now = new Date();
  await utimes(join(directory, manifestFile), now, now);
}

/**
 * Removes the golden snapshots that were used longest ago. Clones of them live on: they have the memory mapped until
 * they end. Memory that others need stays.
 */
export async function pruneGoldenSnapshots(context: Pick<EngineContext, 'layout' | 'store'>): Promise<void> {
  const { layout } = context;
  const snapshots: { readonly path: string; readonly usedMs: number }[] = [];
  for (const name of await readdir(layout.goldenSnapshots).catch(() => [])) {
    const path = join(layout.goldenSnapshots, name);
    const used = await stat(join(path, manifestFile)).catch(() => null);
    if (used !== null) snapshots.push({ path, usedMs: used.mtimeMs });
  }
  const old = snapshots.toSorted((a, b) => b.usedMs - a.usedMs).slice(kept);
  const inUse = goldenSnapshotsInUse(context);
  for (const { path, usedMs } of old) {
    if (inUse.has(digestOf(basename(path)))) continue;
    if (Date.now() - usedMs > inUseMs) await rm(path, { recursive: true, force: true });
  }
}
