import { isAlive, type ProcessIdentity } from './process-identity.ts';

const lookEveryMs = 100;

/**
 * Resolves once the process has ended. It is polled, as there is no event for the end of a process that is not a child.
 */
export function watchForEnd(record: ProcessIdentity, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (lives(record)) return;
    clearInterval(timer);
    resolve();
  };
  const timer = setInterval(look, lookEveryMs);
  // The machine was released: nobody waits for its end any more.
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  look();
  return promise;
}

/** When no descriptor is left to check with, nothing is known about the process, and it is checked again later. */
function lives(record: ProcessIdentity): boolean {
  try {
    return isAlive(record);
  } catch {
    return true;
  }
}
