import { isAlive, type ProcessIdentity } from './process-identity.ts';

const lookEveryMs = 100;

/** Settles once the process has ended. There is no event for the end of one that is not our child. */
export function watchForEnd(record: ProcessIdentity, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (lives(record)) return;
    clearInterval(timer);
    resolve();
  };
  const timer = setInterval(look, lookEveryMs);
  // Whoever released the machine no longer waits for its end.
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  look();
  return promise;
}

/** A host that has no descriptor left to look with says nothing about the process: it is looked at again. */
function lives(record: ProcessIdentity): boolean {
  try {
    return isAlive(record);
  } catch {
    return true;
  }
}
