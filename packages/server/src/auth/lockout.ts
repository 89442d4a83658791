import type { LoginFailures, ServerStore } from '../store/server-store.ts';
import { sha256 } from './secrets.ts';

/**
 * Counts wrong passwords by name, also of names that do not exist: the answer must not tell which do. The store keeps them, so that a daemon
 * that is started anew does not begin to count anew.
 */
export interface Lockout {
  /** When the name is free again, or null when it is free. */
  lockedUntilMs(name: string): number | null;
  failed(name: string): void;
  succeeded(name: string): void;
}

export function createLockout(
  store: ServerStore,
  attempts: number,
  lockoutMs: number,
  now: () => number = Date.now,
): Lockout {
  // People type passwords where a name belongs: what they typed is not kept.
  const keyOf = (name: string): string => sha256(name);
  const current = (name: string): LoginFailures | null => {
    const found = store.findLoginFailures(keyOf(name));
    return found === null || now() - found.lastMs >= lockoutMs ? null : found;
  };
  return {
    lockedUntilMs(name) {
      const found = current(name);
      return found !== null && found.count >= attempts ? found.lastMs + lockoutMs : null;
    },
    failed: (name) => store.putLoginFailures(keyOf(name), { count: (current(name)?.count ?? 0) + 1, lastMs: now() }),
    succeeded: (name) => store.clearLoginFailures(keyOf(name)),
  };
}
