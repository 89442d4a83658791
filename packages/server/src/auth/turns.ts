import { NovaError } from '@novasandbox/protocol';

/** Work that costs the host so much that there is one at a time. */
export interface Turns {
  /** Waits for its turn and runs. Throws `rate_limited` at once where too many wait already. */
  take<T>(source: string, work: () => Promise<T>): Promise<T>;
}

interface Waiting {
  begin(): void;
}

const retrySeconds = 2;

/**
 * Sources take turns, so that one that sends much waits for itself: `perSource` of each may wait, and `total` of all.
 */
export function createTurns({ perSource, total }: { readonly perSource: number; readonly total: number }): Turns {
  /** In the order in which they come to their turns. */
  const bySource = new Map<string, Waiting[]>();
  let waiting = 0;
  let busy = false;

  const next = (): void => {
    const [first] = bySource;
    if (busy || first === undefined) return;
    const [source, queue] = first;
    const one = queue.shift();
    // To the end of the row: the others have their turn first.
    bySource.delete(source);
    if (queue.length > 0) bySource.set(source, queue);
    waiting -= 1;
    busy = true;
    one?.begin();
  };
  return {
    async take(source, work) {
      const queue = bySource.get(source) ?? [];
      if (queue.length >= perSource || waiting >= total) {
        throw new NovaError('rate_limited', 'Too many passwords wait to be checked.', {
          details: { retry_after_seconds: retrySeconds },
        });
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      queue.push({ begin: resolve });
      bySource.set(source, queue);
      waiting += 1;
      next();
      await promise;
      try {
        return await work();
      } finally {
        busy = false;
        next();
      }
    },
  };
}
