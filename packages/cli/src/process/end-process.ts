import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachedProcess } from '@novasandbox/engine';

const sigterm = 15;
const sigkill = 9;
const graceMs = 1000;

/** Ends a command nobody waits for any more: politely, then by force. Never throws: there is nobody left to tell. */
export async function endProcess(attached: AttachedProcess): Promise<void> {
  const ended = attached.exit.then(
    () => true,
    () => true,
  );
  await attached.signal(sigterm).catch(() => undefined);
  if (await Promise.race([ended, sleep(graceMs, false)])) return;
  await attached.signal(sigkill).catch(() => undefined);
}
