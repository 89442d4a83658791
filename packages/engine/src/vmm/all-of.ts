/**
 * Waits for what is a moment's work each, and takes several times that to be waited for one after the other. Rejects with the first reason, once all have ended:
 * nothing goes on behind the back of who then clears up.
 */
export async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
}
