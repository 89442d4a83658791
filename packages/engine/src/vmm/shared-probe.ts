import { throwIfAborted, unlessAborted } from '../abort.ts';
import type { ProbeOptions } from '../ports/vmm-driver.ts';

/** One probe serves all who ask at the same time, and its result serves later callers. */
export interface SharedProbe<T> {
  /**
   * A caller that gives up leaves the probe to the others. The last one to leave ends it, and waits until it is undone.
   * `fresh` ignores earlier results, but shares a probe in progress that is fresh too.
   */
  ask(asked: ProbeOptions): Promise<T>;
  /**
   * Ends a probe in progress, whoever waits for it, and returns when it is undone, so that no probe outlives the engine
   * that made it.
   */
  end(): Promise<void>;
}

interface Running<T> {
  readonly found: Promise<T>;
  readonly abort: AbortController;
  readonly fresh: boolean;
  asking: number;
}

/** `keptForMs`: how long a result is used. */
export function createSharedProbe<T>(
  probe: (asked: ProbeOptions) => Promise<T>,
  keptForMs: (found: T) => number,
): SharedProbe<T> {
  const all = new Set<Running<T>>();
  let current: Running<T> | null = null;
  let known: { readonly found: T; readonly until: number } | null = null;

  const start = (asked: ProbeOptions): Running<T> => {
    const fresh = asked.fresh === true;
    const abort = new AbortController();
    const started: Running<T> = {
      found: (async () => probe({ ...asked, fresh, signal: abort.signal }))(),
      abort,
      fresh,
      asking: 0,
    };
    all.add(started);
    const over = (): void => {
      all.delete(started);
      if (current === started) current = null;
    };
    started.found.then((found) => {
      if (current === started) known = { found, until: performance.now() + keptForMs(found) };
      over();
    }, over);
    return started;
  };
  return {
    async ask(asked) {
      throwIfAborted(asked.signal, 'before probing');
      const { fresh = false } = asked;
      if (!fresh && known !== null && performance.now() < known.until) return known.found;
      if (current === null || current.abort.signal.aborted || (fresh && !current.fresh)) current = start(asked);
      const joined = current;
      joined.asking++;
      try {
        return await unlessAborted(joined.found, asked.signal, 'while probing');
      } finally {
        if (--joined.asking === 0 && all.has(joined)) {
          joined.abort.abort(asked.signal?.reason);
          await joined.found.catch(() => undefined);
        }
      }
    },
    async end() {
      const running = [...all];
      for (const { abort } of running) abort.abort();
      await Promise.allSettled(running.map(({ found }) => found));
    },
  };
}
