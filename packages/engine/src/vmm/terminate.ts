import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** Looks, about one per ms. After that many, a killed VMM is gone and a jailer has done its work. */
const oftenLooks = 30;
const seldomMs = 50;

/** Resolves true once the process has ended, false when it still lives after `withinMs`. */
export async function waitForEnd(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  // There is no event for the end of a process that is not our child. It is polled often while it is about to end, and
  // seldom later.
  for (let looks = 0; ; looks++) {
    if (!isAlive(identity)) return true;
    if (performance.now() >= end) return false;
    await delay(looks < oftenLooks ? 1 : seldomMs);
  }
}

/** Sends a signal if the process is still the same one. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** SIGTERM, then SIGKILL after `graceMs` (0: at once). Returns when the process has ended. */
export async function terminate(identity: ProcessIdentity, graceMs: number): Promise<void> {
  if (graceMs > 0) {
    signalProcess(identity, 'SIGTERM');
    if (await waitForEnd(identity, graceMs)) return;
  }
  signalProcess(identity, 'SIGKILL');
  // A process in uninterruptible sleep can outlast SIGKILL. If it does so for a minute, the host is broken.
  if (!(await waitForEnd(identity, 60_000))) throw new Error(`process ${identity.pid} survives SIGKILL`);
}
