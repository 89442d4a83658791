import { NovaError } from '@novasandbox/protocol';

/** Throws `cancelled` once the caller has given up. */
export function throwIfAborted(signal: AbortSignal | undefined, when: string): void {
  if (signal?.aborted === true) throw new NovaError('cancelled', `Cancelled ${when}.`, { cause: signal.reason });
}
