import { setTimeout as delay } from 'node:timers/promises';

/** Asking a guest takes time that the guest needs: the longer it takes, the less often it is asked. */
const pauseMs = (elapsedMs: number): number => Math.min(Math.max(20, elapsedMs / 8), 250);

/** Asks until the answer is yes. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const startedAt = performance.now();
  while (!(await isSo())) {
    const elapsedMs = performance.now() - startedAt;
    if (elapsedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(pauseMs(elapsedMs));
  }
}
