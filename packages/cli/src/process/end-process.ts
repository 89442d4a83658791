import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachedProcess } from '@novasandbox/engine';

const sigterm = 15;
const sigkill = 9;
const graceMs = 1000;

/**
 * Ends a command that nobody waits for any more: with the given signal, then politely, then by force. The process must
 * still be attached and its output be read, because signals use the same connection. Never throws, since nobody could
 * handle it.
 */
export async function endProcess(attached: AttachedProcess, first: number): Promise<void> {
  const ended = attached.exit.then(
    () => true,
    () => true,
  );
  for (const signal of new Set([first, sigterm, sigkill])) {
    await attached.signal(signal).catch(() => undefined);
    if (await Promise.race([ended, sleep(graceMs, false)])) return;
  }
}
