import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import type { EngineContext } from '../context.ts';
import { digestOf, goldenSnapshotsInUse } from '../golden/in-use.ts';
import { readManifest } from '../memory/manifest.ts';
import type { BootedFrom } from '../ports/store.ts';

/** The images and memory that sandboxes and snapshots need. */
export interface References {
  /** Names of folders of root images. */
  readonly roots: ReadonlySet<string>;
  /** Digests of golden snapshots. */
  readonly golden: ReadonlySet<string>;
  /** Whether there are records that cannot be read, so that it is not known what they need. */
  readonly unreadable: boolean;
}

/** The part of a snapshot's record that says what it needs. */
const needsSchema = z.object({
  bootedFrom: z.object({ root: z.string(), rootMark: z.string() }).nullable(),
});

/** References come from the store, and from snapshots that the store has lost, which can be adopted again. */
export async function references(context: EngineContext): Promise<References> {
  const { store, layout } = context;
  const sandboxes = store.listSandboxes();
  const snapshots = store.listSnapshots();
  const roots = new Set<string>();
  const add = (from: Pick<BootedFrom, 'root' | 'rootMark'> | null): void => {
    // An image that was set aside has the digest of its content for a name.
    if (from !== null) roots.add(from.root).add(from.rootMark);
  };
  for (const { bootedFrom } of [...sandboxes, ...snapshots]) add(bootedFrom);
  const golden = new Set(goldenSnapshotsInUse(context));
  let unreadable = sandboxes.some(({ createdAtMs }) => createdAtMs === 0);
  const known = new Set(snapshots.map(({ id }) => id));
  for (const id of await readdir(layout.snapshots).catch(() => [])) {
    if (known.has(id)) continue;
    try {
      const { record, memoryFrom } = await readManifest(layout.snapshot(id));
      add(needsSchema.parse(record).bootedFrom);
      if (memoryFrom !== null) golden.add(digestOf(memoryFrom.folder));
    } catch {
      unreadable = true;
    }
  }
  return { roots, golden, unreadable };
}
