/**
 * Calls `start` with a signal that follows the given one only until the start has settled: an abort after that would
 * detach from the process, and a client that disconnects without a message must not detach.
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
