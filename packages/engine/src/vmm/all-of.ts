/**
 * Waits for pieces of work that run side by side. Rejects with the first failure, but only once all of them have ended,
 * so that none still runs while the caller cleans up.
 */
export async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
}
