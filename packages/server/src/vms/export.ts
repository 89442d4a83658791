import { isNovaError, reservedLabelPrefix } from '@novasandbox/protocol';
import { inBackground } from '@novasandbox/engine';
import { system } from '../authority/callers.ts';
import type { Services } from '../context.ts';
import type { DaemonContext, RouteContext } from '../daemon-context.ts';

/** Marks a snapshot that exists for the sake of one export. */
const exportLabel = `${reservedLabelPrefix}export`;

export interface Exported {
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array> & AsyncDisposable;
}

/**
 * A VM as it is now, as one file. The snapshot that is taken for it is removed with the stream, by the daemon itself: a
 * caller who may export need not be allowed to delete snapshots.
 */
export async function exportVm(
  { viewOf }: RouteContext,
  engine: Services,
  ref: string,
  signal: AbortSignal,
): Promise<Exported> {
  const { id, name } = await engine.sandboxes.get(ref);
  await using undo = new AsyncDisposableStack();
  const taken = await engine.snapshots.take(id, {}, { signal, reservedLabels: { [exportLabel]: 'true' } });
  undo.defer(() => remove(viewOf(system).engine, taken.id));
  const bytes = undo.use(await engine.snapshots.save(taken.id, { signal }));
  const held = undo.move();
  return {
    name: name ?? id,
    bytes: {
      [Symbol.asyncIterator]: () => bytes[Symbol.asyncIterator](),
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    },
  };
}

/** Removes what exports have left that the last daemon did not live to end. */
export function removeLeftExports({ quietEngine }: Pick<DaemonContext, 'quietEngine'>): void {
  inBackground('removing the snapshots of exports that were cut off', async () => {
    const left = await quietEngine.snapshots.list({ labels: { [exportLabel]: 'true' } });
    for (const { id } of left) await remove(quietEngine, id);
  });
}

async function remove({ snapshots }: Pick<Services, 'snapshots'>, id: string): Promise<void> {
  try {
    await snapshots.remove(id);
  } catch (error) {
    if (!isNovaError(error, 'snapshot_not_found')) throw error;
  }
}
