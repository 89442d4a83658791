import type { EngineContext } from '../context.ts';
import { inUse, settleAll } from '../sandbox/volumes.ts';
import { findVolume } from './find.ts';
import { finishRemoval } from './finish-removal.ts';

/** Deletes a volume with its contents. From the moment at which this is recorded, no sandbox gets it any more. */
export async function removeVolume(
  context: EngineContext,
  ref: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<void> {
  const { id } = await findVolume(context, ref);
  const begin = () => context.store.beginVolumeRemoval(id, ({ held }) => held || !force);
  let inTheWay = begin();
  if (inTheWay.length > 0) {
    // A sandbox may have ended without anybody having noticed, and one that goes with its end is gone then.
    await settleAll(context, inTheWay);
    inTheWay = begin();
  }
  const first = inTheWay.find(({ held }) => held) ?? inTheWay[0];
  if (first !== undefined)
    throw inUse(context, first, first.held ? 'It cannot be removed.' : 'It is stopped, and needs it to start again.');
  await finishRemoval(context, id);
}
