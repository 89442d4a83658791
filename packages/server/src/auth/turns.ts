import { NovaError } from '@novasandbox/protocol';

/** Runs expensive work one at a time. */
export interface Turns {
  /** Waits for its turn, then runs. Throws `rate_limited` at once when too many are waiting already. */
  take<T>(source: string, work: () => Promise<T>): Promise<T>;
}

interface Waiting {
  begin(): void;
}

const retrySeconds = 2;

/**
 * Sources take turns, so that a source that sends a lot only delays itself. At most `perSource` requests of each source
 * may wait, and `total` of all sources.
 */
export function createTurns({ perSource, total }: { readonly perSource: number; readonly total: number }): Turns {
  /** Waiting sources in the order of their turns. */
  const bySource = new Map<string, Waiting[]>();
  let waiting = 0;
  let busy = false;

  const next = (): void => {
    const [first] = bySource;
    if (busy || first === undefined) return;
    const [source, queue] = first;
    const one = queue.shift();
    // The source goes to the end of the queue: the others come first.
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
