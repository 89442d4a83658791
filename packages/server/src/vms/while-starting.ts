/**
 * Calls `start` with a signal that follows the given one only until it has settled: a signal of its own would let go of a process, and a client
 * that has gone without a word lets go of nothing.
 */
export async function whileStarting<T>(signal: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const starting = new AbortController();
  const abort = (): void => starting.abort(signal.reason);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await start(starting.signal);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
