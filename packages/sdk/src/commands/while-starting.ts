/**
 * Calls `start` with a signal that follows the given one only until `start` has settled. When its signal aborts, the
 * engine merely detaches from a process; a running one has to be killed.
 */
export async function whileStarting<T>(
  signal: AbortSignal | undefined,
  start: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const starting = new AbortController();
  const abort = (): void => starting.abort(signal?.reason);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted === true) abort();
  try {
    return await start(starting.signal);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
