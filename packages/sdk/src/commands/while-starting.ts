/**
 * Calls `start` with a signal that follows the given one only until it has settled. The engine lets go of a process when its signal aborts,
 * which is not enough for one that runs: that has to be killed.
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
