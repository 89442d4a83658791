import { setTimeout as delay } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';

/** How long to wait for another that reads the memory or the disk of the same sandbox, ms. */
const turnWithinMs = 60_000;
const lookEveryMs = 20;

type Where = Pick<EngineContext, 'store'>;

/**
 * Waits until no other process, and no other call of this one, reads the memory or the disk of the sandbox, or works on
 * the memory that is kept of it.
 */
export async function takeTurn(context: Where, id: string, signal: AbortSignal | undefined): Promise<AsyncDisposable> {
  const end = performance.now() + turnWithinMs;
  for (;;) {
    const turn = turnIfFree(context, id);
    if (turn !== null) return turn;
    if (performance.now() > end)
      throw new NovaError('conflict', `Another snapshot of the sandbox ${id} has been under way for too long.`);
    await delay(lookEveryMs, undefined, { signal });
  }
}

/** The turn, where nobody has it now. */
export function turnIfFree({ store }: Where, id: string): AsyncDisposable | null {
  const turn = `instant of ${id}`;
  if (store.takeLease(turn, 1) === null) return null;
  return { [Symbol.asyncDispose]: () => Promise.resolve(store.releaseLease(turn, 0)) };
}
