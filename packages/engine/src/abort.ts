import { isNovaError, NovaError } from '@novasandbox/protocol';

/** Throws `cancelled` once the caller has given up. */
export function throwIfAborted(signal: AbortSignal | undefined, when: string): void {
  if (signal?.aborted === true) throw new NovaError('cancelled', `Cancelled ${when}.`, { cause: signal.reason });
}

/**
 * `work` with a signal that aborts with `signal`, or after `limitMs` milliseconds: then `late()` is thrown for the cancellation that it makes of it.
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

/** `promise`, or `cancelled` as soon as the signal fires: what others wait for too is not ended by one who gives up. */
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
