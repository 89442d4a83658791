import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachedProcess } from '@novasandbox/engine';

const sigterm = 15;
const sigkill = 9;
const graceMs = 1000;

/**
 * Ends a command nobody waits for any more: with the signal given, then politely, then by force. Its output has to be attached to still, as its signals go the
 * same way, and to be read. Never throws: there is nobody left to tell.
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
