import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../artifacts/lock.ts';
import { publish } from '../artifacts/publish.ts';
import { step } from '../artifacts/step.ts';
import type { EngineContext } from '../context.ts';
import { bootTwiceOnTimerFault } from '../guest/timer-fault.ts';
import type { BuildContext } from '../services.ts';
import { tellingFullDisk } from '../vmm/full-disk.ts';
import { makeGoldenSnapshot } from './make.ts';
import { goldenSnapshotsInUse, retire } from './in-use.ts';
import { readGoldenSnapshot, type GoldenSnapshot } from './manifest.ts';
import { markUsed, pruneGoldenSnapshots } from './prune.ts';
import type { GoldenShape } from './shape.ts';

/**
 * Returns the golden snapshot of that shape, and makes it when it is missing. Processes that want the same snapshot at
 * once wait for the one that makes it.
 *
 * @param digest of the shape (`shapeDigest`)
 */
export async function ensureGoldenSnapshot(
  context: EngineContext,
  digest: string,
  shape: GoldenShape,
  options: BuildContext,
): Promise<GoldenSnapshot> {
  const directory = context.layout.golden(digest);
  const existing = await readGoldenSnapshot(digest, directory);
  if (existing !== null) {
    await markUsed(directory);
    return existing;
  }
  const name = `golden-${digest}`;
  return withLock(join(context.layout.workDirectory, `${name}.lock`), { signal: options.signal }, async () => {
    const meanwhile = await readGoldenSnapshot(digest, directory);
    if (meanwhile !== null) return meanwhile;
    const { template } = shape.plan.template;
    await step(options.progress, 'snapshot', `Booting ${template.template_id} once for its snapshot`, () =>
      bootTwiceOnTimerFault(() =>
        publish(context.layout, name, async (work) => {
          await tellingFullDisk(work, () => makeGoldenSnapshot(context, work, shape, options.signal));
          // One that is damaged, or was restored from a backup, is there still.
          await discardGoldenSnapshot(context, digest);
          return directory;
        }),
      ),
    );
    await pruneGoldenSnapshots(context);
    const made = await readGoldenSnapshot(digest, directory);
    if (made === null) throw new Error(`the snapshot just made in ${directory} cannot be read`);
    return made;
  });
}

/**
 * Throws a golden snapshot away, so that the next one is made anew. Clones of it live on, and memory that others need
 * stays.
 */
export async function discardGoldenSnapshot(context: EngineContext, digest: string): Promise<void> {
  if (goldenSnapshotsInUse(context).has(digest)) await retire(context, digest);
  else await rm(context.layout.golden(digest), { recursive: true, force: true });
}
