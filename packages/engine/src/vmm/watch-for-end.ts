import type { MachineExit } from '../ports/vmm-driver.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

const lookEveryMs = 100;

/** Our own child tells its end; it is looked at all the same, as its handle does not keep this process waiting for it. */
export function watchForEnd(
  record: ProcessIdentity,
  childExit: Promise<MachineExit> | null,
  signal: AbortSignal,
): Promise<MachineExit> {
  const { promise, resolve } = Promise.withResolvers<MachineExit>();
  const end = (exit: MachineExit = { code: null, signal: null }): void => {
    clearInterval(timer);
    resolve(exit);
  };
  const timer = setInterval(() => {
    if (!isAlive(record)) end();
  }, lookEveryMs);
  void childExit?.then(end);
  // Whoever released the machine no longer waits for its end.
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  if (!isAlive(record)) end();
  return promise;
}
