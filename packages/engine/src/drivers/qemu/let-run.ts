import { setTimeout as delay } from 'node:timers/promises';
import { isUnanswered, patience } from '../../vmm/patience.ts';
import type { QmpClient } from './qmp.ts';

const lookEveryMs = 5;

/**
 * Lets the guest run. While QEMU ends a migration, it refuses `cont` ("Migration is not finalized yet"): for a moment
 * after it has reported the end, and when the process that wanted the migration was killed. So a refused `cont` is sent
 * again once that has passed.
 */
export async function letRun(qmp: QmpClient): Promise<void> {
  try {
    await qmp.execute('cont');
  } catch (error) {
    if (isUnanswered(error)) throw error;
    await migrationHasEnded(qmp);
    await qmp.execute('cont');
  }
}

async function migrationHasEnded(qmp: QmpClient): Promise<void> {
  const end = performance.now() + patience.answerMs;
  while (performance.now() < end) {
    const { status } = await qmp.execute<{ readonly status: string }>('query-status');
    if (status !== 'finish-migrate') return;
    await delay(lookEveryMs);
  }
}
