import { isNovaError, NovaError } from '@novasandbox/protocol';

/** Throws `cancelled` once the caller has given up. */
export function throwIfAborted(signal: AbortSignal | undefined, when: string): void {
  if (signal?.aborted === true) throw new NovaError('cancelled', `Cancelled ${when}.`, { cause: signal.reason });
}

/**
 * Runs `work` with a signal that aborts together with `signal`, or after `limitMs` milliseconds. When the limit is
 * reached, the error of `late()` is thrown in place of the cancellation.
 */
export async function within<T>(
  limitMs: number,
  signal: AbortSignal | undefined,
  late: () => NovaError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), limitMs);
  try {
    return await work(signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]));
  } catch (error) {
    const ours = limit.signal.aborted && signal?.aborted !== true && isNovaError(error, 'cancelled');
    throw ours ? late() : error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Settles as `promise` does, or throws `cancelled` as soon as the signal fires. `promise` itself goes on, because
 * others may be waiting for it.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, when: string): Promise<T> {
  throwIfAborted(signal, when);
  if (signal === undefined) return promise;
  const given = Promise.withResolvers<never>();
  const onAbort = (): void => given.reject(new NovaError('cancelled', `Cancelled ${when}.`, { cause: signal.reason }));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, given.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Runs `works` side by side and gives their results. The first failure aborts the others, and is thrown once all of
 * them have ended, so that none of them still runs afterwards.
 */
export async function together<const T extends readonly unknown[]>(
  signal: AbortSignal | undefined,
  works: { readonly [K in keyof T]: (signal: AbortSignal) => Promise<T[K]> },
): Promise<T> {
  const failed = new AbortController();
  const shared = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  let first: { readonly error: unknown } | undefined;
  const results = await Promise.all(
    works.map(async (work) => {
      try {
        return await work(shared);
      } catch (error) {
        first ??= { error };
        failed.abort(error);
        return undefined;
      }
    }),
  );
  if (first !== undefined) throw first.error;
  return results as unknown as T;
}
