import { readdir, rename } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { unlessMissing } from '../artifacts/missing.ts';
import type { EngineContext } from '../context.ts';

/** Length of the digest that names a golden snapshot. */
const digestLength = 32;

/**
 * Digests of the golden snapshots whose memory others need: snapshots and sleeping sandboxes hold only the difference
 * from it, and so will the next snapshot of a clone that runs.
 */
export function goldenSnapshotsInUse({ store }: Pick<EngineContext, 'store'>): ReadonlySet<string> {
  const snapshots = store.listSnapshots().flatMap(({ memoryFrom }) => memoryFrom ?? []);
  const sandboxes = store.listSandboxes();
  const clones = sandboxes.flatMap(({ machine }) => machine?.memoryFrom ?? []);
  const sleeping = sandboxes.flatMap(({ sleep }) => sleep?.memoryFrom ?? []);
  return new Set([...snapshots, ...sleeping, ...clones.map((path) => basename(path))].map(digestOf));
}

/** The digest in the name of a golden snapshot's folder, in use or retired. */
export const digestOf = (name: string): string => name.slice(0, digestLength);

/** The folders of the golden snapshots with the digest in that name: the one in use first, and then retired ones. */
export async function foldersWithDigest({ layout }: Pick<EngineContext, 'layout'>, name: string): Promise<string[]> {
  const names = await readdir(layout.goldenSnapshots);
  return names
    .filter((other) => digestOf(other) === digestOf(name))
    .toSorted()
    .map(layout.golden);
}

/**
 * The folders in which the memory may lie now that a clone shares: a golden snapshot may have been retired since, and
 * its place taken by another.
 */
export async function foldersOfMemory(
  context: Pick<EngineContext, 'layout'>,
  memoryFrom: string | null | undefined,
): Promise<string[]> {
  if (memoryFrom === null || memoryFrom === undefined) return [];
  if (dirname(memoryFrom) !== context.layout.goldenSnapshots) return [memoryFrom];
  return foldersWithDigest(context, basename(memoryFrom));
}

/** A name that no new golden snapshot gets, for memory with that digest which others need. */
export const retiredName = (digest: string): string => `${digestOf(digest)}r${Date.now().toString(36)}`;

/**
 * Moves a golden snapshot that is not used for new clones any more out of the way of the next one. Others that need its
 * memory find it by the beginning of its name and by its content.
 */
export async function retire({ layout }: Pick<EngineContext, 'layout'>, digest: string): Promise<void> {
  await rename(layout.golden(digest), layout.golden(retiredName(digest))).catch(unlessMissing);
}
