import { setTimeout as delay } from 'node:timers/promises';

/** A guest needs time to answer: the longer the wait, the less often it is asked. */
const pauseMs = (elapsedMs: number): number => Math.min(Math.max(20, elapsedMs / 8), 250);

/**
 * Repeats the question until the answer is yes.
 * @param withinMs limit against a hang. It is long, because a test file runs beside others; it is shorter only where
 * the time itself is tested
 */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  const startedAt = performance.now();
  while (!(await isSo())) {
    const elapsedMs = performance.now() - startedAt;
    if (elapsedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(pauseMs(elapsedMs));
  }
}
